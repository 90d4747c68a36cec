// Walks several strided operands of one shape together.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/tensor/shape.h"

namespace krait::cpu {

/// The elements of a shape in row-major order, as runs along the last dimension, for N operands
/// with their own strides. Neighbouring dimensions that every operand can merge are merged first,
/// so that contiguous operands make one long run.
template <std::size_t N>
class StridedRuns {
 public:
  using Offsets = std::array<std::int64_t, N>;

  StridedRuns(const Shape& shape, const std::array<Shape, N>& strides) : numel_(shape.numel()) {
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] != 1) append(shape[i], strides, i);
    }
    if (rank_ == 0) {  // one element
      rank_ = 1;
      sizes_[0] = 1;
      strides_[0] = Offsets{};
    }
  }

  std::int64_t numel() const { return numel_; }
  /// Elements in a run, and the distance between them in operand i.
  std::int64_t length() const { return sizes_[rank_ - 1]; }
  std::int64_t step(std::size_t i) const { return strides_[rank_ - 1][i]; }

  /// Calls f(offsets, count) for the pieces of runs that make up the elements [begin, end).
  template <class F>
  void walk(std::int64_t begin, std::int64_t end, F&& f) const {
    std::array<std::int64_t, Shape::kMaxRank> index{};
    Offsets at{};
    std::int64_t rest = begin;
    for (std::size_t d = rank_; d-- > 0;) {
      index[d] = rest % sizes_[d];
      rest /= sizes_[d];
      for (std::size_t i = 0; i < N; ++i) at[i] += index[d] * strides_[d][i];
    }
    const std::size_t last = rank_ - 1;
    for (std::int64_t position = begin; position < end;) {
      const std::int64_t count = std::min(sizes_[last] - index[last], end - position);
      f(at, count);
      position += count;
      index[last] += count;
      for (std::size_t i = 0; i < N; ++i) at[i] += count * strides_[last][i];
      for (std::size_t d = last; d > 0 && index[d] == sizes_[d]; --d) {
        index[d] = 0;
        ++index[d - 1];
        for (std::size_t i = 0; i < N; ++i) {
          at[i] += strides_[d - 1][i] - sizes_[d] * strides_[d][i];
        }
      }
    }
  }

 private:
  void append(std::int64_t size, const std::array<Shape, N>& strides, int dim) {
    bool mergeable = rank_ > 0;
    for (std::size_t i = 0; i < N && mergeable; ++i) {
      mergeable = strides_[rank_ - 1][i] == size * strides[i][dim];
    }
    if (!mergeable) ++rank_;
    sizes_[rank_ - 1] = mergeable ? sizes_[rank_ - 1] * size : size;
    for (std::size_t i = 0; i < N; ++i) strides_[rank_ - 1][i] = strides[i][dim];
  }

  std::int64_t numel_;
  std::size_t rank_ = 0;
  std::array<std::int64_t, Shape::kMaxRank> sizes_{};
  std::array<Offsets, Shape::kMaxRank> strides_{};
};

}  // namespace krait::cpu
