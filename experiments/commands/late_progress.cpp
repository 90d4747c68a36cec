#include "experiments/commands/late_progress.h"

namespace krait {

void LateProgress::update(std::uint64_t done, std::uint64_t total, std::string_view note) {
  if (!progress_) {
    progress_.emplace(ProgressOptions{.label = label_,
                                      .item = item_,
                                      .total = static_cast<std::int64_t>(total),
                                      .first = static_cast<std::int64_t>(done)});
  }
  progress_->update(static_cast<std::int64_t>(done), note);
}

void LateProgress::finish() {
  if (progress_ && !finished_) progress_->finish();
  finished_ = true;
}

}  // namespace krait
