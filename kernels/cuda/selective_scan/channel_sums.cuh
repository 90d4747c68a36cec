// Sums of dB and dC over the channels of a warp.
#pragma once
#include "kernels/cuda/selective_scan/scan.cuh"

namespace krait::cuda {

/// Adds up the 8 values (4 of dB, 4 of dC) that each thread has of a quad of states, over the
/// channels of its warp, and writes them to to[0, 4) and to[kN, kN + 4), `to` being the first of
/// the quads of all parts.
///
/// By shuffles: in log2(channels) steps each lane gives away half of its values and keeps the sums
/// of the other half; lane c ends with value c of 8, or 4 of 8 with two channels.
template <class Traits>
class ShuffledSums {
 public:
  static constexpr float kScale = 1.f;
  __device__ void add(float (&values)[8], float* to) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int bit = Traits::kWarpChannels / 2, count = 4; bit >= 1; bit /= 2, count /= 2) {
      const bool upper = (lane & bit) != 0;
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const float keep = upper ? values[i + count] : values[i];
        const float give = upper ? values[i] : values[i + count];
        values[i] = keep + __shfl_xor_sync(kAllLanes, give, bit);
      }
    }
    constexpr int kOwn = 8 / Traits::kWarpChannels;
    const int part = lane / Traits::kWarpChannels, first = lane % Traits::kWarpChannels * kOwn;
#pragma unroll
    for (int i = 0; i < kOwn; ++i) {
      const int index = first + i;
      to[index / 4 * Traits::kN + 4 * part + index % 4] = values[i];
    }
  }
};

/// The same on the tensor cores. Two values of every thread are the 8 x 8 matrix of a product (k:
/// channel % 4, and k + 4 in the second register; n: 2 part + channel / 4). The other matrix has
/// ones in its even rows for the first four k and in its odd rows for the others: even rows of the
/// result hold the sums of the first value, odd rows of the second, and the two halves of the
/// channels end in neighbouring registers. Of the rows, which repeat, rows 2p and 2p + 1 keep
/// values 2p and 2p + 1. The products read the upper 19 bits of a value (tf32) and drop on average
/// 0.72 / 2048 of it, which kScale corrects, so that the sums are not biased. Sums are f32.
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
    const int lane = static_cast<int>(threadIdx.x) % 32, row = lane / 4;
    ones_ = *reinterpret_cast<const uint4*>(ones[row % 2]);
    high_ = row >= 4, low_ = row % 4 >= 2;
    at_ = row / 4 * Traits::kN + lane % 4 * 4 + row % 4;
  }
  __device__ void add(float (&values)[8], float* to) const {
    float sums[4];
#pragma unroll
    for (int p = 0; p < 4; ++p) sums[p] = multiply(values[2 * p], values[2 * p + 1]);
    const float first = low_ ? sums[1] : sums[0], second = low_ ? sums[3] : sums[2];
    to[at_] = high_ ? second : first;
  }

 private:
  __device__ float multiply(float b0, float b1) const {
    float sum[4];
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%10, %10, %10, %10};"
        : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
        : "r"(ones_.x), "r"(ones_.y), "r"(ones_.z), "r"(ones_.w), "r"(__float_as_uint(b0)),
          "r"(__float_as_uint(b1)), "f"(0.f));
    return sum[0] + sum[1];
  }
  uint4 ones_;
  bool high_, low_;
  int at_;
};

}  // namespace krait::cuda
