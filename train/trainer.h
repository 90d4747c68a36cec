// Training runs.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "train/config/config.h"
#include "train/record/progress.h"

namespace krait {

struct TrainOptions {
  ProgressOutput output = standard_progress_output();
  /// Called after every step; true ends the run with a checkpoint. Default: stop_requested().
  std::function<bool(std::int64_t step)> should_stop = {};
};

struct TrainResult {
  std::int64_t step = 0;  // optimizer steps done in all
  bool finished = false;  // false: stopped on request
  /// Of the last step that this process did; NaN when it did none, as in a run that was finished.
  double loss = std::numeric_limits<double>::quiet_NaN();
  double evaluation_loss = std::numeric_limits<double>::quiet_NaN();  // last one, if any
  std::string checkpoint;                                             // path of the newest
  std::string parameter_hash;  // tensor_hash of the parameters
};

/// Trains as `config` says, from the newest valid checkpoint in its run directory or from the
/// beginning. A run that is stopped at any moment and started again writes the same metrics, to the
/// bit, as one that never stopped, but for times and rates.
///
/// Throws BadConfig when the run directory belongs to another model or data set; NonFinite, before
/// the weights change, when a loss or gradient is not finite; what the data and checkpoint layers
/// throw. Checkpoints stay good in every case.
TrainResult train(const Config& config, const TrainOptions& options = {});

}  // namespace krait
