// From a configuration to its task.
#pragma once
#include <memory>

#include "train/config/config.h"
#include "train/task/task.h"

namespace krait {

/// Opens the data and makes the model of the task that `config` describes. Throws what opening data
/// throws, and BadConfig or BadData when model and data do not fit together.
std::unique_ptr<Task> make_task(const Config& config);

}  // namespace krait
