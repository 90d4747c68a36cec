// Normalisation of rows (rows, d), backward. With n = (r - mean) inverse_std and g = dy weight:
//   dr = inverse_std (g - mean(g) - n mean(g n)) + dresidual_out, without mean(g) for Rms,
//   dweight = sum over rows of dy n, dbias = sum over rows of dy.
//
// As many blocks as run at once go through the rows in turn. Rows that can be read 4 elements at a
// time (d a multiple of 4, at most 8192; aligned) are held in registers: d <= 2048 by up to 8 warps
// with 8 columns a thread, longer ones by up to 16 warps with 16. A thread keeps its columns, so
// its part of dweight and dbias stays in registers until its last row; a second kernel adds up the
// parts in a fixed order. Any other row goes through a block that reads it again for dr, from the
// cache, and keeps its part in scratch memory. Bytes an element: reads r and dy (2 or 4 each) and
// dresidual_out (4), writes dx (2 or 4) and dresidual (4). n is recomputed from r; nothing is read
// twice.
#include <optional>

#include "core/stream/scratch.h"
#include "kernels/cuda/norm/rows.cuh"
#include "kernels/norm.h"

namespace krait::cuda {
namespace {

using namespace norm;

/// How a thread holds a row, and what that leaves of the 64 K registers of a multiprocessor.
template <int kPacks>
struct Traits {
  static constexpr int kMostWarps = kPacks == 2 ? 8 : 16;       // of a block
  static constexpr int kResidentWarps = kPacks == 2 ? 24 : 16;  // of 80 and 128 registers a thread
  static constexpr int kThreads = kMostWarps * kWarp;
  static constexpr int kMinBlocks = kResidentWarps / kMostWarps;
  static constexpr int kColumns = kThreads * kPacks * kWidth;
};
constexpr int kFewPacks = 2, kManyPacks = 4;
static_assert(Traits<kManyPacks>::kColumns == kMostColumns);
constexpr int kRowsOfPlainBlock = 32;  // at least: keeps the parts far smaller than dy

struct BackwardArgs {
  const float *weight, *mean, *inverse_std, *dresidual_out;  // mean, dresidual_out: may be null
  FloatOutput dx, dresidual;
  float *dweight, *dbias;  // parts (parts, d), null when not wanted
  std::int64_t rows;
  int d;
  __device__ bool wants_dr() const { return dx.data != nullptr || dresidual.data != nullptr; }
};

template <int kCount>
__device__ void write_dr(const BackwardArgs& a, std::int64_t offset, const float (&dr)[kCount]) {
  if (a.dx.data != nullptr) write(a.dx, offset, dr);
  if (a.dresidual.data != nullptr) write(a.dresidual, offset, dr);
}

/// Block b and threadIdx.y take rows b * blockDim.y + threadIdx.y, and so on in steps of the grid;
/// their part of the sums has the same number.
template <class R, class Y, int kPacks>
__global__ void __launch_bounds__(Traits<kPacks>::kThreads, Traits<kPacks>::kMinBlocks)
    norm_backward_kernel(const R* __restrict__ r, const Y* __restrict__ dy, const BackwardArgs a) {
  __shared__ float shared[2][kMostWarps][2];
  int turn = 0;
  const auto column = [](int p) { return static_cast<int>(p * blockDim.x + threadIdx.x) * kWidth; };
  float w[kPacks][kWidth] = {}, dweight[kPacks][kWidth] = {}, dbias[kPacks][kWidth] = {};
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    if (column(p) < a.d) load_pack<kWidth>(a.weight + column(p), w[p]);
  }
  const std::int64_t first = std::int64_t{blockIdx.x} * blockDim.y;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.y;
  for (std::int64_t base = first; base < a.rows; base += step) {
    const std::int64_t row = base + threadIdx.y;
    const bool inside = row < a.rows;
    const int columns = inside ? a.d : 0;  // beyond the last row: only the barriers
    const std::int64_t start = row * a.d;
    float n[kPacks][kWidth] = {}, g[kPacks][kWidth] = {}, more[kPacks][kWidth] = {};
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (column(p) >= columns) continue;
      load_pack<kWidth>(r + start + column(p), n[p]);
      load_pack<kWidth>(dy + start + column(p), g[p]);
      if (a.dresidual_out != nullptr) {
        load_pack<kWidth>(a.dresidual_out + start + column(p), more[p]);
      }
    }
    const float scale = inside ? a.inverse_std[row] : 0;
    const float mean = inside && a.mean != nullptr ? a.mean[row] : 0;
    float sums[2] = {};  // of g n and of g
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        n[p][i] = (n[p][i] - mean) * scale;
        dweight[p][i] += g[p][i] * n[p][i];  // no column: dy, and so all that is added, is zero
        dbias[p][i] += g[p][i];
        g[p][i] *= w[p][i];
        sums[0] += g[p][i] * n[p][i];
        sums[1] += g[p][i];
      }
    }
    if (!a.wants_dr()) continue;
    row_sums(sums, shared[turn ^= 1]);
    const float dot = sums[0] / static_cast<float>(a.d);
    const float centre = a.mean != nullptr ? sums[1] / static_cast<float>(a.d) : 0;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      if (column(p) >= columns) continue;
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        more[p][i] += scale * (g[p][i] - centre - n[p][i] * dot);
      }
      write_dr(a, start + column(p), more[p]);
    }
  }
  const std::int64_t part = (first + threadIdx.y) * a.d;
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    if (column(p) >= a.d) continue;
    if (a.dweight != nullptr) store_pack<kWidth>(a.dweight + part + column(p), dweight[p]);
    if (a.dbias != nullptr) store_pack<kWidth>(a.dbias + part + column(p), dbias[p]);
  }
}

/// Any d and alignment. There are at most as many blocks as rows.
template <class R, class Y>
__global__ void norm_backward_plain_kernel(const R* __restrict__ r, const Y* __restrict__ dy,
                                           const BackwardArgs a) {
  __shared__ float shared[2][kMostWarps][2];
  int turn = 0;
  const int first = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  const std::int64_t part = std::int64_t{blockIdx.x} * a.d;
  for (std::int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const std::int64_t start = row * a.d;
    const float scale = a.inverse_std[row], mean = a.mean != nullptr ? a.mean[row] : 0;
    const bool begins = row == blockIdx.x;
    float sums[2] = {};
    for (std::int64_t j = first; j < a.d; j += step) {
      const float n = (to_float(r[start + j]) - mean) * scale, d = to_float(dy[start + j]);
      if (a.dweight != nullptr) a.dweight[part + j] = (begins ? 0 : a.dweight[part + j]) + d * n;
      if (a.dbias != nullptr) a.dbias[part + j] = (begins ? 0 : a.dbias[part + j]) + d;
      sums[0] += d * a.weight[j] * n;
      sums[1] += d * a.weight[j];
    }
    if (!a.wants_dr()) continue;
    row_sums(sums, shared[turn ^= 1]);
    const float dot = sums[0] / static_cast<float>(a.d);
    const float centre = a.mean != nullptr ? sums[1] / static_cast<float>(a.d) : 0;
    for (std::int64_t j = first; j < a.d; j += step) {
      const float n = (to_float(r[start + j]) - mean) * scale;
      const float g = to_float(dy[start + j]) * a.weight[j];
      const float more = a.dresidual_out != nullptr ? a.dresidual_out[start + j] : 0;
      const float dr[1] = {scale * (g - centre - n * dot) + more};
      write_dr(a, start + j, dr);
    }
  }
}

/// Sums over rows: the parts of it, and where it goes.
struct ColumnSum {
  const float* parts;  // (parts, d)
  float* out;          // (d)
  bool accumulate;
};
struct ColumnSums {
  ColumnSum sums[2];  // one for each blockIdx.y
  int parts, d;
};
constexpr int kSumColumns = 8;  // of a block: 32 bytes, what memory gives at once
constexpr int kSumLanes = 64;

/// Lane y adds parts y, y + 64, ...; then the lanes are added in pairs.
__global__ void __launch_bounds__(kSumColumns* kSumLanes) norm_sum_parts_kernel(ColumnSums a) {
  __shared__ float lanes[kSumLanes][kSumColumns];
  const ColumnSum own = blockIdx.y == 0 ? a.sums[0] : a.sums[1];
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const std::int64_t column = std::int64_t{blockIdx.x} * kSumColumns + x;
  float sum = 0;
  if (column < a.d) {
#pragma unroll 8
    for (int p = y; p < a.parts; p += kSumLanes) sum += own.parts[std::int64_t{p} * a.d + column];
  }
  lanes[y][x] = sum;
  for (int half = kSumLanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (y < half) lanes[y][x] += lanes[y + half][x];
  }
  if (y == 0 && column < a.d) {
    own.out[column] = own.accumulate ? own.out[column] + lanes[0][x] : lanes[0][x];
  }
}

template <class R, class Y>
bool fits_registers(const R* r, const Y* dy, const BackwardArgs& a) {
  const auto aligned = [](const float* p) { return cuda::is_aligned<kWidth>(p); };
  return a.d % kWidth == 0 && a.d <= kMostColumns && cuda::is_aligned<kWidth>(r) &&
         cuda::is_aligned<kWidth>(dy) && aligned(a.weight) && aligned(a.dresidual_out) &&
         norm::is_aligned(a.dx) && norm::is_aligned(a.dresidual);
}

/// One call: the arguments, and the parts of dweight and dbias in scratch memory.
class Backward {
 public:
  Backward(const NormBackward& n, const ExecutionContext& ctx) : n_(n), ctx_(ctx) {
    args_ = {.weight = device_data<float>(n.weight),
             .mean = n.kind == NormKind::Layer ? device_data<float>(n.mean) : nullptr,
             .inverse_std = device_data<float>(n.inverse_std),
             .dresidual_out = device_data<float>(n.dresidual_out),
             .dx = output_of(n.dx),
             .dresidual = output_of(n.dresidual),
             .rows = n.r.shape().rows(),
             .d = static_cast<int>(n.r.size(-1))};
  }

  template <class R, class Y>
  void run() {
    const R* r = device_data<R>(n_.r);
    const Y* dy = device_data<Y>(n_.dy);
    if (args_.rows > 0) {
      if (!fits_registers(r, dy, args_)) {
        run_plain(r, dy);
      } else if (args_.d <= Traits<kFewPacks>::kColumns) {
        run_packed<kFewPacks>(r, dy);
      } else {
        run_packed<kManyPacks>(r, dy);
      }
    }
    sum_parts();
  }

 private:
  template <int kPacks, class R, class Y>
  void run_packed(const R* r, const Y* dy) {
    const RowLayout layout = row_layout(args_.d, kPacks, Traits<kPacks>::kMostWarps);
    const int most =
        kSumMultiprocessors * (Traits<kPacks>::kResidentWarps / (layout.warps * layout.rows));
    const int blocks =
        static_cast<int>(std::min<std::int64_t>(ceil_div(args_.rows, layout.rows), most));
    reserve(blocks * layout.rows);
    norm_backward_kernel<R, Y, kPacks>
        <<<static_cast<unsigned>(blocks), layout.threads(), 0, stream_of(ctx_)>>>(r, dy, args_);
    KRAIT_CUDA_CHECK_LAUNCH("norm_backward_kernel");
  }

  template <class R, class Y>
  void run_plain(const R* r, const Y* dy) {
    constexpr std::int64_t kMost = 2 * kSumMultiprocessors;
    const int blocks = static_cast<int>(std::min(ceil_div(args_.rows, kRowsOfPlainBlock), kMost));
    reserve(blocks);
    norm_backward_plain_kernel<R, Y>
        <<<static_cast<unsigned>(blocks), kPlainThreads, 0, stream_of(ctx_)>>>(r, dy, args_);
    KRAIT_CUDA_CHECK_LAUNCH("norm_backward_plain_kernel");
  }

  void reserve(int parts) {
    parts_ = parts;
    const std::int64_t count = std::int64_t{parts} * args_.d;
    if (n_.dweight.wanted()) args_.dweight = dweights_.emplace(count, ctx_).data();
    if (n_.dbias.wanted()) args_.dbias = dbiases_.emplace(count, ctx_).data();
  }

  void sum_parts() {
    ColumnSums all{.parts = parts_, .d = args_.d};
    unsigned count = 0;
    const auto add = [&](const Gradient& g, const float* parts) {
      if (g.wanted()) {
        all.sums[count++] = {parts, device_data<float>(g.tensor), g.accumulates()};
      }
    };
    add(n_.dweight, args_.dweight);
    add(n_.dbias, args_.dbias);
    if (count == 0) return;
    const dim3 grid(static_cast<unsigned>(ceil_div(args_.d, kSumColumns)), count);
    norm_sum_parts_kernel<<<grid, dim3(kSumColumns, kSumLanes), 0, stream_of(ctx_)>>>(all);
    KRAIT_CUDA_CHECK_LAUNCH("norm_sum_parts_kernel");
  }

  const NormBackward& n_;
  const ExecutionContext& ctx_;
  BackwardArgs args_{};
  int parts_ = 0;
  std::optional<Scratch<float>> dweights_, dbiases_;
};

}  // namespace

void norm_backward(const NormBackward& n, const ExecutionContext& ctx) {
  KRAIT_REQUIRE(n.r.size(-1) <= std::numeric_limits<std::int32_t>::max() / 2,
                "[norm_backward] d must be below 2^30, got ", n.r.size(-1), ".");
  visit_device_float(n.r.dtype(), "norm_backward", [&](auto r) {
    visit_device_float(n.dy.dtype(), "norm_backward",
                       [&](auto dy) { Backward(n, ctx).run<decltype(r), decltype(dy)>(); });
  });
}

}  // namespace krait::cuda
