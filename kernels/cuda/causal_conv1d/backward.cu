// Causal convolution, backward. Layout and thread map: kernels/cuda/causal_conv1d/conv.cuh. An
// element of bf16 costs 4 bytes read (x, dy) and 2 written (dx). s is recomputed, and so is ds for
// the taps - 1 positions after a run, whose x and dy are read a second time, because dx[p] needs
// them. dweight and dbias are added up in registers over a run, in shared memory over a block's
// four, and over blocks by a second kernel, from (w + 1) rows of f32 per block that are 4 (w + 1) /
// (4 run) bytes per element. The order of all additions depends only on the layout.
#include "core/stream/scratch.h"
#include "kernels/cuda/causal_conv1d/conv.cuh"

namespace krait::cuda {
namespace {

/// A gradient that is written or added to.
template <class T>
struct ConvTarget {
  T* data = nullptr;  // null: not wanted
  bool accumulates = false;
};
template <class T>
ConvTarget<T> conv_target(const Gradient& g) {
  if (!g.wanted()) return {};
  return {.data = device_data<T>(g.tensor), .accumulates = g.accumulates()};
}

template <class T>
struct ConvBackwardTask {
  ConvInput<T> in;
  ConvPlan plan;
  std::int64_t batch;
  ConvRows<const T> dy;
  const T* dfinal_state;  // (b, w - 1, d) or null
  ConvRows<T> dx;         // null: not wanted
  bool dx_accumulates;
  ConvTarget<T> dinitial_state;
  float* sums;  // (run_blocks, w + 1, d), dweight transposed and dbias, or null
};

/// What a thread adds up over its run.
template <class Form>
struct ConvSums {
  float dweight[Form::kTaps][Form::kVector] = {};
  float dbias[Form::kVector] = {};
};

/// The walk of one thread. ds keeps the last kTaps like the window of x.
template <class Form>
class ConvBackwardWalk {
 public:
  using T = typename Form::T;
  static constexpr int kTaps = Form::kTaps, kVector = Form::kVector;
  using Vector = ConvVector<T, kVector>;

  __device__ ConvBackwardWalk(const ConvBackwardTask<T>& task, const ConvPlace& place)
      : a_(task), place_(place) {}

  /// Sets out the loads of the first rows.
  __device__ void start() {
    const ConvInput<T>& in = a_.in;
    const std::int64_t rest = in.length - place_.begin;
    ds_count_ = rest < place_.count + kTaps - 1 ? static_cast<int>(rest) : place_.count + kTaps - 1;
    x_ = in.x.at(place_.b, place_.begin, place_.channel);
    dy_ = a_.dy.at(place_.b, place_.begin, place_.channel);
#pragma unroll
    for (int i = 0; i < kTaps; ++i) load(i, i);
    window_.fill(in, place_);
    load_bias<Form>(in, place_.channel, bias_);
    if (a_.dx.data != nullptr) dx_ = a_.dx.at(place_.b, place_.begin, place_.channel);
  }

  __device__ void run(const float (&weight)[kTaps][kVector], ConvSums<Form>& sums) {
    const int stop = place_.count + kTaps - 1;
    for (int t = 0; t < stop; t += kTaps) {
#pragma unroll
      for (int i = 0; i < kTaps; ++i) {
        if (t + i >= stop) break;
        if (t + i < ds_count_) {
          window_.put(i, next_x_[i], next_id_[i]);
          const Vector dy = next_dy_[i];
          load(i, t + i + kTaps);
          find_ds(i, dy, weight);
          if (t + i < place_.count) add_sums(i, sums);
        } else {
#pragma unroll
          for (int c = 0; c < kVector; ++c) ds_[i][c] = 0.0f;
        }
        put_input_gradient(i, t + i - (kTaps - 1), weight);
      }
    }
  }

 private:
  __device__ void load(int slot, int t) {
    if (t >= ds_count_) return;
    next_x_[slot] = Vector::load(x_);
    next_dy_[slot] = Vector::load(dy_);
    x_ += a_.in.x.row_stride;
    dy_ += a_.dy.row_stride;
    next_id_[slot] = Form::kIds ? a_.in.id(place_.b, place_.begin + t) : 0;
  }

  __device__ void find_ds(int now, const Vector& dy, const float (&weight)[kTaps][kVector]) {
    float s[kVector];
    if (a_.in.silu) window_.convolve(a_.in, now, weight, bias_, s);
#pragma unroll
    for (int c = 0; c < kVector; ++c) {
      float ds = dy[c];
      if (a_.in.silu) {
        const float g = conv_sigmoid<T>(s[c]);
        ds *= g * (1.0f + s[c] * (1.0f - g));
      }
      ds_[now][c] = ds;
    }
  }

  __device__ void add_sums(int now, ConvSums<Form>& sums) const {
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
      const bool seen = window_.sees(a_.in, now, k);
#pragma unroll
      for (int c = 0; c < kVector; ++c) {
        sums.dweight[k][c] += ds_[now][c] * window_.tap(now, k, c, seen);
      }
    }
#pragma unroll
    for (int c = 0; c < kVector; ++c) sums.dbias[c] += ds_[now][c];
  }

  /// The gradient of the row at `p` positions from the run's begin, which p + kTaps - 1, in slot
  /// `now`, is the last to see: from all that see it, and from the final state. Rows before the run
  /// are others', but those of the initial state are the first run's.
  __device__ void put_input_gradient(int now, int p, const float (&weight)[kTaps][kVector]) {
    if (p < 0) {
      const bool wanted = a_.dinitial_state.data != nullptr && place_.begin == 0;
      if (!wanted || p < 1 - a_.in.width) return;
      put(now, p, weight, a_.dinitial_state.data + a_.in.state_offset(place_.b, p, place_.channel),
          a_.dinitial_state.accumulates);
    } else if (dx_ != nullptr) {
      put(now, p, weight, dx_, a_.dx_accumulates);
      dx_ += a_.dx.row_stride;
    }
  }

  __device__ void put(int now, int p, const float (&weight)[kTaps][kVector], T* to,
                      bool accumulate) const {
    const std::int32_t id = window_.id[ConvWindow<Form>::slot_of(now, 0)];  // row p's
    float sum[kVector] = {};
    // dx[p] = sum_j weight[taps - 1 - j] ds[p + j]
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      const int slot = ConvWindow<Form>::slot_of(now, j);
      const bool sees =
          !Form::kMasked || (window_.id[slot] == id && (!Form::kAnyWidth || j < a_.in.width));
#pragma unroll
      for (int c = 0; c < kVector; ++c) {
        sum[c] += weight[kTaps - 1 - j][c] * (sees ? ds_[slot][c] : 0.0f);
      }
    }
    const std::int64_t from_end = place_.begin + p - a_.in.length;
    if (a_.dfinal_state != nullptr && from_end > -a_.in.width) add_final(from_end, id, sum);
    if (accumulate) add(Vector::load(to), sum);
    Vector::of(sum).store(to);
  }

  /// What a row of the final state hands on to the row that it is a copy of.
  __device__ void add_final(std::int64_t from_end, std::int32_t id, float (&sum)[kVector]) const {
    if (Form::kMasked && id != a_.in.id(place_.b, a_.in.length - 1)) return;
    add(Vector::load(a_.dfinal_state + a_.in.state_offset(place_.b, from_end, place_.channel)),
        sum);
  }

  __device__ static void add(const Vector& x, float (&sum)[kVector]) {
#pragma unroll
    for (int c = 0; c < kVector; ++c) sum[c] += x[c];
  }

  const ConvBackwardTask<T>& a_;
  const ConvPlace& place_;
  float bias_[kVector];
  ConvWindow<Form> window_;
  float ds_[kTaps][kVector] = {};
  int ds_count_ = 0;  // positions whose ds is needed, also after the run
  const T* x_ = nullptr;
  const T* dy_ = nullptr;
  T* dx_ = nullptr;  // the next row to write
  Vector next_x_[kTaps], next_dy_[kTaps];
  std::int32_t next_id_[kTaps];
};

/// Adds up the block's four runs and stores the (w + 1) rows of sums for its channels.
template <class Form>
__device__ void store_sums(const ConvBackwardTask<typename Form::T>& a, const ConvPlace& place,
                           const ConvSums<Form>& sums) {
  constexpr int kTaps = Form::kTaps, kChannels = 32 * Form::kVector;
  __shared__ float parts[kConvWarps][kTaps + 1][kChannels];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int c = 0; c < Form::kVector; ++c) {
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
      parts[warp][k][lane * Form::kVector + c] = sums.dweight[k][c];
    }
    parts[warp][kTaps][lane * Form::kVector + c] = sums.dbias[c];
  }
  __syncthreads();
  const int width = Form::kAnyWidth ? a.in.width : kTaps;
  const std::int64_t run_block = blockIdx.x / a.plan.channel_tiles;
  for (int e = static_cast<int>(threadIdx.x); e < (width + 1) * kChannels; e += kConvThreads) {
    const int row = e / kChannels, channel = e % kChannels;
    if (place.tile_channel + channel >= a.in.channels) continue;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kConvWarps; ++w) sum += parts[w][kTaps - width + row][channel];
    a.sums[(run_block * (width + 1) + row) * a.in.channels + place.tile_channel + channel] = sum;
  }
}

/// Blocks per multiprocessor, chosen so that a thread has the registers it needs: 128, 168 or 255.
template <class Form>
inline constexpr int kBackwardBlocks = Form::kVector == 1              ? 4
                                       : Form::kTaps == 8              ? 2
                                       : sizeof(typename Form::T) == 2 ? 4
                                                                       : 3;

template <class Form>
__global__ void __launch_bounds__(kConvThreads, kBackwardBlocks<Form>)
    causal_conv1d_backward_kernel(const ConvBackwardTask<typename Form::T> a) {
  const ConvPlace place = conv_place<Form>(a.plan, a.batch, a.in.length, a.in.channels);
  ConvBackwardWalk<Form> walk(a, place);
  if (place.works) walk.start();  // before the weights, which take longer to arrive
  float weight[Form::kTaps][Form::kVector];
  load_weights<Form>(a.in, place, weight);
  ConvSums<Form> sums;
  if (place.works) walk.run(weight, sums);
  if (a.sums != nullptr) store_sums<Form>(a, place, sums);
}

/// Columns of sums, and threads that share one of them, in a block.
constexpr int kSumColumns = 32, kSumRows = 16;

struct ConvSumTask {
  const float* parts;  // (count, w + 1, d)
  std::int64_t count, channels;
  int width;
  ConvTarget<float> dweight, dbias;
};

/// dweight and dbias from the blocks' sums: thread (x, y) adds every 16th of column x, then the 16
/// are added in turn.
__global__ void __launch_bounds__(kSumColumns* kSumRows)
    causal_conv1d_sum_kernel(const ConvSumTask a) {
  __shared__ float shares[kSumRows][kSumColumns];
  const std::int64_t columns = (a.width + 1) * a.channels;
  const std::int64_t column = std::int64_t{blockIdx.x} * kSumColumns + threadIdx.x;
  float sum = 0;
  if (column < columns) {
#pragma unroll 4
    for (std::int64_t i = threadIdx.y; i < a.count; i += kSumRows) {
      sum += a.parts[i * columns + column];
    }
  }
  shares[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= columns) return;
  for (int y = 1; y < kSumRows; ++y) sum += shares[y][threadIdx.x];
  const std::int64_t row = column / a.channels, channel = column % a.channels;
  const bool is_bias = row == a.width;
  float* to = is_bias ? a.dbias.data : a.dweight.data;
  if (to == nullptr) return;
  to += is_bias ? channel : channel * a.width + row;
  *to = (is_bias ? a.dbias.accumulates : a.dweight.accumulates) ? *to + sum : sum;
}

void add_up_sums(const ConvSumTask& task, const ExecutionContext& ctx) {
  const auto blocks =
      static_cast<unsigned>(ceil_div((task.width + 1) * task.channels, kSumColumns));
  causal_conv1d_sum_kernel<<<blocks, dim3(kSumColumns, kSumRows), 0, stream_of(ctx)>>>(task);
  KRAIT_CUDA_CHECK_LAUNCH("causal_conv1d_sum");
}

template <class Form>
void backward(const CausalConv1dBackward& args, const ExecutionContext& ctx) {
  using T = typename Form::T;
  const CausalConv1dForward& f = args.forward;
  const ConvInput<T> in = conv_input<T>(f);
  const ConvPlan plan = conv_plan_of<Form>(f, kBackwardBlocks<Form>);
  const bool wants_sums = args.dweight.wanted() || args.dbias.wanted();
  const Scratch<float> sums(wants_sums ? plan.run_blocks * (in.width + 1) * in.channels : 0, ctx);
  const ConvBackwardTask<T> task{
      .in = in,
      .plan = plan,
      .batch = f.x.size(0),
      .dy = conv_rows<const T>(args.dy),
      .dfinal_state = device_data<T>(args.dfinal_state),
      .dx = args.dx.wanted() ? conv_rows<T>(args.dx.tensor) : ConvRows<T>(),
      .dx_accumulates = args.dx.accumulates(),
      .dinitial_state = conv_target<T>(args.dinitial_state),
      .sums = wants_sums ? sums.data() : nullptr};
  causal_conv1d_backward_kernel<Form>
      <<<static_cast<unsigned>(plan.blocks()), kConvThreads, 0, stream_of(ctx)>>>(task);
  KRAIT_CUDA_CHECK_LAUNCH("causal_conv1d_backward");
  if (!wants_sums) return;
  add_up_sums({.parts = sums.data(),
               .count = plan.run_blocks,
               .channels = in.channels,
               .width = in.width,
               .dweight = conv_target<float>(args.dweight),
               .dbias = conv_target<float>(args.dbias)},
              ctx);
}

/// The tensor of a gradient that is wanted.
Tensor tensor_of(const Gradient& g) {
  return g.wanted() ? g.tensor : Tensor();
}

}  // namespace

void causal_conv1d_backward(const CausalConv1dBackward& args, const ExecutionContext& ctx) {
  const CausalConv1dForward& f = args.forward;
  visit_device_float(f.x.dtype(), "causal_conv1d", [&](auto zero) {
    // 4 channels of a thread, in bf16 too: with 8, the sums would leave no registers for loads.
    visit_conv_form<decltype(zero), 4>(f,
                                       {f.x, f.initial_state, args.dy, args.dfinal_state,
                                        tensor_of(args.dx), tensor_of(args.dinitial_state)},
                                       [&](auto form) { backward<decltype(form)>(args, ctx); });
  });
}

}  // namespace krait::cuda
