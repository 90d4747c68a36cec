// Causal convolution, forward. Layout and thread map: kernels/cuda/causal_conv1d/conv.cuh. An
// element of bf16 costs 2 bytes read and 2 written, plus (taps - 1) / run of a read, mostly from
// cache; nothing is saved. The warp with the last run of a batch entry copies its final state.
#include "kernels/cuda/causal_conv1d/conv.cuh"

namespace krait::cuda {
namespace {

template <class T>
struct ConvForwardTask {
  ConvInput<T> in;
  ConvPlan plan;
  std::int64_t batch;
  ConvRows<T> y;
  T* final_state;  // (b, w - 1, d) or null
};

/// The w - 1 rows before the end, which the next position would see.
template <class Form>
__device__ void put_final_state(const ConvForwardTask<typename Form::T>& a,
                                const ConvPlace& place) {
  using T = typename Form::T;
  using Vector = ConvVector<T, Form::kVector>;
  const ConvInput<T>& in = a.in;
  const std::int32_t last_id = in.id(place.b, in.length - 1);
  for (std::int64_t p = in.length - (in.width - 1); p < in.length; ++p) {
    Vector row;
    if (in.id(place.b, p) == last_id) {
      row = in.template row<Form::kVector>(place.b, p, place.channel);
    }
    // in.length rows further back, the offset is that of a state
    row.store(a.final_state + in.state_offset(place.b, p - in.length, place.channel));
  }
}

/// Blocks per multiprocessor, chosen so that a thread has the registers it needs: 128 or 168.
template <class Form>
inline constexpr int kForwardBlocks = Form::kTaps == 4 || Form::kVector == 1 ? 4 : 3;

template <class Form>
__global__ void __launch_bounds__(kConvThreads, kForwardBlocks<Form>)
    causal_conv1d_forward_kernel(const ConvForwardTask<typename Form::T> a) {
  using T = typename Form::T;
  constexpr int kTaps = Form::kTaps, kVector = Form::kVector;
  using Vector = ConvVector<T, kVector>;
  const ConvInput<T>& in = a.in;
  const ConvPlace place = conv_place<Form>(a.plan, a.batch, in.length, in.channels);
  const T* from = in.x.at(place.b, place.begin, place.channel);
  Vector next[kTaps];
  std::int32_t next_id[kTaps];
  const auto load = [&](int slot, int t) {
    if (t >= place.count) return;
    next[slot] = Vector::load(from);
    from += in.x.row_stride;
    next_id[slot] = Form::kIds ? in.id(place.b, place.begin + t) : 0;
  };
  ConvWindow<Form> window;
  if (place.works) {  // before the weights, which take longer to arrive
#pragma unroll
    for (int i = 0; i < kTaps; ++i) load(i, i);
    window.fill(in, place);
  }
  float weight[kTaps][kVector];
  load_weights<Form>(in, place, weight);
  if (!place.works) return;
  float bias[kVector];
  load_bias<Form>(in, place.channel, bias);

  T* to = a.y.at(place.b, place.begin, place.channel);
  for (int t = 0; t < place.count; t += kTaps) {
#pragma unroll
    for (int i = 0; i < kTaps; ++i) {
      if (t + i >= place.count) break;
      window.put(i, next[i], next_id[i]);
      load(i, t + i + kTaps);
      float s[kVector];
      window.convolve(in, i, weight, bias, s);
      if (in.silu) {
#pragma unroll
        for (int c = 0; c < kVector; ++c) s[c] *= conv_sigmoid<T>(s[c]);
      }
      Vector::of(s).store(to);
      to += a.y.row_stride;
    }
  }
  if (a.final_state != nullptr && place.begin + place.count == in.length) {
    put_final_state<Form>(a, place);
  }
}

template <class T>
void forward(const CausalConv1dForward& args, const ExecutionContext& ctx) {
  constexpr int kWidest = 16 / static_cast<int>(sizeof(T));
  visit_conv_form<T, kWidest>(
      args, {args.x, args.initial_state, args.y, args.final_state}, [&](auto form) {
        using Form = decltype(form);
        const ConvForwardTask<T> task{.in = conv_input<T>(args),
                                      .plan = conv_plan_of<Form>(args, kForwardBlocks<Form>),
                                      .batch = args.x.size(0),
                                      .y = conv_rows<T>(args.y),
                                      .final_state = device_data<T>(args.final_state)};
        causal_conv1d_forward_kernel<Form>
            <<<static_cast<unsigned>(task.plan.blocks()), kConvThreads, 0, stream_of(ctx)>>>(task);
        KRAIT_CUDA_CHECK_LAUNCH("causal_conv1d_forward");
      });
}

}  // namespace

void causal_conv1d_forward(const CausalConv1dForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "causal_conv1d",
                     [&](auto zero) { forward<decltype(zero)>(args, ctx); });
}

}  // namespace krait::cuda
