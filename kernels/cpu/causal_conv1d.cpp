// Causal convolution, vectorised over channels, in pieces of kBlockRows positions of one batch
// entry. A row of the output needs w rows of the input; they are found as pointers first ("taps": a
// row of x, of the initial state, or of zeros), so that the arithmetic has no special cases at the
// edges.
//
// Forward: one sweep over whole rows: reads x and writes y once, taps come from cache. Backward,
// per piece and panel of channels: recompute s and ds for the positions of the piece and the w - 1
// after it (kept in 36 kB), and add up dweight and dbias of the piece; then compute dx from ds.
// Scratch: the transposed weights, and w + 1 rows of partial sums per piece.
#include "kernels/causal_conv1d.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/stream/scratch.h"
#include "core/system/parallel.h"
#include "kernels/cpu/vector/rows.h"
#include "kernels/cpu/vector/vector_math.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kBlockRows = 64;
constexpr std::int64_t kPanel = 128;  // channels

template <class T>
T* data_or_null(const Tensor& t) {
  return t.defined() ? t.data<T>() : nullptr;
}

/// The convolution's inputs as pointers. Positions from -(w - 1) on are rows of one extended input.
template <class T>
class ConvInput {
 public:
  ConvInput(const CausalConv1dForward& a, const ExecutionContext& ctx)
      : batch(a.x.size(0)),
        length(a.x.size(1)),
        channels(a.x.size(2)),
        width(a.weight.size(1)),
        silu(a.silu),
        x_(a.x),
        initial_state_(data_or_null<T>(a.initial_state)),
        ids_(data_or_null<std::int32_t>(a.sequence_ids)),
        zeros_(channels, ctx),
        weight_(width * channels, ctx),
        bias_(data_or_null<T>(a.bias)) {
    std::fill_n(zeros_.data(), channels, T(0));
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t k = 0; k < width; ++k) {
        weight_[k * channels + c] = a.weight.data<T>()[c * width + k];
      }
    }
  }

  const std::int64_t batch, length, channels, width;
  const bool silu;

  std::int64_t blocks() const { return ceil_div(length, kBlockRows); }
  /// Whether positions p and t, p <= t, belong to one sequence.
  bool connected(std::int64_t b, std::int64_t p, std::int64_t t) const {
    return !ids_ || ids_[b * length + std::max<std::int64_t>(p, 0)] == ids_[b * length + t];
  }
  /// The row that position t sees at p.
  const T* tap(std::int64_t b, std::int64_t p, std::int64_t t) const {
    if (!connected(b, p, t)) return zeros_.data();
    if (p >= 0) return x_.row(b, p);
    return initial_state_ ? initial_state_ + (b * (width - 1) + p + width - 1) * channels
                          : zeros_.data();
  }
  const T* weight(std::int64_t k) const { return weight_.data() + k * channels; }
  const T* bias() const { return bias_ ? bias_ : zeros_.data(); }

 private:
  const Rows<T> x_;
  const T* initial_state_;
  const std::int32_t* ids_;
  Scratch<T> zeros_, weight_;  // weight_: (w, d)
  const T* bias_;
};

/// Calls f(c, lanes) for registers of channels: with the whole width as a constant, so that the
/// compiler drops the partial loads, and once with the remaining channels.
template <class T, class F>
void for_each_register(std::int64_t begin, std::int64_t end, F&& f) {
  std::int64_t c = begin;
  for (; c + kLanes<T> <= end; c += kLanes<T>) f(c, std::integral_constant<int, kLanes<T>>{});
  if (c < end) f(c, static_cast<int>(end - c));
}

/// What position t sees: the rows of its taps, and the weights for them.
template <class T, int W>
struct Window {
  const T* x[W];
  const T* weight[W];
  const T* bias;

  Window(const ConvInput<T>& in, std::int64_t b, std::int64_t t) : bias(in.bias()) {
    for (int k = 0; k < W; ++k) {
      x[k] = in.tap(b, t - (W - 1) + k, t);
      weight[k] = in.weight(k);
    }
  }
  /// s for the channels [c, c + lanes).
  template <class Lanes>
  Vec<T> convolve(std::int64_t c, Lanes lanes) const {
    Vec<T> s = load(bias + c, lanes);
    for (int k = 0; k < W; ++k) s += load(weight[k] + c, lanes) * load(x[k] + c, lanes);
    return s;
  }
};

template <class T, int W>
void forward_row(const ConvInput<T>& in, std::int64_t b, std::int64_t t, T* y) {
  const Window<T, W> window(in, b, t);
  for_each_register<T>(0, in.channels, [&, silu = in.silu](std::int64_t c, auto lanes) {
    const Vec<T> s = window.convolve(c, lanes);
    store(y + c, silu ? s / (T(1) + exp<T>(-s)) : s, lanes);
  });
}

/// The w - 1 rows before the end, which the next position would see.
template <class T>
void put_final_state(const ConvInput<T>& in, T* final_state) {
  for (std::int64_t b = 0; b < in.batch; ++b) {
    for (std::int64_t j = 0; j < in.width - 1; ++j) {
      const std::int64_t p = in.length - (in.width - 1) + j;
      std::copy_n(in.tap(b, p, in.length - 1), in.channels,
                  final_state + (b * (in.width - 1) + j) * in.channels);
    }
  }
}

/// Pieces per thread task: enough work to be worth starting a task.
std::int64_t piece_grain(std::int64_t length, std::int64_t channels) {
  const std::int64_t elements = std::min(length, kBlockRows) * channels;
  return std::max<std::int64_t>(1, (1 << 14) / elements);
}

template <class T, int W>
void forward(const CausalConv1dForward& args, const ExecutionContext& ctx) {
  const ConvInput<T> in(args, ctx);
  const Rows<T> y(args.y);
  const std::int64_t pieces = in.batch * in.blocks();
  parallel_for(pieces, piece_grain(in.length, in.channels), [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      const std::int64_t b = i / in.blocks(), first = i % in.blocks() * kBlockRows;
      for (std::int64_t t = first; t < std::min(first + kBlockRows, in.length); ++t) {
        forward_row<T, W>(in, b, t, y.row(b, t));
      }
    }
  });
  if (T* final_state = data_or_null<T>(args.final_state)) put_final_state(in, final_state);
}

/// One piece of the backward: positions [begin, end) of batch entry b. The first piece of an entry
/// also has the positions of the initial state.
template <class T, int W>
class BackwardPiece {
 public:
  BackwardPiece(const ConvInput<T>& in, const CausalConv1dBackward& args, std::int64_t index)
      : in_(in),
        args_(args),
        dy_(args.dy),
        b_(index / in.blocks()),
        begin_(index % in.blocks() * kBlockRows),
        end_(std::min(begin_ + kBlockRows, in.length)),
        ds_end_(std::min(end_ + W - 1, in.length)) {}

  /// sums: (w + 1, d), dweight transposed and dbias of this piece.
  void run(T* sums) {
    std::fill_n(sums, (W + 1) * in_.channels, T(0));
    for (std::int64_t c = 0; c < in_.channels; c += kPanel) {
      const std::int64_t panel_end = std::min(c + kPanel, in_.channels);
      for (std::int64_t t = begin_; t < end_; ++t) find_ds<true>(t, c, panel_end, sums);
      for (std::int64_t t = end_; t < ds_end_; ++t) find_ds<false>(t, c, panel_end, sums);
      if (begin_ == 0 && args_.dinitial_state.wanted()) {
        for (std::int64_t p = -(W - 1); p < 0; ++p) {
          T* row =
              args_.dinitial_state.tensor.data<T>() + (b_ * (W - 1) + p + W - 1) * in_.channels;
          put_input_gradient(p, c, panel_end, {row, args_.dinitial_state.accumulates()});
        }
      }
      if (!args_.dx.wanted()) continue;
      const Rows<T> dx(args_.dx.tensor);
      for (std::int64_t p = begin_; p < end_; ++p) {
        put_input_gradient(p, c, panel_end, {dx.row(b_, p), args_.dx.accumulates()});
      }
    }
  }

 private:
  struct Target {
    T* row;
    bool accumulate;
  };

  T* ds_row(std::int64_t t) { return ds_ + (t - begin_) * kPanel; }

  template <bool kOwn>
  void find_ds(std::int64_t t, std::int64_t first, std::int64_t last, T* sums) {
    const Window<T, W> window(in_, b_, t);
    const T* dy = dy_.row(b_, t);
    T* ds_row_t = ds_row(t) - first;
    const auto body = [&, silu = in_.silu, d = in_.channels](std::int64_t c, auto lanes) {
      Vec<T> ds = load(dy + c, lanes);
      if (silu) {
        const Vec<T> s = window.convolve(c, lanes), g = sigmoid<T>(s);
        ds *= g * (T(1) + s * (T(1) - g));
      }
      store(ds_row_t + c, ds);
      if constexpr (kOwn) {
        const auto add = [&](T* sum, const Vec<T>& x) { store(sum, load(sum, lanes) + x, lanes); };
        for (int k = 0; k < W; ++k) add(sums + k * d + c, ds * load(window.x[k] + c, lanes));
        add(sums + W * d + c, ds);
      }
    };
    for_each_register<T>(first, last, body);
  }

  /// The gradient of row p of the extended input: from the positions that see it, and from the
  /// final state.
  void put_input_gradient(std::int64_t p, std::int64_t first, std::int64_t last,
                          const Target& target) {
    std::array<const T*, W> ds{};
    std::array<const T*, W> weight{};
    int count = 0;
    for (std::int64_t t = std::max<std::int64_t>(p, 0); t < std::min(p + W, in_.length); ++t) {
      if (!in_.connected(b_, p, t)) continue;
      ds[static_cast<std::size_t>(count)] = ds_row(t);
      weight[static_cast<std::size_t>(count++)] = in_.weight(p + W - 1 - t);
    }
    const T* dfinal = dfinal_row(p);
    for_each_register<T>(first, last, [&](std::int64_t c, auto lanes) {
      Vec<T> sum = dfinal ? load(dfinal + c, lanes) : Vec<T>{};
      for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
        sum += load(ds[k] + (c - first)) * load(weight[k] + c, lanes);
      }
      if (target.accumulate) sum += load(target.row + c, lanes);
      store(target.row + c, sum, lanes);
    });
  }

  const T* dfinal_row(std::int64_t p) const {
    const std::int64_t j = p - (in_.length - (W - 1));
    if (!args_.dfinal_state.defined() || j < 0 || !in_.connected(b_, p, in_.length - 1)) {
      return nullptr;
    }
    return args_.dfinal_state.data<T>() + (b_ * (W - 1) + j) * in_.channels;
  }

  const ConvInput<T>& in_;
  const CausalConv1dBackward& args_;
  const Rows<T> dy_;
  const std::int64_t b_, begin_, end_, ds_end_;
  alignas(64) T ds_[(kBlockRows + W - 1) * kPanel];
};

/// target[i] (+)= sum over pieces of parts[piece][i], in order; `index` maps i to its place.
template <class T, class Index>
void put_sum(const T* parts, std::int64_t pieces, std::int64_t stride, const Gradient& g,
             Index&& index) {
  if (!g.wanted()) return;
  T* target = g.tensor.data<T>();
  parallel_for(g.tensor.numel(), 256, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T sum = 0;
      for (std::int64_t k = 0; k < pieces; ++k) sum += parts[k * stride + i];
      T& place = target[index(i)];
      place = g.accumulates() ? place + sum : sum;
    }
  });
}

template <class T, int W>
void backward(const CausalConv1dBackward& args, const ExecutionContext& ctx) {
  const ConvInput<T> in(args.forward, ctx);
  const std::int64_t pieces = in.batch * in.blocks(), size = (W + 1) * in.channels;
  const Scratch<T> sums(pieces * size, ctx);
  parallel_for(pieces, piece_grain(in.length, in.channels), [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) BackwardPiece<T, W>(in, args, i).run(sums.data() + i * size);
  });
  put_sum(sums.data(), pieces, size, args.dweight,
          [&](std::int64_t i) { return i % in.channels * W + i / in.channels; });
  put_sum(sums.data() + W * in.channels, pieces, size, args.dbias,
          [](std::int64_t i) { return i; });
}

/// Calls f with an element of the dtype and the width as a constant.
template <class F>
void visit_form(const CausalConv1dForward& a, F&& f) {
  visit_float(a.x.dtype(), "causal_conv1d", [&](auto zero) {
    const auto try_width = [&]<int W>(std::integral_constant<int, W> width) {
      if (a.weight.size(1) == W) f(zero, width);
    };
    [&]<int... I>(std::integer_sequence<int, I...>) {
      (try_width(std::integral_constant<int, I + 1>{}), ...);
    }
    (std::make_integer_sequence<int, 8>{});
  });
}

}  // namespace

void causal_conv1d_forward(const CausalConv1dForward& args, const ExecutionContext& ctx) {
  visit_form(args, [&](auto zero, auto width) {
    forward<decltype(zero), decltype(width)::value>(args, ctx);
  });
}

void causal_conv1d_backward(const CausalConv1dBackward& args, const ExecutionContext& ctx) {
  visit_form(args.forward, [&](auto zero, auto width) {
    backward<decltype(zero), decltype(width)::value>(args, ctx);
  });
}

}  // namespace krait::cpu
