// Where a text that comes in pieces is to end.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// Passes a text on until one of the strings stands in it. What may be the start of one is held
/// back until that is decided, so that no part of a stop string is ever passed on.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(const std::vector<std::string>& strings);

  /// What can be passed on of all text so far: up to the first stop string, which is left out.
  std::string push(std::string_view text);
  /// What was held back, when no more text comes.
  std::string finish();
  /// Whether a stop string was found. No more text is taken then.
  bool found() const { return found_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  bool found_ = false;
};

}  // namespace krait
