#pragma once
#include <cstdint>

namespace krait {

/// a / b rounded up, for a >= 0 and b >= 1: how many pieces of b cover a.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace krait
