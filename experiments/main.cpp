// The krait binary: parses the command line, runs one subcommand, turns errors into one line and an
// exit code.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "experiments/commands/command.h"
#include "train/config/nearest_name.h"
#include "train/config/schema.h"
#include "train/run/build_info.h"

namespace krait {
namespace {

int report(ErrorKind kind, std::string_view message) {
  // A message of several lines is a list of errors.
  for (std::size_t at = 0; at <= message.size();) {
    const std::size_t end = std::min(message.find('\n', at), message.size());
    std::cerr << (kind == ErrorKind::Stopped ? "krait: " : "krait: error: ")
              << message.substr(at, end - at) << '\n';
    at = end + 1;
  }
  return exit_code(kind);
}

/// "core/tensor/tensor.cpp:12" of a path that begins where the sources lay when this file was
/// compiled.
std::string_view in_repository(std::string_view where) {
  constexpr std::string_view kThisFile = "experiments/main.cpp";
  std::string_view root = __FILE__;
  root.remove_suffix(kThisFile.size());
  return where.starts_with(root) ? where.substr(root.size()) : where;
}

int report_bug(std::string_view message, std::string_view where) {
  std::cerr << "krait: bug: " << message;
  if (!where.empty()) std::cerr << " (" << in_repository(where) << ')';
  std::cerr << " This is a fault of krait, not yours; please report it with the command line and "
               "'krait --version'.\n";
  return exit_code(ErrorKind::Contract);
}

std::string command_line(const CLI::App* app) {
  const CLI::App* parent = app->get_parent();
  return parent == nullptr ? app->get_name() : command_line(parent) + " " + app->get_name();
}

/// The innermost subcommand that was given.
const CLI::App* innermost(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::vector<std::string> command_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> flag_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// What to say about a command line that CLI11 refused. What it could not place comes first: a
/// mistyped flag is the likely reason that a required one is missing.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = innermost(&app);
  const std::string help = "; see '" + command_line(command) + " --help'";
  const std::vector<std::string> commands = command_names(command);
  for (const std::string& word : app.remaining(/*recurse=*/true)) {
    const std::string name = word.substr(0, word.find('='));
    const bool flag = name.size() > 1 && name.front() == '-';
    if (!flag && commands.empty()) continue;
    if (const std::size_t dashes = word.find_first_not_of('-');
        flag && dashes < word.size() && find_field(name.substr(dashes)) != nullptr) {
      return "unknown flag " + name +
             "; fields of the configuration have no dashes: " + word.substr(dashes);
    }
    const std::string nearest = nearest_name(name, flag ? flag_names(command) : commands);
    return (flag ? "unknown flag " : "unknown command ") + name +
           (nearest.empty() ? help : "; did you mean " + nearest + "?");
  }
  if (const auto extra = app.remaining(/*recurse=*/true); !extra.empty()) {
    return "unexpected argument '" + extra.front() + "'" + help;
  }
  if (!commands.empty()) return "a command is missing: one of " + joined(commands) + help;
  return error.what() + help;
}

void flush_output() {
  std::cout.flush();
  KRAIT_CHECK(Io, std::cout.good() && std::fflush(stdout) == 0,
              "cannot write the output; is the disk full?");
}

int run(int argc, char** argv) {
  CLI::App app("Trains and evaluates Mamba language models.", "krait");
  app.set_version_flag("--version", describe_build(), "Print what this binary was built from");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 64 usage, 65 bad data, 66 missing input, 69 rank lost,\n"
      "70 non-finite, 74 I/O, 75 stopped and resumable, 78 bad config; 1 a bug of krait.");
  add_registered_commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help and --version
    app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(ErrorKind::Usage, usage_message(app, error));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::Contract) throw;
    return report(error.kind(), with_flags(error.what(), *innermost(&app)));
  }
  flush_output();
  return 0;
}

}  // namespace
}  // namespace krait

int main(int argc, char** argv) {
  try {
    return krait::run(argc, argv);
  } catch (const krait::Error& error) {
    if (error.kind() == krait::ErrorKind::Contract) {
      return krait::report_bug(error.what(), error.where());
    }
    return krait::report(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return krait::report(
        krait::ErrorKind::Io,
        "out of memory; use a smaller batch (train.accumulation cuts one into parts), "
        "train.recompute=blocks or a smaller model.");
  } catch (const std::filesystem::filesystem_error& refused) {
    const krait::Error error = krait::io_error(refused);
    return krait::report(error.kind(), error.what());
  } catch (const std::exception& error) {
    return krait::report_bug(error.what(), "");
  }
}
