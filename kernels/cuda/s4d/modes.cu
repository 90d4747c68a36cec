// One thread per mode (and batch entry, where segments are joined). The arithmetic is that of f64:
// some hundred operations for each of the d n modes are nothing beside the walk over positions.
// Gradients of parameters: one block per channel, 8 n runs bytes read per channel (16 if complex),
// added up in order; ddt is summed over the threads of the block in an order that n decides.
#include <algorithm>

#include "kernels/cuda/device/group_reduce.cuh"
#include "kernels/cuda/device/launch.cuh"
#include "kernels/cuda/s4d/modes.cuh"
#include "kernels/s4d/modes.h"

namespace krait::cuda::s4d {
namespace {

constexpr int kThreads = 128;

/// The parameters, (d) and (d, n); the imaginary parts null where A is real.
struct Parameters {
  const float *dt, *A_real, *A_imag, *C_real, *C_imag;
  std::int64_t batch, channels;
  int n;

  explicit Parameters(const S4dForward& a)
      : dt(device_data<float>(a.dt)),
        A_real(device_data<float>(a.A_real)),
        A_imag(device_data<float>(a.A_imag)),
        C_real(device_data<float>(a.C_real)),
        C_imag(device_data<float>(a.C_imag)),
        batch(a.u.size(0)),
        channels(a.u.size(2)),
        n(static_cast<int>(a.A_real.size(1))) {}
  std::int64_t modes() const { return channels * n; }
  __device__ modes::Mode mode(std::int64_t i) const {
    const auto part = [i](const float* p) {
      return p != nullptr ? static_cast<double>(p[i]) : 0.0;
    };
    return {.dt = dt[i / n],
            .A = {A_real[i], part(A_imag)},
            .C = {C_real[i], part(C_imag)},
            .weight = A_imag != nullptr ? 2.0 : 1.0};
  }
};

/// Mode i of a (.., d, n, parts) array.
__device__ inline void put_mode(float* to, bool complex, std::int64_t i,
                                const modes::Parameter& x) {
  to[complex ? 2 * i : i] = static_cast<float>(x.re);
  if (complex) to[2 * i + 1] = static_cast<float>(x.im);
}

__global__ void s4d_factors_kernel(const Parameters p, const ModeFactors to) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= p.channels * p.n) return;
  const modes::Mode mode = p.mode(i);
  const modes::Parameter decay = mode.decay_minus_one();
  const bool complex = p.A_imag != nullptr;
  put_mode(to.decays, complex, i, {decay.re + (to.exact ? 0.0 : 1.0), decay.im});
  put_mode(to.gains, complex, i, mode.gain(decay));
}

template <class Number>
__global__ void s4d_join_kernel(const Parameters p, const SegmentStates s) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t modes = p.channels * p.n;
  if (i >= p.batch * modes) return;
  const std::int64_t b = i / modes;
  const modes::Parameter x = modes::times(p.mode(i % modes).x(), static_cast<double>(s.positions));
  const modes::Parameter power = modes::expm1(x);
  Number decay;
  decay.re = static_cast<float>(power.re + 1);
  if constexpr (Number::kParts == 2) decay.im = static_cast<float>(power.im);
  if (s.backward) decay = modes::conj(decay);
  const auto at = [&](std::int64_t k) {
    return s.backward ? s.segments - 1 - k : k;  // the k-th in the order of joining
  };
  Number* values = reinterpret_cast<Number*>(s.values) + b * s.segments * modes + i % modes;
  Number state = values[at(0) * modes];
  for (std::int64_t k = 1; k < s.segments; ++k) {
    const Number own = values[at(k) * modes];
    const bool cut = s.resets[b * s.all_segments + s.first + at(k)] != 0;  // nothing crosses it
    state = cut ? own : modes::multiply_add(decay, state, own);
    values[at(k) * modes] = state;
  }
}

/// A gradient of a parameter; null when it is not wanted.
struct Target {
  float* data;
  bool accumulates;
  explicit Target(const Gradient& g)
      : data(g.wanted() ? device_data<float>(g.tensor) : nullptr), accumulates(g.accumulates()) {}
  __device__ void put(std::int64_t i, double value) const {
    if (data != nullptr) data[i] = static_cast<float>(accumulates ? data[i] + value : value);
  }
};

struct ParameterGradients {
  Parameters parameters;
  ModeSums sums;
  Target ddt, dA_real, dA_imag, dC_real, dC_imag, dD;
};

__device__ inline double sum_of_runs(const float* sums, std::int64_t first, std::int64_t stride,
                                     std::int64_t runs) {
  double total = 0;
#pragma unroll 8
  for (std::int64_t k = 0; k < runs; ++k) total += sums[k * stride + first];
  return total;
}

__global__ void __launch_bounds__(kThreads)
    s4d_parameter_gradients_kernel(const __grid_constant__ ParameterGradients g) {
  __shared__ double shared[kThreads / kWarp];
  const Parameters& p = g.parameters;
  const std::int64_t channel = blockIdx.x, runs = g.sums.runs;
  const int n = static_cast<int>(threadIdx.x);
  double ddt = 0;
  if (n < p.n) {
    const std::int64_t i = channel * p.n + n;
    const int parts = p.A_imag != nullptr ? 2 : 1;
    const auto sum = [&](const float* sums) {
      const std::int64_t stride = p.channels * p.n * parts;
      return modes::Parameter{sum_of_runs(sums, i * parts, stride, runs),
                              parts == 2 ? sum_of_runs(sums, i * parts + 1, stride, runs) : 0.0};
    };
    const modes::Mode mode = p.mode(i);
    const modes::Mode::Gradients by =
        mode.gradients(mode.decay_minus_one(), sum(g.sums.ddecays), sum(g.sums.dgains));
    ddt = by.dt;
    g.dA_real.put(i, by.A.re), g.dA_imag.put(i, by.A.im);
    g.dC_real.put(i, by.C.re), g.dC_imag.put(i, by.C.im);
  }
  const auto add = [](double a, double b) { return a + b; };
  ddt = reduce_group(ddt, static_cast<int>(blockDim.x), shared, add);
  double dD = 0;
  if (g.dD.data != nullptr) {
    for (std::int64_t k = threadIdx.x; k < runs; k += blockDim.x) {
      dD += g.sums.dD[k * p.channels + channel];
    }
    dD = reduce_group(dD, static_cast<int>(blockDim.x), shared, add);
  }
  if (threadIdx.x != 0) return;
  g.ddt.put(channel, ddt);
  g.dD.put(channel, dD);
}

unsigned blocks_for(std::int64_t count) {
  return static_cast<unsigned>(ceil_div(count, kThreads));
}

}  // namespace

void find_factors(const S4dForward& args, const ModeFactors& to, const ExecutionContext& ctx) {
  const Parameters p(args);
  s4d_factors_kernel<<<blocks_for(p.modes()), kThreads, 0, stream_of(ctx)>>>(p, to);
  KRAIT_CUDA_CHECK_LAUNCH("s4d_factors_kernel");
}

void join_segments(const S4dForward& args, const SegmentStates& s, const ExecutionContext& ctx) {
  const Parameters p(args);
  const unsigned blocks = blocks_for(p.batch * p.modes());
  if (p.A_imag != nullptr) {
    s4d_join_kernel<modes::Complex<float>><<<blocks, kThreads, 0, stream_of(ctx)>>>(p, s);
  } else {
    s4d_join_kernel<modes::Real<float>><<<blocks, kThreads, 0, stream_of(ctx)>>>(p, s);
  }
  KRAIT_CUDA_CHECK_LAUNCH("s4d_join_kernel");
}

void put_parameter_gradients(const S4dBackward& args, const ModeSums& sums,
                             const ExecutionContext& ctx) {
  const Parameters p(args.forward);
  const ParameterGradients g{.parameters = p,
                             .sums = sums,
                             .ddt = Target(args.ddt),
                             .dA_real = Target(args.dA_real),
                             .dA_imag = Target(args.dA_imag),
                             .dC_real = Target(args.dC_real),
                             .dC_imag = Target(args.dC_imag),
                             .dD = Target(args.dD)};
  const int threads = static_cast<int>(ceil_div(p.n, kWarp)) * kWarp;
  const auto blocks = static_cast<unsigned>(p.channels);
  s4d_parameter_gradients_kernel<<<blocks, threads, 0, stream_of(ctx)>>>(g);
  KRAIT_CUDA_CHECK_LAUNCH("s4d_parameter_gradients_kernel");
}

}  // namespace krait::cuda::s4d
