// The partial sums that the blocks of the backward scan leave, added in a fixed order.
//
// dB and dC: one thread per (b, t, g) and value in [0, 2 n), neighbouring threads at neighbouring
// values: 8 n bytes read per block and position, 4 n (bf16) written per position.
#include "kernels/cuda/selective_scan/scan.cuh"

namespace krait::cuda {
namespace {

template <class T>
__global__ void add_group_sums_kernel(const __grid_constant__ GroupSums<T> a) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  const int width = 2 * a.n;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < a.count;
       i += step) {
    const int value = static_cast<int>(i % width);
    const std::int64_t row = i / width;  // of (b, l, g)
    const float* from = a.sums + row * a.tiles * width + value;
    float sum = 0;
#pragma unroll 16
    for (int k = 0; k < a.tiles; ++k) sum += from[static_cast<std::int64_t>(k) * width];
    const bool is_B = value < a.n;
    T* data = is_B ? a.dB.rows.data : a.dC.rows.data;
    if (data == nullptr) continue;
    const std::int64_t t = row / a.groups;
    T* target = (is_B ? a.dB.rows.at(t / a.length, t % a.length, row % a.groups)
                      : a.dC.rows.at(t / a.length, t % a.length, row % a.groups)) +
                value % a.n;
    const bool accumulate = is_B ? a.dB.accumulate : a.dC.accumulate;
    *target = from_float<T>(accumulate ? to_float(*target) + sum : sum);
  }
}

__global__ void add_run_sums_kernel(const __grid_constant__ RunSums a) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= a.count) return;
  float sum = 0;
#pragma unroll 8
  for (std::int64_t k = 0; k < a.runs; ++k) sum += a.sums[k * a.stride + i];
  a.to[i] = a.accumulate ? a.to[i] + sum : sum;
}

}  // namespace

template <class T>
void add_group_sums(const GroupSums<T>& a, const ExecutionContext& ctx) {
  constexpr int kThreads = 256;
  add_group_sums_kernel<T><<<grid_blocks(a.count, kThreads), kThreads, 0, stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("add_group_sums_kernel");
}
template void add_group_sums(const GroupSums<float>&, const ExecutionContext&);
template void add_group_sums(const GroupSums<__nv_bfloat16>&, const ExecutionContext&);

void add_run_sums(const RunSums& a, const ExecutionContext& ctx) {
  constexpr int kThreads = 128;
  add_run_sums_kernel<<<static_cast<unsigned>(ceil_div(a.count, kThreads)), kThreads, 0,
                        stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("add_run_sums_kernel");
}

}  // namespace krait::cuda
