#include "train/generate/stop_strings.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

namespace krait {
namespace {

/// The length of the longest end of `text` that `string` starts with, but is longer than.
std::size_t unfinished(std::string_view text, std::string_view string) {
  for (std::size_t n = std::min(text.size(), string.size() - 1); n > 0; --n) {
    if (text.ends_with(string.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

StopStrings::StopStrings(const std::vector<std::string>& strings) {
  std::ranges::copy_if(strings, std::back_inserter(strings_),
                       [](const std::string& s) { return !s.empty(); });
}

std::string StopStrings::push(std::string_view text) {
  if (found_) return {};
  held_ += text;
  std::size_t end = held_.size(), kept = 0;
  for (const std::string& s : strings_) {
    if (const std::size_t at = held_.find(s); at != std::string::npos) {
      found_ = true;
      end = std::min(end, at);
    } else {
      kept = std::max(kept, unfinished(held_, s));
    }
  }
  if (!found_) end -= kept;
  std::string passed = held_.substr(0, end);
  held_.erase(0, found_ ? held_.size() : end);
  return passed;
}

std::string StopStrings::finish() {
  return std::exchange(held_, {});
}

}  // namespace krait
