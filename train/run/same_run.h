// Whether a run may continue from a checkpoint under the present configuration.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "train/config/config.h"
#include "train/run/checkpoint.h"

namespace krait {

/// Compares the configuration of a checkpoint with the present one, according to the role of each
/// field (FieldRole). Returns a line for the log for each Free field that changed.
///
/// Throws BadConfig when a field that fixes the run has another value.
std::vector<std::string> require_same_run(const Config& before, const Config& config);

/// Throws BadConfig unless the run of the checkpoint used the data with this identity.
void require_same_data(const CheckpointState& state, std::string_view data_identity,
                       const Config& config);

}  // namespace krait
