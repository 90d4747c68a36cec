// How a subcommand of krait comes into being. Each is one file, command_NAME.cpp, with
//
//   const CommandRegistration kTrain(10, add_train_command);
//
// at its end, and no other file knows of it.
#pragma once
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "train/config.h"

namespace CLI {
class App;
}

namespace krait {

/// Adds the subcommand to `app`: its options, and a callback with one call that does the work. The
/// callback throws krait::Error for what went wrong.
using AddCommand = void (*)(CLI::App& app);

/// Registers a subcommand when the program starts. `--help` lists them by rising `position`.
class CommandRegistration {
 public:
  CommandRegistration(int position, AddCommand add);
};

/// All registered subcommands, in the order of their positions.
std::vector<AddCommand> registered_commands();

/// Options that several commands have, each under one name.
void add_device_option(CLI::App& command, Config::Run::Device& device);
void add_json_option(CLI::App& command, std::string& path);

/// What --json promises: one object in `path`, or nothing where `path` is empty.
void write_json(const std::string& path, const nlohmann::ordered_json& object);

}  // namespace krait
