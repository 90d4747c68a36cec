#include "train/run/same_run.h"

#include <fmt/format.h>

#include "core/error.h"
#include "train/config/schema.h"

namespace krait {

std::vector<std::string> require_same_run(const Config& before, const Config& config) {
  std::vector<std::string> changes;
  for (const Field& f : config_fields()) {
    const std::string was = format_field(f, f.get(before)), is = format_field(f, f.get(config));
    if (was == is || f.role == FieldRole::Local) continue;
    KRAIT_CHECK(BadConfig, f.role != FieldRole::FixesRun, "'", config.run.directory,
                "' holds a run with ", f.name, " = ", was, ", this configuration says ", is,
                "; continue with the old value, or choose another run.directory.");
    changes.push_back(
        fmt::format("{} changed from {} to {} since the checkpoint", f.name, was, is));
  }
  return changes;
}

void require_same_data(const CheckpointState& state, std::string_view data_identity,
                       const Config& config) {
  KRAIT_CHECK(BadConfig, state.data_identity == data_identity, "data.train '", config.data.train,
              "' is not the token set that the run in '", config.run.directory,
              "' was trained on; restore it, or choose another run.directory.");
}

}  // namespace krait
