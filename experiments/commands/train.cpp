// krait train: a training run, from the beginning or from where it stands.
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "experiments/commands/command.h"
#include "train/config/config.h"
#include "train/run/stop.h"
#include "train/trainer.h"

namespace krait {
namespace {

struct TrainCommand {
  std::string path;
  std::vector<std::string> overrides;
  std::string json;
};

void run_training(const TrainCommand& command) {
  const Config config = load_config(command.path, command.overrides);
  install_stop_handlers();
  const TrainResult result = train(config);
  nlohmann::ordered_json report{{"step", result.step},
                                {"finished", result.finished},
                                {"loss", nullptr},
                                {"checkpoint", result.checkpoint},
                                {"parameter_hash", result.parameter_hash}};
  if (!std::isnan(result.loss)) report["loss"] = result.loss;
  if (!std::isnan(result.evaluation_loss)) report["evaluation_loss"] = result.evaluation_loss;
  write_json(command.json, report);
  KRAIT_CHECK(Stopped, result.finished, "stopped after step ", result.step, " of ",
              config.train.steps, "; the same command continues from there.");
  std::cout << "finished after step " << result.step << ", checkpoint " << result.checkpoint
            << '\n';
}

void add_train_command(CLI::App& app) {
  const auto command = std::make_shared<TrainCommand>();
  CLI::App* train = app.add_subcommand(
      "train", "Train a model; continues by itself from the newest intact checkpoint of the run");
  train->add_option("CONFIG", command->path, "YAML file")->required();
  train->add_option("OVERRIDES", command->overrides, "section.field=value, after CONFIG");
  add_choice_option(*train, {.name = "--device",
                             .help = "The same as run.device=...",
                             .choices = {kNames<DeviceChoice>.begin(), kNames<DeviceChoice>.end()},
                             .set = [command](std::size_t i) {
                               command->overrides.push_back(
                                   fmt::format("run.device={}", kNames<DeviceChoice>.at(i)));
                             }});
  add_json_option(*train, command->json);
  train->footer([] { return config_help(); });
  train->callback([command] { run_training(*command); });
}

const CommandRegistration kTrain(10, add_train_command);

}  // namespace
}  // namespace krait
