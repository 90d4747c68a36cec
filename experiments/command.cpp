#include "experiments/command.h"

#include <algorithm>
#include <map>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/file.h"

namespace krait {
namespace {

using Registry = std::vector<std::pair<int, AddCommand>>;

// A function's static, because registrations in other files run before those of this one may.
Registry& registry() {
  static Registry commands;
  return commands;
}

}  // namespace

CommandRegistration::CommandRegistration(int position, AddCommand add) {
  registry().emplace_back(position, add);
}

std::vector<AddCommand> registered_commands() {
  Registry commands = registry();
  std::sort(commands.begin(), commands.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<AddCommand> result;
  for (const auto& [position, add] : commands) result.push_back(add);
  return result;
}

void add_device_option(CLI::App& command, Config::Run::Device& device) {
  std::map<std::string, Config::Run::Device> devices;
  for (std::size_t i = 0; i < kChoices<Config::Run::Device>.size(); ++i) {
    devices.emplace(kChoices<Config::Run::Device>[i], static_cast<Config::Run::Device>(i));
  }
  command.add_option("--device", device, "auto takes CUDA when there is one")
      ->type_name("auto|cpu|cuda")
      ->transform(CLI::Transformer(devices))
      ->default_str("auto");
}

void add_json_option(CLI::App& command, std::string& path) {
  command.add_option("--json", path, "Also write all figures as one JSON object")
      ->type_name("FILE");
}

void write_json(const std::string& path, const nlohmann::ordered_json& object) {
  if (!path.empty()) write_file_atomic(path, object.dump(2) + "\n");
}

}  // namespace krait
