// S4D, forward.
//
// The map of threads is described in walk.cuh. A block brings the u of a tile of 64 positions into
// shared memory as f32; each thread walks them four at a time,
//   h = a h + u,   partial s = sum over its modes of K h
// and the four partial sums are added across the lanes of the channel, each lane finishing one
// position: s + D u takes the place of u. Then each thread takes its piece of the tile through the
// gate to y. While a tile is walked, the u of the next tile and the z of this one are on their way
// into shared memory; each thread copies for itself, so they need no barrier.
//
// Bytes per element of u, bf16: u, z read, y written, 6; n / 16 for chunk_states (n / 8 if
// complex). Arithmetic per mode and position: 2 FMA (6 if complex); with f32 rows, which take a - 1
// for a, 3 and
// 8. So 16 real modes are bound by memory, 32 complex ones by the FMA pipes: 805 M updates of
// 8 x 2048 x 1536 x 32 are 0.15 ms of them on 132 multiprocessors at 1.98 GHz.
//
// Long sequences of few channels are cut into segments (plan.h). A first launch finds the states
// that segments end with when nothing enters them; a scan over segments joins them by exp(A dt) to
// the power of their length (modes.cuh); a second launch walks all segments from the states that
// enter them. Nothing crosses a reset.
#include <vector>

#include <cuda_pipeline.h>

#include "core/stream/scratch.h"
#include "kernels/cuda/s4d/walk.cuh"
#include "kernels/s4d.h"

namespace krait::cuda::s4d {
namespace {

template <class T>
struct ForwardArguments {
  WalkArguments walk;
  Rows<const T> u, z;
  Rows<T> y;
  const float* initial_state;
  float *final_state, *chunk_states;
  float* segment_ends;  // (b, segments - 1, d, n, parts)
};

template <class Traits>
struct ForwardTiles {
  using Vectors = typename WalkThread<Traits>::Vectors;
  alignas(16) float tile[Traits::kTile * Traits::kRow];  // u, then sum_n K h + D u
  // Each thread's own piece, on its way.
  Vectors u[Traits::kVectors][Traits::kThreads], z[Traits::kVectors][Traits::kThreads];
};

/// kFirst: the first of two walks over a long sequence.
template <class Traits, bool kFirst>
class ForwardBlock {
  using T = typename Traits::T;
  using Number = typename Traits::Number;
  using Vectors = typename WalkThread<Traits>::Vectors;

 public:
  __device__ ForwardBlock(const ForwardArguments<T>& a, ForwardTiles<Traits>& tiles)
      : a_(a), tiles_(tiles), me_(a.walk, blockIdx.y) {
    me_.read_modes(a.walk.decays, decays_);
    me_.read_modes(a.walk.gains, gains_);
    if (a.walk.D != nullptr) D_ = a.walk.D[me_.channel];
    if (!kFirst && me_.segment > 0) {
      me_.read(a.segment_ends, a.walk.segments - 1, me_.segment - 1, h_);
    } else if (me_.segment == 0 && a.initial_state != nullptr) {
      me_.read(a.initial_state, 1, 0, h_);
    }
  }

  __device__ void run() {
    bool any_resets = false;
    bring(a_.u, 0, tiles_.u);
    wait();
    for (int i = 0; i < me_.tile_count; ++i) {
      widen();
      __syncthreads();  // the tile is here
      if (i + 1 < me_.tile_count) bring(a_.u, i + 1, tiles_.u);
      if (!kFirst && a_.z.data != nullptr) bring(a_.z, i, tiles_.z);
      if (!kFirst && a_.chunk_states != nullptr) {
        me_.write(a_.chunk_states, a_.walk.tiles, me_.first_tile + i, h_);
      }
      const std::uint64_t resets = me_.resets(i);
      any_resets = any_resets || resets != 0;
      if (resets == 0 && me_.rows(i) == Traits::kTile) {
        walk<false>(Traits::kTile, 0);
      } else {
        walk<true>(me_.rows(i), resets);
      }
      wait();
      __syncthreads();  // its sums are here
      if (!kFirst && a_.y.data != nullptr) store(i);
    }
    if (kFirst) {
      me_.write(a_.segment_ends, a_.walk.segments - 1, me_.segment, h_);
      me_.note_resets(any_resets);
    } else if (me_.segment + 1 == a_.walk.segments && a_.final_state != nullptr) {
      me_.write(a_.final_state, 1, 0, h_);
    }
  }

 private:
  /// Starts the way of this thread's piece of a tile into its slot.
  __device__ void bring(const Rows<const T>& rows, int tile,
                        Vectors (&slots)[Traits::kVectors][Traits::kThreads]) const {
    const T* from = me_.piece(rows, tile);
    const int size = me_.piece_size(tile);
#pragma unroll
    for (int v = 0; v < Traits::kVectors; ++v) {
      Vectors& slot = slots[v][threadIdx.x];
      if (a_.walk.vectors && v * Traits::kWidth < size) {
        __pipeline_memcpy_async(&slot, from + v * Traits::kWidth, sizeof(Vectors));
      } else {
        slot = me_.load(from, size, v);
      }
    }
    __pipeline_commit();
  }
  __device__ static void wait() {
    __pipeline_wait_prior(0);
  }

  /// u of the tile from the slots.
  __device__ void widen() {
    float* to = tiles_.tile + me_.piece_at();
#pragma unroll
    for (int v = 0; v < Traits::kVectors; ++v) {
      const Vectors x = tiles_.u[v][threadIdx.x];
#pragma unroll
      for (int i = 0; i < Traits::kWidth; ++i) to[v * Traits::kWidth + i] = to_float(x.v[i]);
    }
  }

  /// kCareful: there are resets, or the sequence ends after `count` positions.
  template <bool kCareful>
  __device__ void walk(int count, std::uint64_t resets) {
    float* column = tiles_.tile + me_.column;
    float next[4];  // read before the sums of the four positions before them are written
#pragma unroll
    for (int s = 0; s < 4; ++s) next[s] = column[s * Traits::kRow];
#pragma unroll 2
    for (int t = 0; t < Traits::kTile; t += 4) {
      if (kCareful && t >= count) break;
      const float u[4] = {next[0], next[1], next[2], next[3]};
      if (t + 4 < Traits::kTile) {
#pragma unroll
        for (int s = 0; s < 4; ++s) next[s] = column[(t + 4 + s) * Traits::kRow];
      }
      float partial[4] = {};
#pragma unroll
      for (int s = 0; s < 4; ++s) {
        if (kCareful && t + s >= count) continue;
        const bool reset = kCareful && (resets >> (t + s) & 1) != 0;
#pragma unroll
        for (int k = 0; k < Traits::kModes; ++k) {
          const Number before = reset ? Number{} : h_[k];
          h_[k] = modes::advance<Traits::kExact>(decays_[k], before, u[s]);
          if (!kFirst) partial[s] = modes::add_product(gains_[k], h_[k], partial[s]);
        }
      }
      if (!kFirst) finish(t + me_.own_step(), me_.sum_over_lanes(partial));
    }
  }

  __device__ void finish(int t, float sum) {
    if (!me_.finishes()) return;
    float& place = tiles_.tile[t * Traits::kRow + me_.column];
    place = fmaf(D_, place, sum);
  }

  /// The thread's piece of y.
  __device__ void store(int tile) const {
    const float* from = tiles_.tile + me_.piece_at();
    T* to = me_.piece(a_.y, tile);
    const int size = me_.piece_size(tile);
#pragma unroll
    for (int v = 0; v < Traits::kVectors; ++v) {
      Vectors y, z{};
      if (a_.z.data != nullptr) z = tiles_.z[v][threadIdx.x];
#pragma unroll
      for (int i = 0; i < Traits::kWidth; ++i) {
        const float s = from[v * Traits::kWidth + i], x = to_float(z.v[i]);
        y.v[i] = from_float<T>(a_.z.data != nullptr ? s * (x * sigmoid<T>(x)) : s);
      }
      me_.store(to, size, v, y);
    }
  }

  const ForwardArguments<T>& a_;
  ForwardTiles<Traits>& tiles_;
  const WalkThread<Traits> me_;
  float D_ = 0;
  typename WalkThread<Traits>::Numbers decays_, gains_, h_ = {};
};

template <class Traits, bool kFirst>
__global__ void __launch_bounds__(Traits::kThreads, kS4dBlocks)
    s4d_forward_kernel(const __grid_constant__ ForwardArguments<typename Traits::T> a) {
  __shared__ ForwardTiles<Traits> tiles;
  ForwardBlock<Traits, kFirst>(a, tiles).run();
}

template <class Traits>
void launch(const S4dForward& s, ForwardArguments<typename Traits::T> a, std::int64_t batch,
            const ExecutionContext& ctx) {
  const auto grid = [&](std::int64_t segments) {
    return dim3(static_cast<unsigned>(batch * a.walk.channel_tiles),
                static_cast<unsigned>(segments));
  };
  const std::int64_t joined = a.walk.segments - 1;
  const Scratch<float> ends(batch * joined * a.walk.channels * a.walk.n * Traits::kParts, ctx);
  const Scratch<int> resets(joined > 0 ? batch * a.walk.segments : 0, ctx);
  if (joined > 0) {
    a.segment_ends = ends.data();
    a.walk.resets = resets.data();
    s4d_forward_kernel<Traits, true><<<grid(joined), Traits::kThreads, 0, stream_of(ctx)>>>(a);
    KRAIT_CUDA_CHECK_LAUNCH("s4d_forward_kernel");
    join_segments(s,
                  {.values = ends.data(),
                   .resets = resets.data(),
                   .segments = joined,
                   .all_segments = a.walk.segments,
                   .first = 0,
                   .positions = a.walk.segment_tiles * Traits::kTile,
                   .backward = false},
                  ctx);
  }
  s4d_forward_kernel<Traits, false>
      <<<grid(a.walk.segments), Traits::kThreads, 0, stream_of(ctx)>>>(a);
  KRAIT_CUDA_CHECK_LAUNCH("s4d_forward_kernel");
}

template <class Traits>
void run(const S4dForward& s, const ExecutionContext& ctx) {
  using T = typename Traits::T;
  const Factors<T> factors(s, ctx);
  ForwardArguments<T> a{.walk = walk_arguments(s, factors),
                        .u = rows_of<const T>(s.u),
                        .z = rows_of<const T>(s.z),
                        .y = rows_of<T>(s.y),
                        .initial_state = device_data<float>(s.initial_state),
                        .final_state = device_data<float>(s.final_state),
                        .chunk_states = device_data<float>(s.chunk_states)};
  const auto fit = [&](const auto& rows) {
    return fits_vectors(rows, a.walk.channels, Traits::kWidth);
  };
  a.walk.vectors = fit(a.u) && fit(a.z) && fit(a.y);
  launch<Traits>(s, a, s.u.size(0), ctx);
}

}  // namespace
}  // namespace krait::cuda::s4d

namespace krait::cuda {

void s4d_forward(const S4dForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.u.dtype(), "s4d", [&](auto zero) {
    s4d::visit_traits<decltype(zero)>(args,
                                      [&](auto traits) { s4d::run<decltype(traits)>(args, ctx); });
  });
}

}  // namespace krait::cuda
