// Ids in the narrowest unsigned integers that hold them.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "data/hdf5/hdf5.h"
#include "data/hdf5/spool.h"

namespace krait {

/// Bytes of the narrowest type that holds bound - 1: 1, 2 or 4.
constexpr std::int64_t narrow_bytes(std::int64_t bound) {
  return bound <= 1 << 8 ? 1 : bound <= 1 << 16 ? 2 : 4;
}

/// Calls f with a value of the type of `bytes` bytes.
template <class F>
decltype(auto) visit_narrow(std::int64_t bytes, F&& f) {
  if (bytes == 1) return f(std::uint8_t{});
  if (bytes == 2) return f(std::uint16_t{});
  return f(std::uint32_t{});
}

template <class T>
inline constexpr Hdf5Type kNarrowType = sizeof(T) == 1   ? Hdf5Type::U8
                                        : sizeof(T) == 2 ? Hdf5Type::U16
                                                         : Hdf5Type::U32;

/// Appends ids, which must fit, as integers of `bytes` bytes.
inline void append_narrow(BlockSpool& spool, std::int64_t bytes,
                          std::span<const std::int32_t> ids) {
  visit_narrow(bytes, [&]<class T>(T) {
    std::array<T, 4096> buffer;
    while (!ids.empty()) {
      const auto part = ids.first(std::min(buffer.size(), ids.size()));
      ids = ids.subspan(part.size());
      std::ranges::transform(part, buffer.begin(),
                             [](std::int32_t id) { return static_cast<T>(id); });
      spool.append(std::as_bytes(std::span(buffer).first(part.size())));
    }
  });
}

/// Copies elements [first, first + out.size()) of an array of integers of `bytes` bytes and returns
/// the largest, which may be more than fits in `out`.
inline std::uint32_t copy_narrow(std::span<const std::byte> stored, std::int64_t bytes,
                                 std::uint64_t first, std::span<std::int32_t> out) {
  return visit_narrow(bytes, [&]<class T>(T) {
    const T* ids = reinterpret_cast<const T*>(stored.data()) + first;
    std::uint32_t largest = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint32_t id = ids[i];
      largest = std::max(largest, id);
      out[i] = static_cast<std::int32_t>(id);
    }
    return largest;
  });
}

}  // namespace krait
