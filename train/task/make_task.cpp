#include "train/task/make_task.h"

#include "train/task/language_modelling.h"

namespace krait {

std::unique_ptr<Task> make_task(const Config& config) {
  return std::make_unique<LanguageModelling>(config);
}

}  // namespace krait
