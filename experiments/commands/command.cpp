#include "experiments/commands/command.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "core/system/parallel.h"
#include "train/config/nearest_name.h"
#include "train/run/build_info.h"

namespace krait {
namespace {

struct Registered {
  std::string parent;  // empty: krait itself
  int position = 0;
  AddCommand add = nullptr;
};

/// A function's static, because registrations in other files run before those of this one may.
std::vector<Registered>& registry() {
  static std::vector<Registered> commands;
  return commands;
}

/// The flag of an option of the library: --max-length of max_length.
std::string flag_of(std::string_view option) {
  if (option == "max_line_bytes") return "--max-line-mib";
  std::string flag = "--";
  for (const char c : option) flag += c == '_' ? '-' : c;
  return flag;
}

}  // namespace

CommandRegistration::CommandRegistration(int position, AddCommand add) {
  registry().push_back({.position = position, .add = add});
}

CommandRegistration::CommandRegistration(std::string parent, int position, AddCommand add) {
  registry().push_back({.parent = std::move(parent), .position = position, .add = add});
}

void add_registered_commands(CLI::App& app) {
  std::vector<Registered> commands = registry();
  // Parents first: their names are empty.
  std::ranges::sort(commands, {},
                    [](const Registered& c) { return std::tie(c.parent, c.position); });
  for (const Registered& c : commands)
    c.add(c.parent.empty() ? app : *app.get_subcommand(c.parent));
}

std::string with_flags(std::string_view message, const CLI::App& command) {
  std::string result;
  for (;;) {
    const std::size_t begin = message.find('`');
    const std::size_t end = begin < message.size() ? message.find('`', begin + 1) : begin;
    result += message.substr(0, begin);
    if (end >= message.size()) return result += message.substr(std::min(begin, message.size()));
    const std::string_view name = message.substr(begin + 1, end - begin - 1);
    const std::string flag = flag_of(name);
    result += command.get_option_no_throw(flag) == nullptr ? str('`', name, '`') : flag;
    message.remove_prefix(end + 1);
  }
}

void add_choice_option(CLI::App& command, const ChoiceOption& option) {
  const std::vector<std::string> choices = option.choices;
  const auto check = [choices](const std::string& word) -> std::string {
    if (std::find(choices.begin(), choices.end(), word) != choices.end()) return {};
    const std::string nearest = nearest_name(word, choices);
    return fmt::format("must be one of {}, got '{}'{}", fmt::join(choices, ", "), word,
                       nearest.empty() ? "" : "; did you mean " + nearest + "?");
  };
  const auto take = [choices, set = option.set](const std::string& word) {
    set(static_cast<std::size_t>(std::find(choices.begin(), choices.end(), word) -
                                 choices.begin()));
  };
  command.add_option_function<std::string>(option.name, take, option.help)
      ->type_name(fmt::format("{}", fmt::join(choices, "|")))
      ->check(check, "")
      ->default_str(choices.front());
}

void add_device_option(CLI::App& command, DeviceChoice& device) {
  add_choice_option(command, "--device",
                    "Where to compute; auto: cuda where there is a GPU (the first one), else cpu",
                    device);
}

void add_precision_option(CLI::App& command, std::optional<Precision>& precision) {
  const auto& names = kNames<Precision>;
  std::vector<std::string> choices{"auto"};
  choices.insert(choices.end(), names.begin(), names.end());
  add_choice_option(
      command, {.name = "--dtype",
                .help = "Arithmetic; auto: that of training where the device supports it, else f32",
                .choices = std::move(choices),
                .set = [&precision](std::size_t i) {
                  if (i > 0) precision = static_cast<Precision>(i - 1);
                }});
}

void add_model_option(CLI::App& command, std::string& path) {
  command
      .add_option("--model", path,
                  "A checkpoint, a run (its newest checkpoint) or a Hugging Face directory")
      ->type_name("DIR")
      ->required();
}

void add_tokenizer_option(CLI::App& command, std::string& path) {
  command
      .add_option("--tokenizer", path,
                  "Instead of the model's own: a tokenizer.json, a directory with one, or byte")
      ->type_name("FILE");
}

void add_json_option(CLI::App& command, std::string& path) {
  command.add_option("--json", path, "Also write all figures as one JSON object")
      ->type_name("FILE");
}

void add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& of_what) {
  command.add_option("--seed", seed, "Seed of " + of_what)->type_name("N")->capture_default_str();
}

void add_threads_option(CLI::App& command, int& threads) {
  constexpr int kMost = 4096;
  command.add_option("--threads", threads, "CPU threads; 0: KRAIT_THREADS, else all cores")
      ->type_name("N")
      ->check(CLI::Range(0, kMost), "")
      ->capture_default_str();
}

void add_weights_option(CLI::App& command, CheckpointWeights& weights) {
  add_choice_option(command, "--weights", "The trained weights or their average (train.ema_decay)",
                    weights);
}

void add_max_line_option(CLI::App& command, std::uint64_t& bytes) {
  constexpr int kMost = 1 << 20;
  command
      .add_option_function<std::uint64_t>(
          "--max-line-mib", [&bytes](std::uint64_t mib) { bytes = mib << 20; },
          "Refuse longer lines, and longer stretches of text without a place to cut")
      ->type_name("MIB")
      ->check(CLI::Range(1, kMost), "")
      ->default_str(std::to_string(bytes >> 20));
}

void add_batch_option(CLI::App& command, std::int64_t& batch, const std::string& of_what) {
  command
      .add_option("--batch", batch,
                  of_what +
                      " computed at once on a CPU; 0: as suits the threads. A GPU takes as many as "
                      "fill it. No result depends on it")
      ->type_name("N")
      ->capture_default_str();
}

void use_threads(int threads) {
  if (threads > 0) set_thread_count(threads);
}

Device resolve_device(DeviceChoice choice, const std::optional<Precision>& precision) {
  const Device device = resolve_device(choice);
  const std::string obstacle = precision ? obstacle_to_precision(device, *precision) : "";
  KRAIT_CHECK(Usage, obstacle.empty(), "--dtype ", obstacle, "; use --dtype f32.");
  return device;
}

std::string tool_name() {
  return fmt::format("krait {} ({})", build_info().version, build_info().source);
}

void write_json(const std::string& path, const nlohmann::ordered_json& object) {
  if (!path.empty())
    write_file_atomic(path,
                      object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace krait
