// S4D, backward.
//
// The map of threads is described in walk.cuh. A block walks its segment from the end, in tiles of
// 64 positions. Into shared memory come u and ds = dy silu(z) as f32. A thread recomputes the
// states of its modes from the one that entered the tile (chunk_states): first those that enter the
// sub-blocks of 8 positions, then, sub-block by sub-block from the last, all of them, into
// registers. The way back through a sub-block, for each mode (x* is the conjugate):
//   g += K* ds;  sG += Re g;  sH += Re(K h);  dK += h* ds;  da += h[t-1]* g;  g = a* g
// sG and sH are added across the lanes of the channel and give du = sG + D ds and s = sH + D u,
// which take the places of ds and u; each thread then takes its piece of the tile to du and to dz =
// dy silu'(z) s. da, dK and dD stay with their thread over the whole segment and leave as partial
// sums, which another kernel adds in order and takes on to dt, A and C (modes.cu). No atomics: two
// runs give the same bits.
//
// Bytes per element of u, bf16: u, z, dy read, du, dz written, 10 (z and dy are read twice, the
// second time from a cache); n / 16 for chunk_states (n / 8 if complex). Scratch: d (2 n + 1) f32
// per batch entry and segment, if complex d (4 n + 1); d n (2 d n) more where there are several
// segments.
//
// What bounds it: arithmetic. Per mode and position 10 FMA-pipe operations, if complex 23 (8 of
// them the states, twice): 805 M updates of 8 x 2048 x 1536 x 32 complex modes are 0.55 ms of them
// on 132 multiprocessors at 1.98 GHz.
//
// Long sequences of few channels are cut into segments as in the forward: a first launch finds the
// gradients that segments pass to those before them.
#include "core/stream/scratch.h"
#include "kernels/cuda/s4d/backward.cuh"
#include "kernels/s4d.h"

namespace krait::cuda::s4d {
namespace {

template <class Traits, bool kFirst>
__global__ void __launch_bounds__(Traits::kThreads, kS4dBlocks)
    s4d_backward_kernel(const __grid_constant__ BackwardArguments<typename Traits::T> a) {
  __shared__ BackwardTiles<Traits> tiles;
  BackwardBlock<Traits, kFirst> block(a, tiles);
  if constexpr (kFirst) {
    block.run_start();
  } else {
    block.run();
  }
}

template <class T>
Output<T> output_of(const Gradient& g) {
  if (!g.wanted()) return {};
  return {rows_of<T>(g.tensor), g.accumulates()};
}

template <class Traits>
void launch(const S4dForward& s, BackwardArguments<typename Traits::T> a, std::int64_t batch,
            const ExecutionContext& ctx) {
  const auto grid = [&](std::int64_t segments) {
    return dim3(static_cast<unsigned>(batch * a.walk.channel_tiles),
                static_cast<unsigned>(segments));
  };
  const std::int64_t joined = a.walk.segments - 1;
  const Scratch<float> dstates(batch * joined * a.walk.channels * a.walk.n * Traits::kParts, ctx);
  const Scratch<int> resets(joined > 0 ? batch * a.walk.segments : 0, ctx);
  if (joined > 0) {
    a.segment_dstates = dstates.data();
    a.walk.resets = resets.data();
    s4d_backward_kernel<Traits, true><<<grid(joined), Traits::kThreads, 0, stream_of(ctx)>>>(a);
    KRAIT_CUDA_CHECK_LAUNCH("s4d_backward_kernel");
    join_segments(s,
                  {.values = dstates.data(),
                   .resets = resets.data(),
                   .segments = joined,
                   .all_segments = a.walk.segments,
                   .first = 1,
                   .positions = a.walk.segment_tiles * Traits::kTile,
                   .backward = true},
                  ctx);
  }
  s4d_backward_kernel<Traits, false>
      <<<grid(a.walk.segments), Traits::kThreads, 0, stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("s4d_backward_kernel");
}

template <class Traits>
void run(const S4dBackward& s, const ExecutionContext& ctx) {
  using T = typename Traits::T;
  const S4dForward& f = s.forward;
  const Factors<T> factors(f, ctx);
  BackwardArguments<T> a{
      .walk = walk_arguments(f, factors),
      .u = rows_of<const T>(f.u),
      .z = rows_of<const T>(f.z),
      .dy = rows_of<const T>(s.dy),
      .du = output_of<T>(s.du),
      .dz = output_of<T>(s.dz),
      .chunk_states = device_data<float>(f.chunk_states),
      .dfinal_state = device_data<float>(s.dfinal_state),
      .dstate = s.dinitial_state.wanted() ? device_data<float>(s.dinitial_state.tensor) : nullptr,
      .dstate_accumulates = s.dinitial_state.accumulates()};
  const auto fit = [&](const auto& rows) {
    return fits_vectors(rows, a.walk.channels, Traits::kWidth);
  };
  a.walk.vectors = fit(a.u) && fit(a.z) && fit(a.dy) && fit(a.du.rows) && fit(a.dz.rows);
  const std::int64_t batch = f.u.size(0), runs = batch * a.walk.segments;
  const std::int64_t modes = a.walk.channels * a.walk.n * Traits::kParts;
  const Scratch<float> ddecays(runs * modes, ctx), dgains(runs * modes, ctx),
      dD(runs * a.walk.channels, ctx);
  a.ddecay_sums = ddecays.data(), a.dgain_sums = dgains.data(), a.dD_sums = dD.data();
  launch<Traits>(f, a, batch, ctx);
  put_parameter_gradients(
      s, {.ddecays = ddecays.data(), .dgains = dgains.data(), .dD = dD.data(), .runs = runs}, ctx);
}

}  // namespace
}  // namespace krait::cuda::s4d

namespace krait::cuda {

void s4d_backward(const S4dBackward& args, const ExecutionContext& ctx) {
  S4dBackward with = args;
  S4dForward& f = with.forward;
  if (!f.chunk_states.defined()) {  // the forward again, for the states alone
    Shape shape{f.u.size(0), ceil_div(f.u.size(1), kS4dTile), f.u.size(2), f.A_real.size(1)};
    if (f.A_imag.defined()) shape.push_back(2);
    f.chunk_states = Tensor::empty(shape, DType::F32, f.u.device());
    f.y = f.final_state = Tensor();
    krait::cuda::s4d_forward(f, ctx);
  }
  visit_device_float(f.u.dtype(), "s4d", [&](auto zero) {
    s4d::visit_traits<decltype(zero)>(f,
                                      [&](auto traits) { s4d::run<decltype(traits)>(with, ctx); });
  });
}

}  // namespace krait::cuda
