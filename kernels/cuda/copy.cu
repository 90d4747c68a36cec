// copy and fill. Layout, block and thread map: strided.cuh. A copy reads size(x) and writes size(y)
// bytes an element, and reads y as well to accumulate; a fill writes size(y). An x that is repeated
// along the columns is read once a thread.
//
// Copies within one dtype move bits, so that integers, floats and NaNs arrive as they are: there is
// one kernel for each element size. Conversions, scales and sums are f32, rounded once.
#include <algorithm>
#include <bit>

#include "kernels/copy.h"
#include "kernels/cuda/device/strided.cuh"

namespace krait::cuda {
namespace {

template <class Word, int kWidth>
struct MoveBody {
  using Loaded = Vector<Word, kWidth>;
  const Word* x;
  Word* y;
  bool repeats;  // x is the same along the columns

  __device__ Loaded load(const std::int64_t (&at)[2]) const {
    return repeats ? repeat_vector<kWidth>(x + at[0]) : load_vector<kWidth>(x + at[0]);
  }
  __device__ void store(const std::int64_t (&at)[2], const Loaded& loaded) const {
    store_vector<kWidth>(y + at[1], loaded);
  }
};

template <class X, class Y, int kWidth>
struct ConvertBody {
  struct Loaded {
    Vector<X, kWidth> x;
    Vector<Y, kWidth> y;
  };
  const X* x;
  Y* y;
  float scale;
  bool accumulate, repeats;

  __device__ Loaded load(const std::int64_t (&at)[2]) const {
    Loaded loaded;
    loaded.x = repeats ? repeat_vector<kWidth>(x + at[0]) : load_vector<kWidth>(x + at[0]);
    if (accumulate) loaded.y = load_vector<kWidth>(y + at[1]);
    return loaded;
  }
  __device__ void store(const std::int64_t (&at)[2], const Loaded& loaded) const {
    Vector<Y, kWidth> out;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const float value = scale * to_float(loaded.x.v[i]);
      out.v[i] = from_float<Y>(accumulate ? to_float(loaded.y.v[i]) + value : value);
    }
    store_vector<kWidth>(y + at[1], out);
  }
};

template <class Word, int kWidth>
struct FillBody {
  struct Loaded {};
  Word* y;
  Word value;

  __device__ Loaded load(const std::int64_t (&)[1]) const { return {}; }
  __device__ void store(const std::int64_t (&at)[1], const Loaded&) const {
    store_vector<kWidth>(y + at[0], repeat_vector<kWidth>(&value));
  }
};

template <class Body>
__global__ void __launch_bounds__(RowTraits::kThreads)
    copy_kernel(const __grid_constant__ RowMap<2> map, const __grid_constant__ Body body) {
  process_tile(map, body);
}

template <class Body>
__global__ void __launch_bounds__(RowTraits::kThreads)
    fill_kernel(const __grid_constant__ RowMap<1> map, const __grid_constant__ Body body) {
  process_tile(map, body);
}

void* first_element(const Tensor& t) {
  return t.storage()->data() + static_cast<std::size_t>(t.offset()) * size_of(t.dtype());
}

/// Calls f with an unsigned integer of `size` bytes.
template <class F>
void visit_word(std::size_t size, F&& f) {
  switch (size) {
    case 1:
      return f(std::uint8_t{});
    case 2:
      return f(std::uint16_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

template <class Word>
void move_words(const Copy& c, const RowMap<2>& map, cudaStream_t stream) {
  constexpr int kWidth = vector_width<Word>;
  const auto* x = static_cast<const Word*>(first_element(c.x));
  auto* y = static_cast<Word*>(first_element(c.y));
  const bool vectorise = map.steps[1] == 1 && can_vectorise(map, 0, x, sizeof(Word), kWidth) &&
                         can_vectorise(map, 1, y, sizeof(Word), kWidth);
  launch_rows<kWidth>(map, vectorise, [&](const RowMap<2>& part, unsigned blocks, auto width) {
    const MoveBody<Word, width()> body{.x = x, .y = y, .repeats = part.steps[0] == 0};
    copy_kernel<<<blocks, RowTraits::kThreads, 0, stream>>>(part, body);
    KRAIT_CUDA_CHECK_LAUNCH("copy_kernel");
  });
}

template <class X, class Y>
void convert(const Copy& c, const RowMap<2>& map, cudaStream_t stream) {
  constexpr int kWidth = std::min(vector_width<X>, vector_width<Y>);
  const X* x = device_data<X>(c.x);
  Y* y = device_data<Y>(c.y);
  const bool vectorise = map.steps[1] == 1 && can_vectorise(map, 0, x, sizeof(X), kWidth) &&
                         can_vectorise(map, 1, y, sizeof(Y), kWidth);
  launch_rows<kWidth>(map, vectorise, [&](const RowMap<2>& part, unsigned blocks, auto width) {
    const ConvertBody<X, Y, width()> body{.x = x,
                                          .y = y,
                                          .scale = static_cast<float>(c.scale),
                                          .accumulate = c.accumulate,
                                          .repeats = part.steps[0] == 0};
    copy_kernel<<<blocks, RowTraits::kThreads, 0, stream>>>(part, body);
    KRAIT_CUDA_CHECK_LAUNCH("copy_kernel");
  });
}

template <class Word>
void fill_words(const Tensor& t, Word value, cudaStream_t stream) {
  constexpr int kWidth = vector_width<Word>;
  const RowMap<1> map = row_map<1>(t.shape(), {t.strides()});
  auto* y = static_cast<Word*>(first_element(t));
  const bool vectorise = map.steps[0] == 1 && can_vectorise(map, 0, y, sizeof(Word), kWidth);
  launch_rows<kWidth>(map, vectorise, [&](const RowMap<1>& part, unsigned blocks, auto width) {
    const FillBody<Word, width()> body{.y = y, .value = value};
    fill_kernel<<<blocks, RowTraits::kThreads, 0, stream>>>(part, body);
    KRAIT_CUDA_CHECK_LAUNCH("fill_kernel");
  });
}

}  // namespace

void copy(const Copy& c, const ExecutionContext& ctx) {
  for (const DType t : {c.x.dtype(), c.y.dtype()}) {
    KRAIT_REQUIRE(t != DType::F64, "[copy] on CUDA dtype must be f32, bf16, i32, i64 or u8, got ",
                  t, ".");
  }
  if (c.y.numel() == 0) return;
  const RowMap<2> map = row_map<2>(c.y.shape(), {c.x.strides(), c.y.strides()});
  const cudaStream_t stream = cuda::stream_of(ctx);
  if (c.x.dtype() == c.y.dtype() && c.scale == 1 && !c.accumulate) {
    visit_word(size_of(c.x.dtype()),
               [&](auto zero) { move_words<decltype(zero)>(c, map, stream); });
    return;
  }
  visit_device_float(c.x.dtype(), "copy", [&](auto from) {
    visit_device_float(c.y.dtype(), "copy",
                       [&](auto to) { convert<decltype(from), decltype(to)>(c, map, stream); });
  });
}

void fill(const Fill& f, const ExecutionContext& ctx) {
  const Tensor& y = f.y;
  KRAIT_REQUIRE(y.dtype() != DType::F64,
                "[fill] on CUDA dtype must be f32, bf16, i32 or i64, got f64.");
  if (y.numel() == 0) return;
  const cudaStream_t stream = cuda::stream_of(ctx);
  const auto value = static_cast<float>(f.value);
  switch (y.dtype()) {
    case DType::BF16:
      return fill_words(y, BFloat16(value).bits, stream);
    case DType::I32:
      return fill_words(y, static_cast<std::uint32_t>(static_cast<std::int32_t>(f.value)), stream);
    case DType::I64:
      return fill_words(y, static_cast<std::uint64_t>(static_cast<std::int64_t>(f.value)), stream);
    default:
      return fill_words(y, std::bit_cast<std::uint32_t>(value), stream);
  }
}

}  // namespace krait::cuda
