// krait eval: how good a trained model is. Its subcommands register themselves.
#include <CLI/CLI.hpp>

#include "experiments/commands/command.h"

namespace krait {
namespace {

void add_eval_command(CLI::App& app) {
  app.add_subcommand("eval", "Evaluate a trained model")->require_subcommand(1);
}

const CommandRegistration kEval(20, add_eval_command);

}  // namespace
}  // namespace krait
