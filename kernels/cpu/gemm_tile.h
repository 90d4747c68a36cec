// One tile of a matrix product on one thread, in the way of GotoBLAS (Goto & van de Geijn 2008,
// "Anatomy of high-performance matrix multiplication"): blocks of a and b are packed into panels
// that a register kernel reads in order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cpu/vector_math.h"

namespace krait::cpu {

/// op(x)[i, j] is data[i * row + j * column].
template <class T>
struct MatrixView {
  const T* data;
  std::int64_t row, column;
  const T* at(std::int64_t i, std::int64_t j) const { return data + i * row + j * column; }
};

template <class T>
struct GemmTraits {
  // 6 x 2 registers of sums leave room for a row of b and one element of a in 16 registers; AVX-512
  // has 32.
  static constexpr int kRows = kVectorBytes == 64 ? 12 : 6, kColumns = 2 * kLanes<T>;
  // A panel of b (kDepth x kColumns) stays in the L1 cache, the block of a in the L2 cache.
  static constexpr std::int64_t kDepth = 1024 / static_cast<std::int64_t>(sizeof(T));
  static constexpr std::int64_t kBlockRows = 192;
  // Up to this many rows packing b costs more than it brings (one token at a time in generation).
  static constexpr std::int64_t kThin = 8;
};

/// Copies x[0, count) x [0, depth), x[i, l] at x + i * step + l * deep, into panels of kWidth: the
/// kWidth elements of one l lie together. The last panel is filled up with zeros.
template <int kWidth, class T>
void pack(const T* x, std::int64_t step, std::int64_t deep, std::int64_t count, std::int64_t depth,
          T* out) {
  for (std::int64_t first = 0; first < count; first += kWidth, x += kWidth * step) {
    const std::int64_t width = std::min<std::int64_t>(kWidth, count - first);
    if (width < kWidth) {
      for (std::int64_t l = 0; l < depth; ++l, out += kWidth) {
        for (int i = 0; i < kWidth; ++i) out[i] = i < width ? x[i * step + l * deep] : T(0);
      }
    } else if (step == 1) {
      for (std::int64_t l = 0; l < depth; ++l, out += kWidth)
        std::copy_n(x + l * deep, kWidth, out);
    } else {
      for (std::int64_t l = 0; l < depth; ++l, out += kWidth) {
        for (int i = 0; i < kWidth; ++i) out[i] = x[i * step + l * deep];
      }
    }
  }
}

/// c[0, kRows) x [0, kColumns) (+)= a panel of a times a panel of b.
template <class T>
void multiply_panels(const T* a, const T* b, std::int64_t depth, T* c, std::int64_t stride,
                     bool add) {
  constexpr int kRows = GemmTraits<T>::kRows, kLane = kLanes<T>;
  Vec<T> left[kRows], right[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    left[i] = add ? load(c + i * stride) : Vec<T>{};
    right[i] = add ? load(c + i * stride + kLane) : Vec<T>{};
  }
  for (std::int64_t l = 0; l < depth; ++l, a += kRows, b += 2 * kLane) {
    const Vec<T> b_left = load(b), b_right = load(b + kLane);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      left[i] += a[i] * b_left;
      right[i] += a[i] * b_right;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    store(c + i * stride, left[i]);
    store(c + i * stride + kLane, right[i]);
  }
}

/// A part of c, `rows` x `columns` at `data`, its rows `stride` apart.
template <class T>
struct Output {
  T* data;
  std::int64_t stride, rows, columns;
};

/// The same for panels at the edge of a tile, of which only the output's part is in c.
template <class T>
void multiply_edge(const T* a, const T* b, std::int64_t depth, const Output<T>& c, bool add) {
  constexpr int kColumns = GemmTraits<T>::kColumns;
  T whole[GemmTraits<T>::kRows * kColumns];
  multiply_panels(a, b, depth, whole, kColumns, false);
  for (std::int64_t i = 0; i < c.rows; ++i) {
    for (std::int64_t j = 0; j < c.columns; ++j) {
      T& to = c.data[i * c.stride + j];
      to = add ? to + whole[i * kColumns + j] : whole[i * kColumns + j];
    }
  }
}

/// sum_l a[l] b[l], l in [0, k).
template <class T>
T dot(const T* a, const T* b, std::int64_t k) {
  constexpr int kLane = kLanes<T>, kSums = 4;  // independent sums hide the latency of an addition
  Vec<T> sums[kSums] = {};
  std::int64_t l = 0;
  for (; l + kSums * kLane <= k; l += kSums * kLane) {
#pragma GCC unroll 4
    for (int i = 0; i < kSums; ++i) sums[i] += load(a + l + i * kLane) * load(b + l + i * kLane);
  }
  for (; l < k; l += kLane) {
    const int lanes = static_cast<int>(std::min<std::int64_t>(kLane, k - l));
    sums[0] += load(a + l, lanes) * load(b + l, lanes);
  }
  return sum_lanes<T>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

/// The product of a few rows by dot products, when both a and b are dense along k.
template <class T>
void multiply_thin(MatrixView<T> a, MatrixView<T> b, const Output<T>& c, std::int64_t k, bool add) {
  for (std::int64_t j = 0; j < c.columns; ++j) {
    for (std::int64_t i = 0; i < c.rows; ++i) {
      T& to = c.data[i * c.stride + j];
      const T value = dot(a.at(i, 0), b.at(0, j), k);
      to = add ? to + value : value;
    }
  }
}

/// c (+)= the product of packed a (c.rows, depth) and b (depth, c.columns).
template <class T>
void multiply_packed(const T* a, const T* b, std::int64_t depth, const Output<T>& c, bool add) {
  constexpr std::int64_t kRows = GemmTraits<T>::kRows, kColumns = GemmTraits<T>::kColumns;
  for (std::int64_t j = 0; j < c.columns; j += kColumns) {
    for (std::int64_t i = 0; i < c.rows; i += kRows) {
      const T *panel_a = a + i * depth, *panel_b = b + j * depth;
      const Output<T> part{c.data + i * c.stride + j, c.stride, std::min(kRows, c.rows - i),
                           std::min(kColumns, c.columns - j)};
      if (part.rows == kRows && part.columns == kColumns) {
        multiply_panels(panel_a, panel_b, depth, part.data, c.stride, add);
      } else {
        multiply_edge(panel_a, panel_b, depth, part, add);
      }
    }
  }
}

/// c (m, n) (+)= a (m, k) b (k, n), k >= 1.
template <class T>
void multiply_tile(MatrixView<T> a, MatrixView<T> b, const Output<T>& c, std::int64_t k,
                   bool accumulate) {
  using Traits = GemmTraits<T>;
  if (c.rows <= Traits::kThin && a.column == 1 && b.row == 1) {
    return multiply_thin(a, b, c, k, accumulate);
  }
  // Kept by each thread for good: a tile takes at most some MiB, and a step frees nothing.
  thread_local std::vector<T> packed_a, packed_b;
  const auto reserve = [](std::vector<T>& buffer, std::int64_t count, std::int64_t width) {
    const auto size =
        static_cast<std::size_t>((count + width - 1) / width * width * Traits::kDepth);
    if (buffer.size() < size) buffer.resize(size);
  };
  reserve(packed_a, std::min(c.rows, Traits::kBlockRows), Traits::kRows);
  reserve(packed_b, c.columns, Traits::kColumns);
  for (std::int64_t k0 = 0; k0 < k; k0 += Traits::kDepth) {
    const std::int64_t depth = std::min(Traits::kDepth, k - k0);
    pack<Traits::kColumns>(b.at(k0, 0), b.column, b.row, c.columns, depth, packed_b.data());
    for (std::int64_t m0 = 0; m0 < c.rows; m0 += Traits::kBlockRows) {
      const Output<T> block{c.data + m0 * c.stride, c.stride,
                            std::min(Traits::kBlockRows, c.rows - m0), c.columns};
      pack<Traits::kRows>(a.at(m0, k0), a.row, a.column, block.rows, depth, packed_a.data());
      multiply_packed(packed_a.data(), packed_b.data(), depth, block, accumulate || k0 > 0);
    }
  }
}

}  // namespace krait::cpu
