// How a command of krait registers itself: each is one file in experiments/commands/ with
//
//   const CommandRegistration kTrain(10, add_train_command);            // krait train
//   const CommandRegistration kTasks("eval", 20, add_eval_tasks);       // krait eval tasks
//
// at its end, and no other file knows of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/names.h"
#include "train/config/precision.h"
#include "train/run/checkpoint.h"

namespace CLI {
class App;
}

namespace krait {

/// Adds a command to `parent`, which is krait or one of its commands: its options, and a callback
/// with one call that does the work. The callback throws krait::Error for what went wrong.
using AddCommand = void (*)(CLI::App& parent);

/// Registers a command when the program starts. `--help` lists those of one parent by rising
/// `position`.
class CommandRegistration {
 public:
  CommandRegistration(int position, AddCommand add);
  CommandRegistration(std::string parent, int position, AddCommand add);
};

/// Adds all registered commands to `app`, which is krait.
void add_registered_commands(CLI::App& app);

/// A message of the library for a user of `command`. The library names its options in back quotes;
/// where the command has the flag, `max_length` becomes --max-length.
std::string with_flags(std::string_view message, const CLI::App& command);

/// An option whose value is one of a few words.
struct ChoiceOption {
  std::string name;  // "--device"
  std::string help;
  std::vector<std::string> choices;      // the first is the default
  std::function<void(std::size_t)> set;  // gets the place of the word given
};
void add_choice_option(CLI::App& command, const ChoiceOption& option);

/// The option for `value`, by the names of its enumeration.
template <Named Enum>
void add_choice_option(CLI::App& command, const std::string& name, const std::string& help,
                       Enum& value) {
  add_choice_option(command, {.name = name,
                              .help = help,
                              .choices = {kNames<Enum>.begin(), kNames<Enum>.end()},
                              .set = [&value](std::size_t i) { value = static_cast<Enum>(i); }});
}

/// Options that several commands have, each under one name.
void add_device_option(CLI::App& command, DeviceChoice& device);
/// The arithmetic of a trained model; without the option (auto) `precision` stays empty.
void add_precision_option(CLI::App& command, std::optional<Precision>& precision);
/// What load_model loads.
void add_model_option(CLI::App& command, std::string& path);
/// LoadModelOptions::tokenizer.
void add_tokenizer_option(CLI::App& command, std::string& path);
void add_json_option(CLI::App& command, std::string& path);
void add_seed_option(CLI::App& command, std::uint64_t& seed, const std::string& of_what);
void add_weights_option(CLI::App& command, CheckpointWeights& weights);
void add_threads_option(CLI::App& command, int& threads);
/// TextReaderOptions::max_line_bytes, in MiB.
void add_max_line_option(CLI::App& command, std::uint64_t& bytes);
/// WindowScoring::batch.
void add_batch_option(CLI::App& command, std::int64_t& batch, const std::string& of_what);
/// Sets the number of threads; 0 leaves it as it is.
void use_threads(int threads);

/// The device that `choice` means, after a check that it can compute in `precision`.
Device resolve_device(DeviceChoice choice, const std::optional<Precision>& precision);

/// "krait 0.1.0 (v0.1.0-12-gabcdef)": what the provenance of data names.
std::string tool_name();

/// Writes the object of --json to `path`; does nothing where `path` is empty. Invalid UTF-8 in
/// texts becomes U+FFFD, and a figure that is not finite null.
void write_json(const std::string& path, const nlohmann::ordered_json& object);

}  // namespace krait
