#pragma once
#include <cstdint>

namespace krait {

/// Target of a position that does not count: its loss and gradients are zero. The data layer writes
/// it, cross-entropy reads it.
inline constexpr std::int32_t kIgnoreIndex = -100;

}  // namespace krait
