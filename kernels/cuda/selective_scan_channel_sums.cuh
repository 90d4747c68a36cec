// Sums of dB and dC over the channels of a warp.
#pragma once
#include "kernels/cuda/selective_scan.cuh"

namespace krait::cuda {

/// Adds up the 4 values (2 of dB, 2 of dC) that each thread has of its two states, over the 4
/// channels of its warp, and writes them to to[0, 2) and to[kN, kN + 2) of the thread's part.
///
/// By shuffles: in two steps each lane gives away half of its values and keeps the sums of the
/// other half; the lane of channel c ends with value c.
template <class Traits>
class ShuffledSums {
 public:
  static constexpr float kScale = 1.f;
  __device__ void add(float (&values)[4], float* to) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int bit = 2, count = 2; bit >= 1; bit /= 2, count /= 2) {
      const bool upper = (lane & bit) != 0;
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const float keep = upper ? values[i + count] : values[i];
        const float give = upper ? values[i] : values[i + count];
        values[i] = keep + __shfl_xor_sync(kAllLanes, give, bit);
      }
    }
    const int value = lane % 4;
    to[value / 2 * Traits::kN + lane / 4 * 2 + value % 2] = values[0];
  }
};

/// The same by the tensor cores. Two values of every thread are the 8 x 8 matrix of a product (k:
/// the channel, and channel + 4 in the second register; n: the part). The other matrix has ones in
/// its even rows for the first four k and in its odd rows for the others: even rows of the result
/// hold the sums of the first value, odd rows of the second, those of two parts in neighbouring
/// registers. Rows repeat: rows 2p and 2p + 1 of each half keep values 2p and 2p + 1, of even parts
/// in the first half, of odd ones in the second. The products read the upper 19 bits of a value
/// (tf32) and drop on average 0.72 / 2048 of it, which kScale makes good, so that the sums are not
/// off to one side. Sums are f32.
template <class Traits>
class MatrixSums {
 public:
  static constexpr float kScale = 1.f + 0.72f / 2048;
  /// The ones of even and of odd rows, by the first 8 threads of a block. They come from memory, or
  /// the compiler would see pairs of equal numbers and copy them for each product.
  __device__ static void write_ones(unsigned (&ones)[2][4]) {
    const int i = static_cast<int>(threadIdx.x);
    ones[i / 4][i % 4] = __float_as_uint((i % 4 < 2) == (i / 4 == 0) ? 1.f : 0.f);
  }
  __device__ void read_ones(const unsigned (&ones)[2][4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32, row = lane / 4, value = row % 4;
    ones_ = *reinterpret_cast<const uint4*>(ones[row % 2]);
    odd_part_ = row >= 4, second_ = value >= 2;
    const int part = lane % 4 * 2 + row / 4;
    at_ = value / 2 * Traits::kN + part * 2 + value % 2;
  }
  __device__ void add(float (&values)[4], float* to) const {
    float first[2], second[2];
    multiply(values[0], values[1], first);
    multiply(values[2], values[3], second);
    const float even = second_ ? second[0] : first[0], odd = second_ ? second[1] : first[1];
    to[at_] = odd_part_ ? odd : even;
  }

 private:
  __device__ void multiply(float b0, float b1, float (&sums)[2]) const {
    float repeated[2];
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%10, %10, %10, %10};"
        : "=f"(sums[0]), "=f"(sums[1]), "=f"(repeated[0]), "=f"(repeated[1])
        : "r"(ones_.x), "r"(ones_.y), "r"(ones_.z), "r"(ones_.w), "r"(__float_as_uint(b0)),
          "r"(__float_as_uint(b1)), "f"(0.f));
  }
  uint4 ones_;
  bool odd_part_, second_;
  int at_;
};

}  // namespace krait::cuda
