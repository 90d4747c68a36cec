// krait config: what a configuration may hold, and what one means.
#include "train/config/config.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "experiments/commands/command.h"

namespace krait {
namespace {

struct ShowOptions {
  std::string path;
  std::vector<std::string> overrides;
};

void add_config_command(CLI::App& app) {
  CLI::App* config = app.add_subcommand("config", "Check and explain configurations");
  config->require_subcommand(1);

  const auto markdown = std::make_shared<bool>(false);
  CLI::App* docs =
      config->add_subcommand("docs", "List every field: type, range, default, meaning");
  docs->add_flag("--markdown", *markdown, "As Markdown tables");
  docs->callback([markdown] { std::cout << (*markdown ? config_markdown() : config_help()); });

  const auto options = std::make_shared<ShowOptions>();
  CLI::App* show = config->add_subcommand(
      "show", "Check CONFIG and print it with every default and override filled in");
  show->add_option("CONFIG", options->path, "YAML file")->required();
  show->add_option("OVERRIDES", options->overrides, "section.field=value, each after CONFIG");
  show->callback(
      [options] { std::cout << dump_yaml(load_config(options->path, options->overrides)); });
}

const CommandRegistration kConfig(80, add_config_command);

}  // namespace
}  // namespace krait
