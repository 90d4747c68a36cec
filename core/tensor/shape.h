// The sizes, or strides, of a tensor.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <type_traits>

#include "core/error.h"

namespace krait {

/// Up to 6 dimension sizes (or strides), stored inline: trivially copyable, so it can be a kernel
/// argument. Negative indices count from the end: shape[-1] is the last size.
class Shape {
 public:
  static constexpr int kMaxRank = 6;
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes)
      : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const std::int64_t> sizes) {
    for (const std::int64_t s : sizes) push_back(s);
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return sizes_[index(i)]; }
  std::int64_t& operator[](int i) { return sizes_[index(i)]; }
  void push_back(std::int64_t size) {
    KRAIT_REQUIRE(rank_ < kMaxRank, "[Shape] rank must be <= 6.");
    sizes_[static_cast<std::size_t>(rank_++)] = size;
  }

  /// Product of all sizes; 1 for rank 0.
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= (*this)[i];
    return n;
  }
  /// Product of all sizes except the last: the number of rows of the array seen as a matrix.
  std::int64_t rows() const {
    return rank_ == 0 ? 1 : (*this)[-1] == 0 ? 0 : numel() / (*this)[-1];
  }

  const std::int64_t* begin() const { return sizes_.data(); }
  const std::int64_t* end() const { return sizes_.data() + rank_; }
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::size_t index(int i) const { return static_cast<std::size_t>(i < 0 ? i + rank_ : i); }
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};
static_assert(std::is_trivially_copyable_v<Shape>);

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  out << "(";
  for (int i = 0; i < s.rank(); ++i) out << (i ? ", " : "") << s[i];
  return out << ")";
}

}  // namespace krait
