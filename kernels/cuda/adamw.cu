// AdamW over flat buffers (n), in one launch.
//
// A grid-stride loop of threads over packs of 4 neighbouring elements (16 bytes; one element each
// where a buffer does not begin at a multiple of 16 bytes). What is the same for all elements is
// worked out once a block, in f64. Bytes an element: reads param, m, v, grad (16), writes param, m,
// v (12) and compute (2).
#include "kernels/adamw.h"
#include "kernels/cuda/device/pack.cuh"

namespace krait::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;

struct UpdateArgs {
  float *param, *m, *v;
  __nv_bfloat16* compute;  // may be null
  const float* grad;
  std::int64_t count;
  const float *learning_rate, *grad_scale;
  const std::int64_t* step;
  double beta1, beta2, eps, weight_decay;
};

/// The factors that are the same for all elements.
struct Factors {
  float beta1, beta2, rest1, rest2, grad_scale, rate, decay, eps, correction;
};

/// Called by all threads of the block.
__device__ Factors factors_of(const UpdateArgs& a) {
  __shared__ double powers[2];  // beta^step
  if (threadIdx.x < 2) {
    powers[threadIdx.x] = pow(threadIdx.x == 0 ? a.beta1 : a.beta2, static_cast<double>(*a.step));
  }
  __syncthreads();
  const double rate = *a.learning_rate;
  return {.beta1 = static_cast<float>(a.beta1),
          .beta2 = static_cast<float>(a.beta2),
          .rest1 = static_cast<float>(1 - a.beta1),
          .rest2 = static_cast<float>(1 - a.beta2),
          .grad_scale = *a.grad_scale,
          .rate = static_cast<float>(rate / (1 - powers[0])),
          .decay = static_cast<float>(rate * a.weight_decay),
          .eps = static_cast<float>(a.eps),
          .correction = static_cast<float>(1 / sqrt(1 - powers[1]))};
}

template <int kCount>
__device__ void update(const UpdateArgs& a, const Factors& f, std::int64_t offset) {
  float param[kCount], m[kCount], v[kCount], grad[kCount];
  load_pack<kCount>(a.param + offset, param);
  load_pack<kCount>(a.m + offset, m);
  load_pack<kCount>(a.v + offset, v);
  load_pack<kCount>(a.grad + offset, grad);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const float g = f.grad_scale * grad[i];
    m[i] = f.beta1 * m[i] + f.rest1 * g;
    v[i] = f.beta2 * v[i] + f.rest2 * g * g;
    const float denominator = sqrtf(v[i]) * f.correction + f.eps;
    param[i] -= f.rate * m[i] / denominator + f.decay * param[i];
  }
  store_pack<kCount>(a.param + offset, param);
  store_pack<kCount>(a.m + offset, m);
  store_pack<kCount>(a.v + offset, v);
  if (a.compute != nullptr) store_pack<kCount>(a.compute + offset, param);
}

template <int kCount>
__global__ void __launch_bounds__(kThreads) adamw_kernel(const UpdateArgs a) {
  const Factors f = factors_of(a);
  if (isnan(f.grad_scale)) return;
  const std::int64_t packs = a.count / kCount, step = std::int64_t{gridDim.x} * kThreads;
  const std::int64_t first = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (std::int64_t i = first; i < packs; i += step) update<kCount>(a, f, i * kCount);
  const std::int64_t rest = packs * kCount + first;  // fewer than kCount, one per thread
  if (rest < a.count) update<1>(a, f, rest);
}

bool are_aligned(const UpdateArgs& a) {
  return is_aligned<kWidth>(a.param) && is_aligned<kWidth>(a.m) && is_aligned<kWidth>(a.v) &&
         is_aligned<kWidth>(a.grad) && is_aligned<kWidth>(a.compute);
}

}  // namespace

void adamw(const AdamW& args, const ExecutionContext& ctx) {
  KRAIT_REQUIRE(args.param.dtype() == DType::F32, "[adamw] on CUDA param must be f32, got ",
                args.param.dtype(), ".");
  const UpdateArgs a{.param = device_data<float>(args.param),
                     .m = device_data<float>(args.m),
                     .v = device_data<float>(args.v),
                     .compute = device_data<__nv_bfloat16>(args.compute),
                     .grad = device_data<float>(args.grad),
                     .count = args.param.numel(),
                     .learning_rate = device_data<float>(args.learning_rate),
                     .grad_scale = device_data<float>(args.grad_scale),
                     .step = args.step.data<std::int64_t>(),
                     .beta1 = args.beta1,
                     .beta2 = args.beta2,
                     .eps = args.eps,
                     .weight_decay = args.weight_decay};
  if (a.count == 0) return;
  if (are_aligned(a)) {
    adamw_kernel<kWidth>
        <<<grid_blocks(ceil_div(a.count, kWidth), kThreads), kThreads, 0, stream_of(ctx)>>>(a);
  } else {
    adamw_kernel<1><<<grid_blocks(a.count, kThreads), kThreads, 0, stream_of(ctx)>>>(a);
  }
  KRAIT_CUDA_CHECK_LAUNCH("adamw_kernel");
}

}  // namespace krait::cuda
