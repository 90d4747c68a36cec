#pragma once
#include <cstddef>
#include <string>

namespace krait {

/// What is wrong with a text, and at which byte.
struct TextProblem {
  std::size_t offset = 0;
  std::string message;
};

}  // namespace krait
