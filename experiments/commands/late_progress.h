// A progress bar for work that knows its size only once it has begun.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "train/record/progress.h"

namespace krait {

/// Progress that the first update starts: what is done by then does not count in the rate.
class LateProgress {
 public:
  LateProgress(std::string label, std::string item)
      : label_(std::move(label)), item_(std::move(item)) {}
  void update(std::uint64_t done, std::uint64_t total, std::string_view note = {});
  /// Progress::finish, if there was an update. Further calls do nothing.
  void finish();

 private:
  std::string label_, item_;
  std::optional<Progress> progress_;
  bool finished_ = false;
};

}  // namespace krait
