#include "kernels/cpu/selective_scan/backward.h"

namespace krait::cpu {

template <class T>
BackwardSlice<T>::BackwardSlice(const BackwardProblem<T>& problem, std::int64_t unit,
                                const ExecutionContext& ctx)
    : problem_(problem),
      p_(problem.scan),
      b_(unit / (p_.groups * problem.slices)),
      group_(unit / problem.slices % p_.groups),
      slice_(unit % problem.slices),
      first_tile_(group_ * p_.tiles_per_group + slice_ * p_.tiles_per_group / problem.slices),
      tiles_(group_ * p_.tiles_per_group + (slice_ + 1) * p_.tiles_per_group / problem.slices -
             first_tile_),
      A_(tiles_ * p_.states, ctx),
      carry_(tiles_ * p_.states, ctx),
      dA_(tiles_ * p_.states, ctx),
      decays_(tiles_ * p_.states, ctx),
      dD_(tiles_, ctx),
      ddelta_bias_(tiles_, ctx),
      elapsed_(tiles_, ctx),
      dB_(kScanChunk * p_.states, ctx),
      dC_(kScanChunk * p_.states, ctx) {
  for (std::int64_t i = 0; i < tiles_; ++i) {
    load_states(p_.A + tile(i).channel * p_.states, p_.states, tile(i).count,
                A_.data() + i * p_.states);
  }
  find_decays(A_.data(), tiles_ * p_.states, decays_.data());
}

template <class T>
void BackwardSlice<T>::carry_dfinal_state() {
  if (!problem_.dfinal_state) return carry_zero();
  for (std::int64_t i = 0; i < tiles_; ++i) {
    load_states(problem_.dfinal_state + (b_ * p_.channels + tile(i).channel) * p_.states, p_.states,
                tile(i).count, carry() + i * p_.states);
  }
}

template <class T>
void BackwardSlice<T>::run(std::int64_t segment) {
  const std::int64_t begin = problem_.begin(segment), end = problem_.end(segment);
  std::fill_n(dA_.data(), carry_size(), TileRow<T>{});
  std::fill_n(dD_.data(), tiles_, TileRow<T>{});
  std::fill_n(ddelta_bias_.data(), tiles_, TileRow<T>{});
  for (std::int64_t t = begin + (end - begin - 1) / kScanChunk * kScanChunk; t >= begin;
       t -= kScanChunk) {
    std::fill_n(dB_.data(), kScanChunk * p_.states, Vec<T>{});
    std::fill_n(dC_.data(), kScanChunk * p_.states, Vec<T>{});
    for (std::int64_t i = 0; i < tiles_; ++i) walk_tile(i, t, end);
    put_group_sums(t, std::min(t + kScanChunk, end));
  }
  put_tile_sums(segment);
}

template <class T>
void BackwardSlice<T>::run_carry(std::int64_t segment) {
  const std::int64_t begin = problem_.begin(segment), end = problem_.end(segment);
  std::fill_n(elapsed_.data(), tiles_, TileRow<T>{});
  for (std::int64_t t = begin + (end - begin - 1) / kScanChunk * kScanChunk; t >= begin;
       t -= kScanChunk) {
    for (std::int64_t i = 0; i < tiles_; ++i) {
      read_chunk(i, t, end);
      for (int k = 0; k < chunk_.count; ++k) {
        for (int v = 0; v < kTileVectors<T>; ++v) elapsed_[i].v[v] += chunk_.dt[k].v[v];
      }
      for (int v = 0; v < kTileVectors<T>; ++v) {
        for_each_state_block<4>(
            p_.states, [&](std::int64_t n, auto block) { carry_block<block.value>(i, v, n); });
      }
    }
  }
}

template <class T>
void BackwardSlice<T>::add_decayed(const TileRow<T>* leaving, const TileRow<T>* elapsed,
                                   TileRow<T>* sum) const {
  for (std::int64_t i = 0; i < carry_size(); ++i) {
    for (int v = 0; v < kTileVectors<T>; ++v) {
      sum[i].v[v] += decays_[i].at(v).power(elapsed[i / p_.states].v[v]) * leaving[i].v[v];
    }
  }
}

/// Reads a chunk and takes dy through the gate: y = s silu(z) gives ds = dy silu(z) and
/// dz = s dy silu'(z).
template <class T>
void BackwardSlice<T>::read_chunk(std::int64_t i, std::int64_t begin, std::int64_t end) {
  const ScanTile where = tile(i);
  chunk_.read(p_, b_, where, begin, end);
  for (int t = 0; t < chunk_.count; ++t) {
    const T* dy_row = problem_.dy.row(b_, begin + t) + where.channel;
    const T* z_row = p_.z ? p_.z.row(b_, begin + t) + where.channel : nullptr;
    for (int v = 0; v < kTileVectors<T>; ++v) {
      const Vec<T> dy = load_part(dy_row, v, where.count);
      dy_[t].v[v] = dy;
      if (!z_row) continue;
      const Vec<T> z = load_part(z_row, v, where.count), s = sigmoid<T>(z);
      dz_by_y_[t].v[v] = dy * s * (T(1) + z * (T(1) - s));
      dy_[t].v[v] = dy * z * s;
    }
  }
}

template <class T>
void BackwardSlice<T>::walk_tile(std::int64_t i, std::int64_t begin, std::int64_t end) {
  const ScanTile where = tile(i);
  read_chunk(i, begin, end);
  load_states(
      p_.chunk_states +
          ((b_ * p_.chunks() + begin / kScanChunk) * p_.channels + where.channel) * p_.states,
      p_.states, where.count, state_);
  std::fill_n(y_, chunk_.count, TileRow<T>{});
  std::fill_n(ddt_, chunk_.count, TileRow<T>{});
  std::fill_n(ddtu_, chunk_.count, TileRow<T>{});
  for (int v = 0; v < kTileVectors<T>; ++v) {
    for_each_state_block<4>(p_.states,
                            [&](std::int64_t n, auto block) { walk_block<block.value>(i, v, n); });
  }
  put_rows(i);
}

/// Recomputes N states of register v over the chunk, then walks back with their gradients.
template <class T>
template <int N>
void BackwardSlice<T>::walk_block(std::int64_t i, int v, std::int64_t n) {
  // decay = exp(dt A), kept = decay h[t - 1]; both zero at a reset, whatever h[t - 1] is
  Vec<T> decay[kScanChunk][N], kept[kScanChunk][N], h[N];
  Exponent<T> exponent[N];
  for (int k = 0; k < N; ++k) {
    h[k] = state_[n + k].v[v];
    exponent[k] = decays_[i * p_.states + n + k].at(v);
  }
  const T *B = chunk_.B + n, *C = chunk_.C + n;
  for (int t = 0; t < chunk_.count; ++t, B += chunk_.B_stride, C += chunk_.C_stride) {
    const Vec<T> dt = chunk_.dt[t].v[v], dtu = chunk_.dtu[t].v[v];
    Vec<T> sum{};
    for (int k = 0; k < N; ++k) {
      decay[t][k] = chunk_.reset[t] ? Vec<T>{} : exponent[k].power(dt);
      kept[t][k] = chunk_.reset[t] ? Vec<T>{} : decay[t][k] * h[k];
      h[k] = kept[t][k] + dtu * B[k];
      sum += h[k] * C[k];
    }
    y_[t].v[v] += sum;
  }

  const TileRow<T>* A = A_.data() + i * p_.states + n;
  TileRow<T>*carry = carry_.data() + i * p_.states + n, *dA = dA_.data() + i * p_.states + n;
  Vec<T> next[N], dA_sum[N];  // next: the gradient of h[t] through h[t + 1]
  for (int k = 0; k < N; ++k) {
    next[k] = carry[k].v[v];
    dA_sum[k] = Vec<T>{};
  }
  for (int t = chunk_.count - 1; t >= 0; --t) {
    B -= chunk_.B_stride;
    C -= chunk_.C_stride;
    const Vec<T> dt = chunk_.dt[t].v[v], dtu = chunk_.dtu[t].v[v], dy = dy_[t].v[v];
    Vec<T>*dB = dB_.data() + t * p_.states + n, *dC = dC_.data() + t * p_.states + n;
    Vec<T> dtu_sum{}, dt_sum{};
    for (int k = 0; k < N; ++k) {
      const Vec<T> dh = next[k] + dy * C[k];
      const Vec<T> by_decay = dh * kept[t][k];  // gradient of dt A
      dC[k] += dy * (kept[t][k] + dtu * B[k]);
      dB[k] += dh * dtu;
      dtu_sum += dh * B[k];
      dt_sum += by_decay * A[k].v[v];
      dA_sum[k] += by_decay * dt;
      next[k] = chunk_.reset[t] ? Vec<T>{} : dh * decay[t][k];
    }
    ddtu_[t].v[v] += dtu_sum;
    ddt_[t].v[v] += dt_sum;
  }
  for (int k = 0; k < N; ++k) {
    carry[k].v[v] = next[k];
    dA[k].v[v] += dA_sum[k];  // chunk by chunk: smaller errors than one long sum
  }
}

template <class T>
template <int N>
void BackwardSlice<T>::carry_block(std::int64_t i, int v, std::int64_t n) {
  const DecayRow<T>* decays = decays_.data() + i * p_.states + n;
  TileRow<T>* carry = carry_.data() + i * p_.states + n;
  for (int t = chunk_.count - 1; t >= 0; --t) {
    const T* C = chunk_.C + t * chunk_.C_stride + n;
    for (int k = 0; k < N; ++k) {
      const Vec<T> dh = carry[k].v[v] + dy_[t].v[v] * C[k];
      carry[k].v[v] = chunk_.reset[t] ? Vec<T>{} : decays[k].at(v).power(chunk_.dt[t].v[v]) * dh;
    }
  }
}

/// The gradients of a chunk's rows, and the tile's sums over them.
template <class T>
void BackwardSlice<T>::put_rows(std::int64_t i) {
  const ScanTile where = tile(i);
  const TileRow<T> D = load_row_or_zero(at_channel(p_.D, where), where.count);
  TileRow<T> dD{}, dbias{};
  for (int t = 0; t < chunk_.count; ++t) {
    const std::int64_t at = chunk_.begin + t;
    for (int v = 0; v < kTileVectors<T>; ++v) {
      const Vec<T> u = chunk_.u[t].v[v], x = chunk_.x[t].v[v], dy = dy_[t].v[v];
      Vec<T> ddelta = ddt_[t].v[v] + ddtu_[t].v[v] * u;
      if (p_.delta_softplus) ddelta *= x > T(20) ? broadcast(T(1)) : sigmoid<T>(x);
      dD.v[v] += dy * u;
      dbias.v[v] += ddelta;
      problem_.du.put(b_, at, where, v, ddtu_[t].v[v] * chunk_.dt[t].v[v] + D.v[v] * dy);
      problem_.ddelta.put(b_, at, where, v, ddelta);
      if (p_.z) {
        problem_.dz.put(b_, at, where, v, dz_by_y_[t].v[v] * (y_[t].v[v] + D.v[v] * u));
      }
    }
  }
  for (int v = 0; v < kTileVectors<T>; ++v) {
    dD_[i].v[v] += dD.v[v];
    ddelta_bias_[i].v[v] += dbias.v[v];
  }
}

template <class T>
void BackwardSlice<T>::put_group_sums(std::int64_t begin, std::int64_t end) {
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int64_t row = ((slice_ * p_.batch + b_) * p_.length + t) * p_.groups + group_;
    for (std::int64_t n = 0; n < p_.states; ++n) {
      problem_.dB[row * p_.states + n] = sum_lanes<T>(dB_[(t - begin) * p_.states + n]);
      problem_.dC[row * p_.states + n] = sum_lanes<T>(dC_[(t - begin) * p_.states + n]);
    }
  }
}

template <class T>
void BackwardSlice<T>::put_tile_sums(std::int64_t segment) {
  for (std::int64_t i = 0; i < tiles_; ++i) {
    const ScanTile where = tile(i);
    const std::int64_t channel = (b_ * problem_.cut.count + segment) * p_.channels + where.channel;
    store_states(problem_.dA + channel * p_.states, p_.states, where.count,
                 dA_.data() + i * p_.states);
    for (int v = 0; v < kTileVectors<T>; ++v) {
      store_part(problem_.dD + channel, v, where.count, dD_[i].v[v]);
      store_part(problem_.ddelta_bias + channel, v, where.count, ddelta_bias_[i].v[v]);
    }
    if (segment == 0) {
      store_states(problem_.dinitial_state + (b_ * p_.channels + where.channel) * p_.states,
                   p_.states, where.count, carry() + i * p_.states);
    }
  }
}

template class BackwardSlice<float>;
template class BackwardSlice<double>;

}  // namespace krait::cpu
