// Dropout: the elements of a contiguous tensor, four neighbours to a thread, since one counter of
// Philox gives four words. 256 threads a block. Reads s and writes s bytes an element of size s
// (another s read to accumulate); the mask is computed (some 100 integer instructions a thread),
// never stored, and by the functions of core/random.h themselves, so it is that of the CPU.
#include <cmath>

#include "kernels/cuda/device/vector.cuh"
#include "kernels/dropout.h"

namespace krait::cuda {
namespace {

struct DropoutTraits {
  static constexpr int kThreads = 256;
  static constexpr int kWords = 4;  // of one counter
};

template <class T>
struct DropoutPointers {
  const T* x;
  T* y;
  std::int64_t count;
  bool aligned;  // x and y begin where a vector can
};

struct DropoutMask {
  RandomStream random;
  std::uint64_t offset;
  const std::int64_t* pass;  // may be null
  std::uint64_t threshold;   // a word below it drops its element
  float kept;                // 1 - p
  bool accumulate;
};

/// The division is IEEE's, so that f32 results have the bits of the CPU's.
template <class T>
__device__ T dropped(T x, T before, std::uint32_t word, const DropoutMask& mask) {
  const float value = word >= mask.threshold ? to_float(x) / mask.kept : 0.0f;
  return from_float<T>(mask.accumulate ? to_float(before) + value : value);
}

template <class T>
__global__ void __launch_bounds__(DropoutTraits::kThreads)
    dropout_kernel(const DropoutPointers<T> p, const __grid_constant__ DropoutMask mask) {
  constexpr int kWords = DropoutTraits::kWords;
  const std::int64_t counter = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t begin = counter * kWords;
  if (begin >= p.count) return;
  std::uint64_t start = mask.offset;
  if (mask.pass != nullptr) start += static_cast<std::uint64_t>(*mask.pass) << kDropoutPassBits;
  const Philox4 words = mask.random.bits(start + static_cast<std::uint64_t>(counter));
  if (p.aligned && begin + kWords <= p.count) {
    const auto x = load_vector<kWords>(p.x + begin);
    Vector<T, kWords> y = x;
    if (mask.accumulate) y = load_vector<kWords>(p.y + begin);
#pragma unroll
    for (int i = 0; i < kWords; ++i) y.v[i] = dropped(x.v[i], y.v[i], words[i], mask);
    store_vector<kWords>(p.y + begin, y);
  } else {
#pragma unroll
    for (int i = 0; i < kWords; ++i) {
      if (begin + i >= p.count) break;
      const T x = p.x[begin + i];
      p.y[begin + i] = dropped(x, mask.accumulate ? p.y[begin + i] : x, words[i], mask);
    }
  }
}

}  // namespace

void dropout(const DropoutForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    constexpr int kWords = DropoutTraits::kWords;
    if (args.x.numel() == 0) return;
    DropoutPointers<T> p{
        .x = device_data<T>(args.x), .y = device_data<T>(args.y), .count = args.x.numel()};
    p.aligned =
        is_vector_aligned(p.x, sizeof(T), kWords) && is_vector_aligned(p.y, sizeof(T), kWords);
    const DropoutMask mask{.random = args.random,
                           .offset = args.offset,
                           .pass = args.pass.defined() ? args.pass.data<std::int64_t>() : nullptr,
                           .threshold = static_cast<std::uint64_t>(std::ceil(args.p * 0x1p32)),
                           .kept = static_cast<float>(1 - args.p),
                           .accumulate = args.accumulate};
    const std::int64_t blocks = ceil_div(ceil_div(p.count, kWords), DropoutTraits::kThreads);
    dropout_kernel<<<static_cast<unsigned>(blocks), DropoutTraits::kThreads, 0,
                     cuda::stream_of(ctx)>>>(p, mask);
    KRAIT_CUDA_CHECK_LAUNCH("dropout_kernel");
  });
}

}  // namespace krait::cuda
