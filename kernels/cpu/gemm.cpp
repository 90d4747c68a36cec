// Fixed tiles of c, and for deep products of few tiles fixed chunks of k, each computed by Eigen on
// one thread. The partition depends on the shape only, so the bits do not depend on the threads.
#include "kernels/gemm.h"

#include <Eigen/Core>
#include <algorithm>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "core/system/parallel.h"

namespace krait::cpu {
namespace {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using ConstMap = Eigen::Map<const Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using Map = Eigen::Map<Matrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

struct Plan {
  static constexpr std::int64_t kTile = 256;         // packing costs about 2 / kTile of the product
  static constexpr std::int64_t kSmallestTile = 64;  // and is more than it is worth below this
  static constexpr std::int64_t kTasks = 16;         // enough for an even spread over the threads
  static constexpr std::int64_t kTaskWork = 1 << 20;  // multiply-adds: 25 us, so waking is cheap
  static constexpr std::int64_t kSmallestChunk = 256;

  std::int64_t m, n, k;
  std::int64_t tile_m = kTile, tile_n = kTile, chunk_k = 0;

  Plan(std::int64_t m_, std::int64_t n_, std::int64_t k_) : m(m_), n(n_), k(k_), chunk_k(k_) {
    tile_m = std::min(m, kTile);
    tile_n = std::min(n, kTile * kTile / tile_m);  // a narrow c gets longer tiles of the same area
    tile_m = std::min(m, kTile * kTile / tile_n);
    // A deep product is rather cut along k: that packs nothing twice.
    const std::int64_t smallest = k >= 4 * kSmallestChunk ? kTile : kSmallestTile;
    while (tiles() < kTasks && tile_m * tile_n * k > kTaskWork &&
           std::max(tile_m, tile_n) > smallest) {
      auto& longer = tile_m > tile_n ? tile_m : tile_n;
      longer = ceil_div(longer, 32) * 16;  // half, in whole register blocks
    }
    const std::int64_t chunks =
        std::min({ceil_div(kTasks, tiles()), k / kSmallestChunk, tile_m * tile_n * k / kTaskWork});
    if (chunks > 1) chunk_k = ceil_div(ceil_div(k, chunks), 64) * 64;
  }
  std::int64_t columns() const { return ceil_div(n, tile_n); }
  std::int64_t tiles() const { return ceil_div(m, tile_m) * columns(); }
  std::int64_t chunks() const { return ceil_div(k, chunk_k); }
};

template <class T, class C, class A, class B>
void multiply_add(C&& c, const A& a, const B& b, const Gemm& g) {
  if (g.transpose_a && g.transpose_b) {
    c.noalias() += a.transpose() * b.transpose();
  } else if (g.transpose_a) {
    c.noalias() += a.transpose() * b;
  } else if (g.transpose_b) {
    c.noalias() += a * b.transpose();
  } else {
    c.noalias() += a * b;
  }
}

/// c[tile] += op(a)[tile rows, chunk] op(b)[chunk, tile columns] with c's rows `stride` apart.
template <class T>
void tile_product(const Gemm& g, const Plan& plan, std::int64_t tile, std::int64_t chunk, T* c,
                  std::int64_t stride, bool zero) {
  const std::int64_t m0 = tile / plan.columns() * plan.tile_m;
  const std::int64_t n0 = tile % plan.columns() * plan.tile_n, k0 = chunk * plan.chunk_k;
  const std::int64_t m = std::min(plan.tile_m, plan.m - m0);
  const std::int64_t n = std::min(plan.tile_n, plan.n - n0);
  const std::int64_t k = std::min(plan.chunk_k, plan.k - k0);
  const std::int64_t lda = g.a.stride(0), ldb = g.b.stride(0);
  Map<T> out(c + m0 * stride + n0, m, n, Eigen::OuterStride<>(stride));
  if (zero) out.setZero();
  const T* a = g.a.data<T>() + (g.transpose_a ? k0 * lda + m0 : m0 * lda + k0);
  const T* b = g.b.data<T>() + (g.transpose_b ? n0 * ldb + k0 : k0 * ldb + n0);
  multiply_add<T>(
      out, ConstMap<T>(a, g.transpose_a ? k : m, g.transpose_a ? m : k, Eigen::OuterStride<>(lda)),
      ConstMap<T>(b, g.transpose_b ? n : k, g.transpose_b ? k : n, Eigen::OuterStride<>(ldb)), g);
}

/// c (+)= the partial products of all chunks, in their order.
template <class T>
void sum_chunks(const Gemm& g, const Plan& plan, const T* partials) {
  const std::int64_t area = plan.m * plan.n, stride = g.c.stride(0);
  T* c = g.c.data<T>();
  parallel_for(plan.m, std::max<std::int64_t>(1, (1 << 14) / plan.n), [&](auto begin, auto end) {
    for (std::int64_t row = begin; row < end; ++row) {
      Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>> out(c + row * stride, plan.n);
      if (!g.accumulate) out.setZero();
      for (std::int64_t chunk = 0; chunk < plan.chunks(); ++chunk) {
        out += Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>(
            partials + chunk * area + row * plan.n, plan.n);
      }
    }
  });
}

template <class T>
void product(const Gemm& g, const Plan& plan, const ExecutionContext& ctx) {
  if (plan.chunks() == 1) {
    parallel_for(plan.tiles(), 1, [&](auto tile, auto) {
      tile_product<T>(g, plan, tile, 0, g.c.data<T>(), g.c.stride(0), !g.accumulate);
    });
    return;
  }
  const Scratch<T> partials(plan.chunks() * plan.m * plan.n, ctx);
  parallel_for(plan.tiles() * plan.chunks(), 1, [&](auto task, auto) {
    const std::int64_t chunk = task / plan.tiles(), tile = task % plan.tiles();
    T* out = partials.data() + chunk * plan.m * plan.n;
    tile_product<T>(g, plan, tile, chunk, out, plan.n, true);
  });
  sum_chunks<T>(g, plan, partials.data());
}

template <class T>
void zero_rows(const Tensor& c) {
  for (std::int64_t row = 0; row < c.size(0); ++row) {
    std::fill_n(c.data<T>() + row * c.stride(0), c.size(1), T(0));
  }
}

}  // namespace

void gemm(const Gemm& g, const ExecutionContext& ctx) {
  visit_float(g.a.dtype(), "gemm", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t k = g.a.size(g.transpose_a ? 0 : 1);
    if (g.c.numel() == 0) return;
    if (k == 0) {
      if (!g.accumulate) zero_rows<T>(g.c);
      return;
    }
    product<T>(g, Plan(g.c.size(0), g.c.size(1), k), ctx);
  });
}

}  // namespace krait::cpu
