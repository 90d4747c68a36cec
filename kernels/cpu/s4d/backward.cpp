// S4D backward. With s[t] = weighted sum of K h + D u before the gate, ds its gradient, and x* the
// conjugate of x (gradients of a complex number are d / d Re + i d / d Im):
//
//   g[t] = K* ds[t] + a* g[t+1]       the gradient of h[t]; none comes across a reset
//   du[t] = sum_n Re g[t] + D ds[t]   da += h[t-1]* g[t]    dK += h[t]* ds[t]    dD += ds[t] u[t]
//
// A slice is walked backward chunk by chunk. For each block of modes of a tile, the states of the
// chunk are recomputed from chunk_states and kept in at most 16 kB on the stack; then the gradients
// are walked back. da, dK and dD are partial sums per batch entry, added up afterwards in the order
// of the entries, in f64, and taken on to dt, A and C (kernels/s4d/modes.h).
#include "kernels/cpu/s4d/slice.h"

namespace krait::cpu {
namespace {

/// Partial sums of a batch entry.
template <class T>
struct PartialSums {
  Scratch<T> ddecay, dgain;  // (b, d, n, parts)
  Scratch<T> dD;             // (b, d)
  template <class Problem>
  PartialSums(const Problem& p, const ExecutionContext& ctx)
      : ddecay(p.batch * p.channels * p.rows(), ctx),
        dgain(p.batch * p.channels * p.rows(), ctx),
        dD(p.batch * p.channels, ctx) {}
};

template <class T>
void put(const Gradient& g, std::int64_t i, double value) {
  if (!g.wanted()) return;
  T& to = g.tensor.data<T>()[i];
  to = static_cast<T>(g.accumulates() ? to + value : value);
}

/// Register v of a row of a gradient shaped (b, l, d).
template <class T>
void put_part(const Gradient& g, T* row, int v, int channels, const Vec<T>& value) {
  store_part(row, v, channels, g.accumulates() ? value + load_part(row, v, channels) : value);
}

template <class T, bool kComplex>
class BackwardSlice {
  using Problem = S4dProblem<T, kComplex>;
  using Number = typename Problem::Number;

 public:
  BackwardSlice(const Problem& p, const S4dBackward& args, const PartialSums<T>& sums,
                const ExecutionContext& ctx, std::int64_t b, std::int64_t first, std::int64_t tiles)
      : p_(p),
        args_(args),
        sums_(sums),
        dy_(args.dy),
        du_rows_(args.du.wanted() ? Rows<T>(args.du.tensor) : Rows<T>()),
        dz_rows_(args.dz.wanted() ? Rows<T>(args.dz.tensor) : Rows<T>()),
        b_(b),
        first_(first),
        tiles_(tiles),
        decays_(tiles * p.rows(), ctx),
        gains_(tiles * p.rows(), ctx),
        carries_(tiles * p.rows(), ctx),
        ddecays_(tiles * p.rows(), ctx),
        dgains_(tiles * p.rows(), ctx),
        dD_(tiles, ctx) {
    const T* dfinal = data_or_null<T>(args.dfinal_state);
    std::fill_n(carries_.data(), tiles * p.rows(), TileRow<T>{});
    std::fill_n(ddecays_.data(), tiles * p.rows(), TileRow<T>{});
    std::fill_n(dgains_.data(), tiles * p.rows(), TileRow<T>{});
    std::fill_n(dD_.data(), tiles, TileRow<T>{});
    for (std::int64_t i = 0; i < tiles; ++i) {
      load(p.decays.data(), 0, i, decays_);
      load(p.gains.data(), 0, i, gains_);
      if (dfinal) load(dfinal, b, i, carries_);
    }
  }

  void run() {
    for (std::int64_t chunk = p_.chunks() - 1; chunk >= 0; --chunk) {
      for (std::int64_t i = 0; i < tiles_; ++i) walk_chunk(i, chunk);
    }
    for (std::int64_t i = 0; i < tiles_; ++i) put_sums(i);
  }

 private:
  using TileRows = Scratch<TileRow<T>>;  // [tile][row]

  S4dTile<T> tile(std::int64_t i) const { return p_.tile(first_ + i); }
  TileRow<T>* rows(const TileRows& of, std::int64_t i) const { return of.data() + i * p_.rows(); }
  /// Entry `index` of an array of states to rows, and back.
  void load(const T* from, std::int64_t index, std::int64_t i, const TileRows& to) const {
    load_states(from + p_.state_offset(index, tile(i)), p_.rows(), tile(i).count, rows(to, i));
  }
  void store(const TileRows& from, std::int64_t i, T* to, std::int64_t index) const {
    store_states(to + p_.state_offset(index, tile(i)), p_.rows(), tile(i).count, rows(from, i));
  }

  void walk_chunk(std::int64_t i, std::int64_t chunk) {
    const S4dTile<T> where = tile(i);
    chunk_.read(p_, b_, where, chunk * kS4dChunk);
    read_gradients(where);
    load_states(p_.chunk_states + p_.state_offset(b_ * p_.chunks() + chunk, where), p_.rows(),
                where.count, entering_);
    std::fill_n(y_, chunk_.count, TileRow<T>{});
    std::fill_n(du_, chunk_.count, TileRow<T>{});
    for (int v = 0; v < kTileVectors<T>; ++v) {
      for_each_block(p_, [&](std::int64_t n, auto block) { walk_block<block.value>(i, n, v); });
    }
    put_rows(i);
  }

  /// dy through the gate: y = s silu(z) gives ds = dy silu(z) and dz = s dy silu'(z).
  void read_gradients(const S4dTile<T>& where) {
    for (int t = 0; t < chunk_.count; ++t) {
      const T* dy_row = dy_.row(b_, chunk_.begin + t) + where.channel;
      const T* z_row = p_.z ? p_.z.row(b_, chunk_.begin + t) + where.channel : nullptr;
      for (int v = 0; v < kTileVectors<T>; ++v) {
        const Vec<T> dy = load_part(dy_row, v, where.count);
        ds_[t].v[v] = dy;
        if (!z_row) continue;
        const Vec<T> z = load_part(z_row, v, where.count), gate = sigmoid<T>(z);
        dz_by_s_[t].v[v] = dy * gate * (T(1) + z * (T(1) - gate));
        ds_[t].v[v] = dy * z * gate;
      }
    }
  }

  template <int N>
  void walk_block(std::int64_t i, std::int64_t n, int v) {
    const auto numbers = [&](const TileRow<T>* from, Number(&to)[N]) {
      for (int k = 0; k < N; ++k) to[k] = Problem::number(from, n + k, v);
    };
    const auto put_numbers = [&](const Number(&from)[N], TileRow<T>* to) {
      for (int k = 0; k < N; ++k) Problem::put_number(from[k], to, n + k, v);
    };
    Number decay[N], gain[N], h[N], dgain[N], before[kS4dChunk][N];  // before: h[t-1], 0 at a reset
    numbers(rows(decays_, i), decay);
    numbers(rows(gains_, i), gain);
    numbers(entering_, h);
    std::fill_n(dgain, N, Number{});
    for (int t = 0; t < chunk_.count; ++t) {
      Vec<T> sum{};
      for (int k = 0; k < N; ++k) {
        before[t][k] = chunk_.reset[t] ? Number{} : h[k];
        h[k] = modes::advance<true>(decay[k], before[t][k], chunk_.u[t].v[v]);
        sum = modes::add_product(gain[k], h[k], sum);
        dgain[k] = modes::multiply_add(modes::conj(h[k]), ds_[t].v[v], dgain[k]);
      }
      y_[t].v[v] += sum;
    }
    add_numbers(dgain, rows(dgains_, i), n, v);

    Number carry[N], ddecay[N];
    numbers(rows(carries_, i), carry);
    std::fill_n(ddecay, N, Number{});
    for (int t = chunk_.count - 1; t >= 0; --t) {
      Vec<T> sum{};
      for (int k = 0; k < N; ++k) {
        const Number g = modes::multiply_add(modes::conj(gain[k]), ds_[t].v[v], carry[k]);
        sum += g.re;
        ddecay[k] = modes::multiply_add(modes::conj(before[t][k]), g, ddecay[k]);
        carry[k] = chunk_.reset[t] ? Number{} : modes::retreat<true>(decay[k], g);
      }
      du_[t].v[v] += sum;
    }
    put_numbers(carry, rows(carries_, i));
    add_numbers(ddecay, rows(ddecays_, i), n, v);
  }

  /// Chunk by chunk: smaller errors than one long sum.
  template <int N>
  static void add_numbers(const Number (&x)[N], TileRow<T>* to, std::int64_t n, int v) {
    for (int k = 0; k < N; ++k) {
      Problem::put_number(Problem::number(to, n + k, v) + x[k], to, n + k, v);
    }
  }

  /// The gradients of a chunk's rows, and the tile's sum over them.
  void put_rows(std::int64_t i) {
    const S4dTile<T> where = tile(i);
    const TileRow<T> D = load_row_or_zero(p_.D ? p_.D + where.channel : nullptr, where.count);
    TileRow<T> dD{};
    for (int t = 0; t < chunk_.count; ++t) {
      const std::int64_t at = chunk_.begin + t;
      for (int v = 0; v < kTileVectors<T>; ++v) {
        const Vec<T> u = chunk_.u[t].v[v], ds = ds_[t].v[v];
        dD.v[v] += ds * u;
        if (du_rows_) {
          put_part<T>(args_.du, du_rows_.row(b_, at) + where.channel, v, where.count,
                      du_[t].v[v] + D.v[v] * ds);
        }
        if (dz_rows_) {
          put_part<T>(args_.dz, dz_rows_.row(b_, at) + where.channel, v, where.count,
                      dz_by_s_[t].v[v] * (y_[t].v[v] + D.v[v] * u));
        }
      }
    }
    for (int v = 0; v < kTileVectors<T>; ++v) dD_[i].v[v] += dD.v[v];
  }

  void put_sums(std::int64_t i) const {
    const S4dTile<T> where = tile(i);
    store(ddecays_, i, sums_.ddecay.data(), b_);
    store(dgains_, i, sums_.dgain.data(), b_);
    for (int v = 0; v < kTileVectors<T>; ++v) {
      store_part(sums_.dD.data() + b_ * p_.channels + where.channel, v, where.count, dD_[i].v[v]);
    }
    const Gradient& g = args_.dinitial_state;
    if (!g.wanted()) return;
    T* to = g.tensor.template data<T>() + p_.state_offset(b_, where);
    if (g.accumulates()) {
      TileRow<T> before[kMostS4dRows];
      load_states(to, p_.rows(), where.count, before);
      for (std::int64_t r = 0; r < p_.rows(); ++r) {
        for (int v = 0; v < kTileVectors<T>; ++v) rows(carries_, i)[r].v[v] += before[r].v[v];
      }
    }
    store_states(to, p_.rows(), where.count, rows(carries_, i));
  }

  const Problem& p_;
  const S4dBackward& args_;
  const PartialSums<T>& sums_;
  const Rows<T> dy_, du_rows_, dz_rows_;
  const std::int64_t b_, first_, tiles_;
  TileRows decays_, gains_, carries_, ddecays_, dgains_;
  Scratch<TileRow<T>> dD_;             // [tile]
  TileRow<T> entering_[kMostS4dRows];  // states at the start of the chunk
  S4dChunk<T> chunk_;
  TileRow<T> ds_[kS4dChunk];
  TileRow<T> dz_by_s_[kS4dChunk];            // dz / s
  TileRow<T> y_[kS4dChunk], du_[kS4dChunk];  // sums over modes
};

/// The gradients of dt, A, C and D from the partial sums.
template <class T, bool kComplex>
void put_parameters(const S4dProblem<T, kComplex>& p, const S4dBackward& args,
                    const PartialSums<T>& sums) {
  constexpr int kParts = S4dProblem<T, kComplex>::kParts;
  const auto sum = [&](const Scratch<T>& parts, std::int64_t i, std::int64_t stride) {
    double total = 0;
    for (std::int64_t b = 0; b < p.batch; ++b) total += double{parts[b * stride + i]};
    return total;
  };
  const auto sum_of_mode = [&](const Scratch<T>& parts, std::int64_t i) {
    const std::int64_t stride = p.channels * p.rows();
    return modes::Parameter{sum(parts, i * kParts, stride),
                            kComplex ? sum(parts, i * kParts + 1, stride) : 0.0};
  };
  parallel_for(p.channels, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t channel = begin; channel < end; ++channel) {
      double ddt = 0;
      for (std::int64_t n = 0; n < p.modes; ++n) {
        const std::int64_t i = channel * p.modes + n;
        const modes::Mode mode = mode_of<T>(args.forward, channel, n);
        const modes::Mode::Gradients g = mode.gradients(
            mode.decay_minus_one(), sum_of_mode(sums.ddecay, i), sum_of_mode(sums.dgain, i));
        ddt += g.dt;
        put<T>(args.dA_real, i, g.A.re);
        put<T>(args.dA_imag, i, g.A.im);
        put<T>(args.dC_real, i, g.C.re);
        put<T>(args.dC_imag, i, g.C.im);
      }
      put<T>(args.ddt, channel, ddt);
      put<T>(args.dD, channel, sum(sums.dD, channel, p.channels));
    }
  });
}

template <class T, bool kComplex>
void run_backward(const S4dProblem<T, kComplex>& p, const S4dBackward& args,
                  const ExecutionContext& ctx) {
  const PartialSums<T> sums(p, ctx);
  for_each_slice(p, [&](std::int64_t b, std::int64_t first, std::int64_t tiles) {
    BackwardSlice<T, kComplex>(p, args, sums, ctx, b, first, tiles).run();
  });
  put_parameters(p, args, sums);
}

}  // namespace

void s4d_backward(const S4dBackward& args, const ExecutionContext& ctx) {
  S4dBackward full = args;
  S4dForward& f = full.forward;
  if (!f.chunk_states.defined()) {
    Shape shape{f.u.size(0), (f.u.size(1) + kS4dChunk - 1) / kS4dChunk, f.u.size(2),
                f.A_real.size(1)};
    if (f.A_imag.defined()) shape.push_back(2);
    f.chunk_states = Tensor::empty(shape, f.u.dtype(), ctx.device);
    f.y = f.final_state = Tensor();
    cpu::s4d_forward(f, ctx);
  }
  visit_s4d(f, ctx, [&](const auto& problem) { run_backward(problem, full, ctx); });
}

}  // namespace krait::cpu
