// S4D forward: per chunk of a tile, for each block of modes, a walk through time with the states in
// registers that adds K h to y; then D u and the gate.
#include "kernels/cpu/s4d/slice.h"

namespace krait::cpu {
namespace {

template <class T, bool kComplex>
class ForwardSlice {
  using Problem = S4dProblem<T, kComplex>;
  using Number = typename Problem::Number;

 public:
  ForwardSlice(const Problem& p, const S4dForward& args, const ExecutionContext& ctx,
               std::int64_t b, std::int64_t first, std::int64_t tiles)
      : p_(p),
        y_rows_(args.y),
        b_(b),
        first_(first),
        tiles_(tiles),
        decays_(tiles * p.rows(), ctx),
        gains_(tiles * p.rows(), ctx),
        states_(tiles * p.rows(), ctx) {
    for (std::int64_t i = 0; i < tiles; ++i) {
      const S4dTile<T> where = tile(i);
      load_states(p.decays.data() + p.state_offset(0, where), p.rows(), where.count, decays(i));
      load_states(p.gains.data() + p.state_offset(0, where), p.rows(), where.count, gains(i));
      if (p.initial_state) {
        load_states(p.initial_state + p.state_offset(b, where), p.rows(), where.count, states(i));
      } else {
        std::fill_n(states(i), p.rows(), TileRow<T>{});
      }
    }
  }

  void run(T* final_state) {
    for (std::int64_t t = 0; t < p_.length; t += kS4dChunk) {
      for (std::int64_t i = 0; i < tiles_; ++i) run_chunk(i, t);
    }
    for (std::int64_t i = 0; final_state && i < tiles_; ++i) store(i, final_state, b_);
  }

 private:
  S4dTile<T> tile(std::int64_t i) const { return p_.tile(first_ + i); }
  TileRow<T>* decays(std::int64_t i) const { return decays_.data() + i * p_.rows(); }
  TileRow<T>* gains(std::int64_t i) const { return gains_.data() + i * p_.rows(); }
  TileRow<T>* states(std::int64_t i) const { return states_.data() + i * p_.rows(); }
  /// The tile's states as entry `index` of an array of states.
  void store(std::int64_t i, T* to, std::int64_t index) const {
    store_states(to + p_.state_offset(index, tile(i)), p_.rows(), tile(i).count, states(i));
  }

  void run_chunk(std::int64_t i, std::int64_t begin) {
    if (p_.chunk_states) store(i, p_.chunk_states, b_ * p_.chunks() + begin / kS4dChunk);
    chunk_.read(p_, b_, tile(i), begin);
    std::fill_n(y_, chunk_.count, TileRow<T>{});
    for (int v = 0; v < kTileVectors<T>; ++v) {
      for_each_block(p_, [&](std::int64_t n, auto block) { advance_block<block.value>(i, n, v); });
    }
    put_outputs(tile(i));
  }

  template <int N>
  void advance_block(std::int64_t i, std::int64_t n, int v) {
    Number h[N], decay[N], gain[N];
    for (int k = 0; k < N; ++k) {
      h[k] = Problem::number(states(i), n + k, v);
      decay[k] = Problem::number(decays(i), n + k, v);
      gain[k] = Problem::number(gains(i), n + k, v);
    }
    for (int t = 0; t < chunk_.count; ++t) {
      if (chunk_.reset[t]) std::fill_n(h, N, Number{});
      Vec<T> sum{};
      for (int k = 0; k < N; ++k) {
        h[k] = modes::advance<true>(decay[k], h[k], chunk_.u[t].v[v]);
        sum = modes::add_product(gain[k], h[k], sum);
      }
      y_[t].v[v] += sum;
    }
    for (int k = 0; k < N; ++k) Problem::put_number(h[k], states(i), n + k, v);
  }

  void put_outputs(const S4dTile<T>& where) const {
    if (!y_rows_) return;
    const TileRow<T> D = load_row_or_zero(p_.D ? p_.D + where.channel : nullptr, where.count);
    for (int t = 0; t < chunk_.count; ++t) {
      T* y_row = y_rows_.row(b_, chunk_.begin + t) + where.channel;
      const T* z_row = p_.z ? p_.z.row(b_, chunk_.begin + t) + where.channel : nullptr;
      for (int v = 0; v < kTileVectors<T>; ++v) {
        Vec<T> y = y_[t].v[v] + D.v[v] * chunk_.u[t].v[v];
        if (z_row) {
          const Vec<T> z = load_part(z_row, v, where.count);
          y *= z * sigmoid<T>(z);
        }
        store_part(y_row, v, where.count, y);
      }
    }
  }

  const Problem& p_;
  const Rows<T> y_rows_;
  const std::int64_t b_, first_, tiles_;
  Scratch<TileRow<T>> decays_, gains_, states_;  // [tile][row]
  S4dChunk<T> chunk_;
  TileRow<T> y_[kS4dChunk];  // sum_n K h
};

template <class T, bool kComplex>
void run_forward(const S4dProblem<T, kComplex>& p, const S4dForward& args,
                 const ExecutionContext& ctx) {
  T* final_state = data_or_null<T>(args.final_state);
  for_each_slice(p, [&](std::int64_t b, std::int64_t first, std::int64_t tiles) {
    ForwardSlice<T, kComplex>(p, args, ctx, b, first, tiles).run(final_state);
  });
}

}  // namespace

std::int64_t s4d_chunk() {
  return kS4dChunk;
}

void s4d_forward(const S4dForward& args, const ExecutionContext& ctx) {
  visit_s4d(args, ctx, [&](const auto& problem) { run_forward(problem, args, ctx); });
}

}  // namespace krait::cpu
