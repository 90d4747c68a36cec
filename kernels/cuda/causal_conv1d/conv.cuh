// What the forward and the backward of the causal convolution share.
//
// Layout: (b, l, d), channels contiguous. A thread has kVector neighbouring channels of one run of
// positions and walks forward through them, so that its warp touches 32 * kVector channels of one
// row at a time. A block is 4 warps with 4 runs in turn of the same channels; blocks count through
// the channels first. A thread has the next kTaps rows in flight. The last kTaps inputs stay in
// registers: every input is read once, and kTaps - 1 more of each run.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "kernels/causal_conv1d.h"
#include "kernels/cuda/causal_conv1d/plan.h"
#include "kernels/cuda/device/launch.cuh"

namespace krait::cuda {

/// A kernel's shape. kTaps positions are kept; a width below that, which only kAnyWidth allows, has
/// the last of them. kIds: sequence ids are given.
template <class Element, int kTapsOfForm, int kVectorOfForm, bool kHasIds, bool kIsAnyWidth>
struct ConvForm {
  using T = Element;
  static constexpr int kTaps = kTapsOfForm, kVector = kVectorOfForm;
  static constexpr bool kIds = kHasIds, kAnyWidth = kIsAnyWidth;
  /// Some taps may not be seen.
  static constexpr bool kMasked = kIds || kAnyWidth;
};

/// Channels that a thread moves with one access, kept as they lie in memory: bf16 in pairs.
template <class T, int kVector>
struct alignas(sizeof(T) * kVector) ConvVector {
  static constexpr bool kHalf = sizeof(T) == 2;
  using Word = std::conditional_t<kHalf && kVector == 1, std::uint16_t, std::uint32_t>;
  static constexpr int kPerWord = kHalf && kVector > 1 ? 2 : 1;
  Word words[kVector / kPerWord] = {};

  __device__ float operator[](int i) const {
    const std::uint32_t word = words[i / kPerWord];
    if constexpr (!kHalf) return __uint_as_float(word);
    return __uint_as_float(i % kPerWord == 0 ? word << 16 : word & 0xffff0000u);
  }
  __device__ static ConvVector of(const float (&x)[kVector]) {
    ConvVector out;
#pragma unroll
    for (int i = 0; i < kVector / kPerWord; ++i) {
      if constexpr (!kHalf) {
        out.words[i] = __float_as_uint(x[i]);
      } else if constexpr (kPerWord == 1) {
        out.words[i] = __bfloat16_as_ushort(__float2bfloat16_rn(x[i]));
      } else {
        const __nv_bfloat162 pair = __floats2bfloat162_rn(x[2 * i], x[2 * i + 1]);
        out.words[i] = *reinterpret_cast<const std::uint32_t*>(&pair);
      }
    }
    return out;
  }
  __device__ static ConvVector load(const T* from) {
    return *reinterpret_cast<const ConvVector*>(from);
  }
  __device__ void store(T* to) const {
    *reinterpret_cast<ConvVector*>(to) = *this;
  }
};

/// Rows (b, t) of channels, dense in those.
template <class T>
struct ConvRows {
  T* data = nullptr;
  std::int64_t batch_stride = 0, row_stride = 0;

  __device__ T* at(std::int64_t b, std::int64_t t, std::int64_t c) const {
    return data + b * batch_stride + t * row_stride + c;
  }
};
template <class T>
ConvRows<T> conv_rows(const Tensor& t) {
  if (!t.defined()) return {};
  return {.data = device_data<std::remove_const_t<T>>(t),
          .batch_stride = t.stride(0),
          .row_stride = t.stride(1)};
}

/// The inputs of both directions.
template <class T>
struct ConvInput {
  ConvRows<const T> x;
  const float* weight;      // (d, w)
  const float* bias;        // (d) or null
  const T* initial_state;   // (b, w - 1, d) or null
  const std::int32_t* ids;  // (b, l) or null
  std::int64_t length, channels;
  int width;
  bool silu;

  /// Offset of row p, -(w - 1) <= p < 0, of the initial state or its gradient.
  __device__ std::int64_t state_offset(std::int64_t b, std::int64_t p, std::int64_t c) const {
    return (b * (width - 1) + p + width - 1) * channels + c;
  }
  /// The id that row p of the extended input has.
  __device__ std::int32_t id(std::int64_t b, std::int64_t p) const {
    return ids != nullptr ? ids[b * length + (p > 0 ? p : 0)] : 0;
  }
  /// Row p < l of the extended input: x, the initial state before it, zeros before that.
  template <int kVector>
  __device__ ConvVector<T, kVector> row(std::int64_t b, std::int64_t p, std::int64_t c) const {
    using Vector = ConvVector<T, kVector>;
    if (p >= 0) return Vector::load(x.at(b, p, c));
    if (initial_state == nullptr || p < 1 - width) return {};
    return Vector::load(initial_state + state_offset(b, p, c));
  }
};
template <class T>
ConvInput<T> conv_input(const CausalConv1dForward& a) {
  return {.x = conv_rows<const T>(a.x),
          .weight = device_data<float>(a.weight),
          .bias = device_data<float>(a.bias),
          .initial_state = device_data<T>(a.initial_state),
          .ids = a.sequence_ids.defined() ? a.sequence_ids.data<std::int32_t>() : nullptr,
          .length = a.x.size(1),
          .channels = a.x.size(2),
          .width = static_cast<int>(a.weight.size(1)),
          .silu = a.silu};
}

/// Where a thread works: `count` positions of batch entry b from `begin` on, channels from
/// `channel` on.
struct ConvPlace {
  std::int64_t tile_channel, channel, b, begin;
  int count;
  bool works;  // there are such positions and channels
};
template <class Form>
__device__ ConvPlace conv_place(const ConvPlan& plan, std::int64_t batch, std::int64_t length,
                                std::int64_t channels) {
  const std::int64_t block = blockIdx.x;
  const std::int64_t run = block / plan.channel_tiles * kConvWarps + threadIdx.x / 32;
  ConvPlace p;
  p.tile_channel = block % plan.channel_tiles * (32 * Form::kVector);
  p.channel = p.tile_channel + threadIdx.x % 32 * Form::kVector;
  p.b = run / plan.runs;
  p.begin = run % plan.runs * plan.run;
  p.count = static_cast<int>(p.begin + plan.run < length ? plan.run : length - p.begin);
  p.works = p.b < batch && p.channel < channels;
  return p;
}

/// weight[k][i]: tap k of the thread's channel i; zeros before the width's. Through shared memory,
/// because the taps of a channel lie side by side. All threads of the block come here.
template <class Form>
__device__ void load_weights(const ConvInput<typename Form::T>& in, const ConvPlace& place,
                             float (&weight)[Form::kTaps][Form::kVector]) {
  constexpr int kTaps = Form::kTaps, kVector = Form::kVector;
  __shared__ float staged[kTaps * kVector][33];  // 33: neither side has bank conflicts
  const int width = Form::kAnyWidth ? in.width : kTaps;
  const float* from = in.weight + place.tile_channel * width;
  for (int e = static_cast<int>(threadIdx.x); e < 32 * kVector * width; e += kConvThreads) {
    const int channel = e / width, k = e % width + kTaps - width;
    if (place.tile_channel + channel >= in.channels) break;
    staged[k * kVector + channel % kVector][channel / kVector] = from[e];
  }
  __syncthreads();
  if (!place.works) return;
#pragma unroll
  for (int k = 0; k < kTaps; ++k) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      weight[k][i] = k >= kTaps - width ? staged[k * kVector + i][threadIdx.x % 32] : 0.0f;
    }
  }
}

/// The last kTaps rows of the extended input, in registers: that of position t in slot (t - begin)
/// mod kTaps, so that nothing moves. `now` is the slot of the position that looks back.
template <class Form>
struct ConvWindow {
  static constexpr int kTaps = Form::kTaps, kVector = Form::kVector;
  float x[kTaps][kVector];
  std::int32_t id[kTaps];

  /// The rows before the run.
  __device__ void fill(const ConvInput<typename Form::T>& in, const ConvPlace& place) {
#pragma unroll
    for (int j = 1; j < kTaps; ++j) {
      const std::int64_t p = place.begin - kTaps + j;
      put(j, in.template row<kVector>(place.b, p, place.channel),
          Form::kIds || Form::kAnyWidth ? in.id(place.b, p) : 0);
    }
    id[0] = id[1];  // not looked at before it is put
  }
  __device__ void put(int slot, const ConvVector<typename Form::T, kVector>& row,
                      std::int32_t row_id) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) x[slot][i] = row[i];
    id[slot] = row_id;
  }
  /// The slot of tap k.
  __device__ static constexpr int slot_of(int now, int k) {
    return (now + 1 + k) % kTaps;
  }
  /// Whether tap k is seen.
  __device__ bool sees(const ConvInput<typename Form::T>& in, int now, int k) const {
    if (Form::kAnyWidth && k < kTaps - in.width) return false;
    return !Form::kMasked || id[slot_of(now, k)] == id[now];
  }
  /// Tap k of channel i: zero if it is not seen, whatever is there.
  __device__ float tap(int now, int k, int i, bool seen) const {
    return !Form::kMasked || seen ? x[slot_of(now, k)][i] : 0.0f;
  }
  /// s of the position.
  __device__ void convolve(const ConvInput<typename Form::T>& in, int now,
                           const float (&weight)[kTaps][kVector], const float (&bias)[kVector],
                           float (&s)[kVector]) const {
#pragma unroll
    for (int i = 0; i < kVector; ++i) s[i] = bias[i];
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
      const bool seen = sees(in, now, k);
#pragma unroll
      for (int i = 0; i < kVector; ++i) s[i] += weight[k][i] * tap(now, k, i, seen);
    }
  }
};

template <class Form>
__device__ void load_bias(const ConvInput<typename Form::T>& in, std::int64_t channel,
                          float (&bias)[Form::kVector]) {
#pragma unroll
  for (int i = 0; i < Form::kVector; ++i) {
    bias[i] = in.bias != nullptr ? in.bias[channel + i] : 0.0f;
  }
}

/// 1 / (1 + e^-s): to the last place for f32; with the processor's own exponential, good to 2^-20,
/// for what is rounded to bf16.
template <class T>
__device__ float conv_sigmoid(float s) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return 1.0f / (1.0f + expf(-s));
  } else {
    return __fdividef(1.0f, 1.0f + __expf(-s));
  }
}

/// Whether accesses of `vector` channels are aligned in all of these.
template <class T>
bool conv_takes_vectors(int vector, std::int64_t channels, std::initializer_list<Tensor> tensors) {
  const auto fits = [&](std::int64_t elements) { return elements % vector == 0; };
  bool fit = fits(channels);
  for (const Tensor& t : tensors) {
    if (!t.defined()) continue;
    fit = fit && reinterpret_cast<std::uintptr_t>(device_data<T>(t)) % (sizeof(T) * vector) == 0;
    for (int i = 0; i < t.rank() - 1; ++i) fit = fit && (t.size(i) <= 1 || fits(t.stride(i)));
  }
  return fit;
}

/// Calls f with the form for these tensors: width 4 in the widest vectors if these are aligned,
/// else any width, in vectors of 4 if those are.
template <class T, int kWidest, class F>
void visit_conv_form(const CausalConv1dForward& a, std::initializer_list<Tensor> tensors, F&& f) {
  const std::int64_t channels = a.x.size(2);
  if (a.weight.size(1) == 4 && conv_takes_vectors<T>(kWidest, channels, tensors)) {
    if (a.sequence_ids.defined()) {
      f(ConvForm<T, 4, kWidest, true, false>());
    } else {
      f(ConvForm<T, 4, kWidest, false, false>());
    }
  } else if (conv_takes_vectors<T>(4, channels, tensors)) {
    f(ConvForm<T, 8, 4, true, true>());
  } else {
    f(ConvForm<T, 8, 1, true, true>());
  }
}

/// `resident_blocks` of the kernel on a multiprocessor.
template <class Form>
ConvPlan conv_plan_of(const CausalConv1dForward& a, int resident_blocks) {
  return conv_plan({.batch = a.x.size(0),
                    .length = a.x.size(1),
                    .channels = a.x.size(2),
                    .vector = Form::kVector,
                    .taps = Form::kTaps},
                   multiprocessors(), resident_blocks);
}

}  // namespace krait::cuda
