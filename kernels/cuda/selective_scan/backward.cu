// Selective scan, backward.
//
// The map of threads and the tiles are described in scan.cuh; a thread has 4 states. A block walks
// its run of positions from the end, in tiles of 32, and each tile in passes of 16 states. Once per
// position and channel it computes
//   dt, dt u, g = dy silu(z), dy silu'(z) and the slope of softplus.
// A pass recomputes the states from the one that entered the tile (chunk_states): first those that
// enter the sub-blocks of 4 positions, then, sub-block by sub-block from the last, all of them and
// their decays a, into registers. The way back through a sub-block, for each state:
//   dh += C g;  dC = g h;  dB = dt u dh;  sB += B dh;  y += C h;  dh = a dh;
//   q = dh h[t-1];  sA += A q;  dA += dt q
// sB, sA and y are added across the lanes of a channel and, where there are several passes, in
// shared memory; they give du, ddelta and dz, which take the place of u, delta and z. dB and dC are
// added across the 8 channels of a warp (channel_sums.cuh), across the 4 warps in shared memory,
// and leave as one partial sum per block, position and state; a second kernel adds the blocks of a
// group in order. dA, dD and ddelta_bias stay with their thread over the whole run and leave as
// partial sums as well. No atomics: two runs give the same bits.
//
// Bytes per element of u, bf16: u, delta, z, dy read, du, ddelta, dz written, 14; n / 8 for
// chunk_states; partial sums of dB and dC, n / 4 written and read again.
// Scratch: those partial sums (b l ceil(d / 32) 2 n f32), and d (n + 2) f32 per batch entry and
// segment, 3 n d where there are several segments.
//
// What bounds it, n = 16: 35 instructions per state update (12 the formulas above and their
// exponential, 9 the states a second and third time, 5 the sums over lanes), at half of the issue
// slots: registers and shared memory allow 12 warps a multiprocessor, which is too few to hide
// their waits. DRAM is an eighth busy. Longer sub-blocks repeat less work and are slower: the loop
// outgrows the instruction cache. Twice the warps, with two states a thread, are slower too: the
// sums over lanes and what is done once per position grow with the lanes of a channel.
//
// Long sequences of few channels are cut into segments as in the forward kernel: a first launch
// finds the gradients of the states that enter segments, from their first positions on.
#include "core/stream/scratch.h"
#include "kernels/cuda/selective_scan/backward.cuh"
#include "kernels/selective_scan.h"

namespace krait::cuda {
namespace {

template <class Traits, bool kFirst>
__global__ void __launch_bounds__(Traits::kThreads, 3) selective_scan_backward_kernel(
    const __grid_constant__ BackwardArguments<typename Traits::T> a) {
  extern __shared__ __align__(16) unsigned char shared[];
  BackwardBlock<Traits, kFirst> block(a, shared);
  if constexpr (kFirst) {
    block.run_start();
  } else {
    block.run();
  }
}

template <class T>
Output<T> output_of(const Gradient& gradient) {
  if (!gradient.wanted()) return {};
  return {rows_of<T>(gradient.tensor), gradient.accumulates()};
}

template <class T>
void add_sums(const SelectiveScanBackward& s, const BackwardArguments<T>& a,
              const ExecutionContext& ctx) {
  const std::int64_t batch = s.forward.u.size(0), groups = s.forward.B.size(2);
  if (s.dB.wanted() || s.dC.wanted()) {
    add_group_sums<T>({.sums = a.group_sums,
                       .length = a.length,
                       .groups = groups,
                       .count = batch * a.length * groups * 2 * a.n,
                       .tiles = a.group_tiles,
                       .n = a.n,
                       .dB = output_of<T>(s.dB),
                       .dC = output_of<T>(s.dC)},
                      ctx);
  }
  const auto add = [&](const Gradient& to, const float* sums, std::int64_t count,
                       std::int64_t stride) {
    if (!to.wanted()) return;
    add_run_sums({.sums = sums,
                  .to = device_data<float>(to.tensor),
                  .count = count,
                  .runs = batch * a.segments,
                  .stride = stride,
                  .accumulate = to.accumulates()},
                 ctx);
  };
  add(s.dA, a.dA_sums, a.channels * a.n, a.channels * a.n);
  add(s.dD, a.channel_sums, a.channels, 2 * a.channels);
  add(s.ddelta_bias, a.channel_sums + a.channels, a.channels, 2 * a.channels);
}

constexpr int kMostPasses = 16;  // 256 states

/// What the current device can do with the kernels, by the number of passes.
template <class Traits>
struct BackwardDevices {
  std::vector<ScanDevice> by_passes;
  BackwardDevices() {
    for (int passes = 1; passes <= kMostPasses; ++passes) {
      const std::size_t shared = backward_shared_bytes<Traits>(passes);
      const auto allow = [&](auto kernel) {
        return ScanDevice(reinterpret_cast<const void*>(kernel), shared);
      };
      allow(selective_scan_backward_kernel<Traits, true>);
      by_passes.push_back(allow(selective_scan_backward_kernel<Traits, false>));
    }
  }
};

template <class Traits>
void launch(const SelectiveScanBackward& s, BackwardArguments<typename Traits::T> a,
            const ExecutionContext& ctx) {
  const auto kernel = selective_scan_backward_kernel<Traits, false>;
  const auto first = selective_scan_backward_kernel<Traits, true>;
  const std::size_t shared = backward_shared_bytes<Traits>(a.passes);
  const ScanDevice& device = per_device<BackwardDevices<Traits>>(ctx.device)
                                 .by_passes[static_cast<std::size_t>(a.passes - 1)];
  const std::int64_t batch = s.forward.u.size(0);
  const ScanPlan plan = scan_plan({.batch = batch,
                                   .length = a.length,
                                   .channels = a.channels,
                                   .groups = s.forward.B.size(2),
                                   .states = Traits::kN},
                                  device.multiprocessors, device.resident_blocks);
  a.tiles = plan.tiles, a.channel_tiles = plan.channel_tiles, a.segments = plan.segments;
  a.segment_tiles = plan.segment_tiles;
  a.group_tiles = static_cast<int>(ceil_div(a.group_channels, Traits::kChannels));
  const std::int64_t states = a.channels * a.n, joined = plan.segments - 1;
  const Scratch<float> group_sums(batch * a.length * plan.channel_tiles * 2 * a.n, ctx),
      dA_sums(batch * plan.segments * states, ctx),
      channel_sums(batch * plan.segments * 2 * a.channels, ctx),
      dstates(batch * joined * states, ctx), decays(batch * joined * states, ctx);
  a.group_sums = group_sums.data(), a.dA_sums = dA_sums.data();
  a.channel_sums = channel_sums.data();
  a.segment_dstates = dstates.data(), a.segment_decays = decays.data();
  const auto grid = [&](std::int64_t segments) {
    return dim3(static_cast<unsigned>(batch * plan.channel_tiles), static_cast<unsigned>(segments));
  };
  if (joined > 0) {
    first<<<grid(joined), Traits::kThreads, shared, stream_of(ctx)>>>(a);
    KRAIT_CUDA_CHECK_LAUNCH("selective_scan_backward_kernel");
    join_segments({.values = dstates.data(),
                   .decays = decays.data(),
                   .batch = batch,
                   .segments = joined,
                   .states = states,
                   .backward = true},
                  ctx);
  }
  kernel<<<grid(plan.segments), Traits::kThreads, shared, stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("selective_scan_backward_kernel");
  add_sums(s, a, ctx);
}

bool rows_are_vectorisable(const SelectiveScanBackward& s, std::int64_t group_channels) {
  const SelectiveScanForward& f = s.forward;
  for (const Tensor& t : {f.u, f.delta, f.z, s.dy}) {
    if (!is_vectorisable(t, group_channels)) return false;
  }
  for (const Gradient& g : {s.du, s.ddelta, s.dz}) {
    if (g.wanted() && !is_vectorisable(g.tensor, group_channels)) return false;
  }
  return true;
}

template <class T>
void run(const SelectiveScanBackward& s, const ExecutionContext& ctx) {
  const SelectiveScanForward& f = s.forward;
  const std::int64_t n = f.A.size(1), groups = f.B.size(2), channels = f.u.size(2);
  const std::int64_t group_channels = channels / groups;
  BackwardArguments<T> a{.u = rows_of<const T>(f.u),
                         .delta = rows_of<const T>(f.delta),
                         .z = rows_of<const T>(f.z),
                         .B = rows_of<const T>(f.B),
                         .C = rows_of<const T>(f.C),
                         .dy = rows_of<const T>(s.dy),
                         .du = output_of<T>(s.du),
                         .ddelta = output_of<T>(s.ddelta),
                         .dz = output_of<T>(s.dz),
                         .A = device_data<float>(f.A),
                         .D = device_data<float>(f.D),
                         .delta_bias = device_data<float>(f.delta_bias),
                         .chunk_states = device_data<float>(f.chunk_states),
                         .dfinal_state = device_data<float>(s.dfinal_state),
                         .sequence_ids = device_data<std::int32_t>(f.sequence_ids),
                         .length = f.u.size(1),
                         .channels = channels,
                         .group_channels = static_cast<int>(group_channels),
                         .n = static_cast<int>(n),
                         .passes = static_cast<int>(ceil_div(n, 16)),
                         .softplus = f.delta_softplus,
                         .vector_rows = rows_are_vectorisable(s, group_channels),
                         .vector_states = is_vectorisable(f.B, n) && is_vectorisable(f.C, n)};
  a.dstate = s.dinitial_state.wanted() ? device_data<float>(s.dinitial_state.tensor) : nullptr;
  a.dstate_accumulates = s.dinitial_state.accumulates();
  launch<BackwardTraits<T>>(s, a, ctx);
}

}  // namespace

void selective_scan_backward(const SelectiveScanBackward& args, const ExecutionContext& ctx) {
  const SelectiveScanForward& f = args.forward;
  if (!f.chunk_states.defined()) {  // the forward pass again, for the states alone
    const std::int64_t tiles = ceil_div(f.u.size(1), kScanTile);
    SelectiveScanBackward with = args;
    with.forward.chunk_states =
        Tensor::empty({f.u.size(0), tiles, f.u.size(2), f.A.size(1)}, DType::F32, f.u.device());
    with.forward.y = with.forward.final_state = Tensor();
    krait::cuda::selective_scan_forward(with.forward, ctx);
    return krait::cuda::selective_scan_backward(with, ctx);
  }
  visit_device_float(f.u.dtype(), "selective_scan",
                     [&](auto zero) { run<decltype(zero)>(args, ctx); });
}

}  // namespace krait::cuda
