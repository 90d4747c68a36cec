// Tiles of channels: one cache line of them (16 f32 or 8 f64), as registers whose lanes are
// channels. A recurrence over time then needs no shuffles. A tile may have fewer channels than
// lanes; the lanes after them hold zeros.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/cpu/vector/vector_math.h"

namespace krait::cpu {

template <class T>
inline constexpr int kTileChannels = 64 / static_cast<int>(sizeof(T));
template <class T>
inline constexpr int kTileVectors = kTileChannels<T> / kLanes<T>;

/// A row of a tile's channels: kTileVectors registers.
template <class T>
struct alignas(64) TileRow {
  Vec<T> v[kTileVectors<T>];
};

/// Register v of the `channels` values of a tile at p, with zeros after them; and the reverse.
template <class T>
inline Vec<T> load_part(const T* p, int v, int channels) {
  const int first = v * kLanes<T>;
  if (channels == kTileChannels<T>) return load(p + first);
  return load(p + first, std::clamp(channels - first, 0, kLanes<T>));
}
template <class T>
inline void store_part(T* p, int v, int channels, const Vec<T>& x) {
  const int first = v * kLanes<T>;
  if (channels == kTileChannels<T>) return store(p + first, x);
  store(p + first, x, std::clamp(channels - first, 0, kLanes<T>));
}
template <class T>
inline TileRow<T> load_row_or_zero(const T* p, int channels) {
  TileRow<T> r{};
  for (int v = 0; p && v < kTileVectors<T>; ++v) r.v[v] = load_part(p, v, channels);
  return r;
}

/// Copies a tile's part of a (d, n) array to rows[n], and back.
template <class T>
inline void load_states(const T* p, std::int64_t states, int channels, TileRow<T>* rows) {
  T* lanes = reinterpret_cast<T*>(rows);
  std::fill_n(lanes, states * kTileChannels<T>, T(0));
  for (int c = 0; c < channels; ++c) {
    for (std::int64_t n = 0; n < states; ++n) lanes[n * kTileChannels<T> + c] = p[c * states + n];
  }
}
template <class T>
inline void store_states(T* p, std::int64_t states, int channels, const TileRow<T>* rows) {
  const T* lanes = reinterpret_cast<const T*>(rows);
  for (int c = 0; c < channels; ++c) {
    for (std::int64_t n = 0; n < states; ++n) p[c * states + n] = lanes[n * kTileChannels<T> + c];
  }
}

}  // namespace krait::cpu
