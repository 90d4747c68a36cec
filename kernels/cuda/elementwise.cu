// Unary functions, their backward, and broadcast arithmetic. Layout, block and thread map:
// strided.cuh; unary tensors are one long row. Bytes an element, of size s: unary_forward reads s
// and writes s, unary_backward reads 2 s and writes s, binary_forward reads 2 s and writes s (an
// operand that is repeated along the columns is read once a thread); accumulating reads another s.
// Nothing is kept from forward: backward computes the derivative from x.
//
// Which function it is is decided in the kernel, once a vector: the same branch for all threads,
// and one kernel to compile instead of eleven. Arithmetic is f32, rounded once to the tensor's
// type.
#include "kernels/cuda/device/strided.cuh"
#include "kernels/visit_unary.h"

namespace krait::cuda {
namespace {

/// 1 / (1 + exp(-x)); __fdividef is off by 2 units in the last place and gives 0 where the
/// result would be below 2^-126.
__device__ float sigmoid(float x) {
  return __fdividef(1.0f, 1.0f + expf(-x));
}
/// The derivative of the sigmoid, without cancellation.
__device__ float sigmoid_slope(float x) {
  const float e = expf(-fabsf(x));
  return __fdividef(e, (1.0f + e) * (1.0f + e));
}

/// The functions: value(x), and slope(x) = value'(x).
struct Functions {
  struct Neg {
    __device__ static float value(float x) { return -x; }
    __device__ static float slope(float) { return -1.0f; }
  };
  struct Exp {
    __device__ static float value(float x) { return expf(x); }
    __device__ static float slope(float x) { return expf(x); }
  };
  struct Log {
    __device__ static float value(float x) { return logf(x); }
    __device__ static float slope(float x) { return 1.0f / x; }
  };
  struct Sqrt {
    __device__ static float value(float x) { return sqrtf(x); }
    __device__ static float slope(float x) { return 0.5f / sqrtf(x); }
  };
  struct Square {
    __device__ static float value(float x) { return x * x; }
    __device__ static float slope(float x) { return x + x; }
  };
  struct Tanh {
    __device__ static float value(float x) { return tanhf(x); }
    __device__ static float slope(float x) { return 4.0f * sigmoid_slope(x + x); }
  };
  struct Sigmoid {
    __device__ static float value(float x) { return sigmoid(x); }
    __device__ static float slope(float x) { return sigmoid_slope(x); }
  };
  struct Silu {
    __device__ static float value(float x) { return x * sigmoid(x); }
    __device__ static float slope(float x) { return sigmoid(x) + x * sigmoid_slope(x); }
  };
  struct Softplus {
    __device__ static float value(float x) {
      const float y = (x > 0 ? x : 0 * x) + log1pf(expf(-fabsf(x)));
      return x > 20 ? x : y;
    }
    __device__ static float slope(float x) { return x > 20 ? 1.0f : sigmoid(x); }
  };
  struct Gelu {
    __device__ static float value(float x) { return x * normcdff(x); }
    __device__ static float slope(float x) {
      const float density = 0.3989422804014327f * expf(-0.5f * x * x);  // 1 / sqrt(2 pi)
      return normcdff(x) + x * density;
    }
  };
  struct Relu {
    __device__ static float value(float x) { return x < 0 ? 0.0f : x; }
    __device__ static float slope(float x) { return x > 0 ? 1.0f : 0.0f; }
  };
};

__device__ inline float apply(BinaryOp op, float a, float b) {
  switch (op) {
    case BinaryOp::Add:
      return a + b;
    case BinaryOp::Sub:
      return a - b;
    case BinaryOp::Mul:
      return a * b;
    case BinaryOp::Div:
      return a / b;
  }
  return 0;
}

template <class T, int kWidth>
struct UnaryForwardBody {
  using Loaded = Vector<T, kWidth>;
  const T* x;
  T* y;
  UnaryOp op;

  __device__ Loaded load(const std::int64_t (&at)[1]) const {
    return load_vector<kWidth>(x + at[0]);
  }
  __device__ void store(const std::int64_t (&at)[1], const Loaded& in) const {
    Vector<T, kWidth> out;
    visit_unary<Functions>(op, [&]<class Op>(Op) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) out.v[i] = from_float<T>(Op::value(to_float(in.v[i])));
    });
    store_vector<kWidth>(y + at[0], out);
  }
};

template <class T, int kWidth>
struct UnaryBackwardBody {
  struct Loaded {
    Vector<T, kWidth> x, dy, dx;
  };
  const T *x, *dy;
  T* dx;
  UnaryOp op;
  bool accumulate;

  __device__ Loaded load(const std::int64_t (&at)[1]) const {
    Loaded in;
    in.x = load_vector<kWidth>(x + at[0]);
    in.dy = load_vector<kWidth>(dy + at[0]);
    if (accumulate) in.dx = load_vector<kWidth>(dx + at[0]);
    return in;
  }
  __device__ void store(const std::int64_t (&at)[1], const Loaded& in) const {
    Vector<T, kWidth> out;
    visit_unary<Functions>(op, [&]<class Op>(Op) {
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        const float value = to_float(in.dy.v[i]) * Op::slope(to_float(in.x.v[i]));
        out.v[i] = from_float<T>(accumulate ? to_float(in.dx.v[i]) + value : value);
      }
    });
    store_vector<kWidth>(dx + at[0], out);
  }
};

template <class T, int kWidth>
struct BinaryForwardBody {
  struct Loaded {
    Vector<T, kWidth> a, b, y;
  };
  const T *a, *b;
  T* y;
  BinaryOp op;
  bool accumulate, repeats_a, repeats_b;  // a or b is the same along the columns

  __device__ Loaded load(const std::int64_t (&at)[3]) const {
    Loaded in;
    in.a = repeats_a ? repeat_vector<kWidth>(a + at[0]) : load_vector<kWidth>(a + at[0]);
    in.b = repeats_b ? repeat_vector<kWidth>(b + at[1]) : load_vector<kWidth>(b + at[1]);
    if (accumulate) in.y = load_vector<kWidth>(y + at[2]);
    return in;
  }
  __device__ void store(const std::int64_t (&at)[3], const Loaded& in) const {
    Vector<T, kWidth> out;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float value = apply(op, to_float(in.a.v[i]), to_float(in.b.v[i]));
      out.v[i] = from_float<T>(accumulate ? to_float(in.y.v[i]) + value : value);
    }
    store_vector<kWidth>(y + at[2], out);
  }
};

template <class T, int kWidth>
__global__ void __launch_bounds__(RowTraits::kThreads)
    unary_forward_kernel(const __grid_constant__ RowMap<1> map,
                         const __grid_constant__ UnaryForwardBody<T, kWidth> body) {
  process_tile(map, body);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(RowTraits::kThreads)
    unary_backward_kernel(const __grid_constant__ RowMap<1> map,
                          const __grid_constant__ UnaryBackwardBody<T, kWidth> body) {
  process_tile(map, body);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(RowTraits::kThreads)
    binary_forward_kernel(const __grid_constant__ RowMap<3> map,
                          const __grid_constant__ BinaryForwardBody<T, kWidth> body) {
  process_tile(map, body);
}

/// Whether all of these can be accessed in full vectors.
template <class T>
bool all_aligned(std::initializer_list<const T*> pointers) {
  bool aligned = true;
  for (const T* p : pointers) aligned = aligned && is_vector_aligned(p, sizeof(T), vector_width<T>);
  return aligned;
}

}  // namespace

void unary_forward(const UnaryForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "unary_forward", [&](auto zero) {
    using T = decltype(zero);
    const T* x = device_data<T>(args.x);
    T* y = device_data<T>(args.y);
    launch_rows<vector_width<T>>(
        flat_map<1>(args.x.numel()), all_aligned<T>({x, y}),
        [&](const RowMap<1>& map, unsigned blocks, auto width) {
          const UnaryForwardBody<T, width()> body{.x = x, .y = y, .op = args.op};
          unary_forward_kernel<<<blocks, RowTraits::kThreads, 0, cuda::stream_of(ctx)>>>(map, body);
          KRAIT_CUDA_CHECK_LAUNCH("unary_forward_kernel");
        });
  });
}

void unary_backward(const UnaryBackward& args, const ExecutionContext& ctx) {
  visit_device_float(args.x.dtype(), "unary_backward", [&](auto zero) {
    using T = decltype(zero);
    const T *x = device_data<T>(args.x), *dy = device_data<T>(args.dy);
    T* dx = device_data<T>(args.dx.tensor);
    launch_rows<vector_width<T>>(
        flat_map<1>(args.x.numel()), all_aligned<T>({x, dy, dx}),
        [&](const RowMap<1>& map, unsigned blocks, auto width) {
          const UnaryBackwardBody<T, width()> body{
              .x = x, .dy = dy, .dx = dx, .op = args.op, .accumulate = args.dx.accumulates()};
          unary_backward_kernel<<<blocks, RowTraits::kThreads, 0, cuda::stream_of(ctx)>>>(map,
                                                                                          body);
          KRAIT_CUDA_CHECK_LAUNCH("unary_backward_kernel");
        });
  });
}

void binary_forward(const BinaryForward& args, const ExecutionContext& ctx) {
  visit_device_float(args.y.dtype(), "binary_forward", [&](auto zero) {
    using T = decltype(zero);
    constexpr int kWidth = vector_width<T>;
    const T *a = device_data<T>(args.a), *b = device_data<T>(args.b);
    T* y = device_data<T>(args.y);
    const Shape& shape = args.y.shape();
    const RowMap<3> whole =
        row_map<3>(shape, {args.a.expand(shape).strides(), args.b.expand(shape).strides(),
                           contiguous_strides(shape)});
    const bool vectorise = can_vectorise(whole, 0, a, sizeof(T), kWidth) &&
                           can_vectorise(whole, 1, b, sizeof(T), kWidth) &&
                           can_vectorise(whole, 2, y, sizeof(T), kWidth);
    launch_rows<kWidth>(whole, vectorise, [&](const RowMap<3>& map, unsigned blocks, auto width) {
      const BinaryForwardBody<T, width()> body{.a = a,
                                               .b = b,
                                               .y = y,
                                               .op = args.op,
                                               .accumulate = args.accumulate,
                                               .repeats_a = map.steps[0] == 0,
                                               .repeats_b = map.steps[1] == 0};
      binary_forward_kernel<<<blocks, RowTraits::kThreads, 0, cuda::stream_of(ctx)>>>(map, body);
      KRAIT_CUDA_CHECK_LAUNCH("binary_forward_kernel");
    });
  });
}

}  // namespace krait::cuda
