// The lanes of a warp.
#pragma once

namespace krait::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

}  // namespace krait::cuda
