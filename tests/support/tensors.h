// Tensors of random numbers, plain loops over them and comparisons, for the tests of kernels.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "core/system/parallel.h"
#include "core/tensor/tensor.h"
#include "tests/support/device.h"

namespace krait::testing {

/// Uninitialised, or zero, on the test's device.
inline Tensor empty(const Shape& shape, DType dtype) {
  return Tensor::empty(shape, dtype, test_device());
}
inline Tensor zeros(const Shape& shape, DType dtype) {
  return Tensor::zeros(shape, dtype, test_device());
}

/// One element of a CPU tensor.
inline double read(const Tensor& t, std::int64_t offset) {
  switch (t.dtype()) {
    case DType::F32:
      return static_cast<double>(t.data<float>()[offset]);
    case DType::F64:
      return t.data<double>()[offset];
    case DType::BF16:
      return static_cast<double>(static_cast<float>(t.data<BFloat16>()[offset]));
    case DType::I32:
      return t.data<std::int32_t>()[offset];
    case DType::I64:
      return static_cast<double>(t.data<std::int64_t>()[offset]);
    case DType::U8:
      return t.data<std::uint8_t>()[offset];
  }
  return 0;
}

inline void write(const Tensor& t, std::int64_t offset, double value) {
  switch (t.dtype()) {
    case DType::F32:
      t.data<float>()[offset] = static_cast<float>(value);
      return;
    case DType::F64:
      t.data<double>()[offset] = value;
      return;
    case DType::BF16:
      t.data<BFloat16>()[offset] = BFloat16(static_cast<float>(value));
      return;
    case DType::I32:
      t.data<std::int32_t>()[offset] = static_cast<std::int32_t>(value);
      return;
    case DType::I64:
      t.data<std::int64_t>()[offset] = static_cast<std::int64_t>(value);
      return;
    case DType::U8:
      t.data<std::uint8_t>()[offset] = static_cast<std::uint8_t>(value);
      return;
  }
}

/// Calls f(offset) for the elements of `t`, any strides, in row-major order.
template <class F>
void for_each_offset(const Tensor& t, F&& f, int dim = 0, std::int64_t offset = 0) {
  if (dim == t.rank()) return f(offset);
  for (std::int64_t i = 0; i < t.size(dim); ++i) {
    for_each_offset(t, f, dim + 1, offset + i * t.stride(dim));
  }
}

/// All elements in row-major order, whatever the strides and the device.
inline std::vector<double> values(const Tensor& tensor) {
  const Tensor t = tensor.to({});
  std::vector<double> out;
  for_each_offset(t, [&](std::int64_t offset) { out.push_back(read(t, offset)); });
  return out;
}

/// On the test's device, like all tensors made here.
inline Tensor tensor(const Shape& shape, DType dtype, const std::vector<double>& from) {
  const Tensor t = Tensor::empty(shape, dtype);
  EXPECT_EQ(static_cast<std::int64_t>(from.size()), t.numel());
  for (std::int64_t i = 0; i < t.numel(); ++i) write(t, i, from[static_cast<std::size_t>(i)]);
  return t.to(test_device());
}

/// Standard normal numbers times `scale`; `stream` makes different tensors. Rounded to f32, so that
/// f32 and f64 tests start from the same values.
inline Tensor random_tensor(const Shape& shape, DType dtype, std::uint32_t stream,
                            double scale = 1) {
  const RandomStream random{.seed = 20240607, .stream = stream};
  const Tensor t = Tensor::empty(shape, dtype);
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const double value = scale * random.normal(static_cast<std::uint64_t>(i));
    write(t, i, static_cast<double>(static_cast<float>(value)));
  }
  return t.to(test_device());
}

/// Whole numbers in [0, limit).
inline Tensor random_ids(const Shape& shape, std::int64_t limit, std::uint32_t stream) {
  const RandomStream random{.seed = 20240607, .stream = stream};
  const Tensor t = Tensor::empty(shape, DType::I32);
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    write(t, i,
          std::floor(random.uniform(static_cast<std::uint64_t>(i)) * static_cast<double>(limit)));
  }
  return t.to(test_device());
}

/// |got - want| <= tolerance * max(1, |want|) for all elements; NaN and infinity must be equal.
inline void expect_close(const Tensor& got, const std::vector<double>& want, double tolerance,
                         const std::string& what = {}) {
  const std::vector<double> g = values(got);
  ASSERT_EQ(g.size(), want.size()) << what;
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (std::isnan(want[i]) && std::isnan(g[i])) continue;
    if (g[i] == want[i]) continue;
    ASSERT_LE(std::abs(g[i] - want[i]), tolerance * std::max(1.0, std::abs(want[i])))
        << what << " at " << i << ": got " << g[i] << ", want " << want[i];
  }
}
inline void expect_close(const Tensor& got, const Tensor& want, double tolerance,
                         const std::string& what = {}) {
  expect_close(got, values(want), tolerance, what);
}

inline bool same_bits(const Tensor& left, const Tensor& right) {
  const Tensor a = left.to({}), b = right.to({});
  return a.shape() == b.shape() && a.dtype() == b.dtype() && a.is_contiguous() &&
         b.is_contiguous() &&
         std::memcmp(
             a.storage()->data() + static_cast<std::size_t>(a.offset()) * size_of(a.dtype()),
             b.storage()->data() + static_cast<std::size_t>(b.offset()) * size_of(b.dtype()),
             a.bytes()) == 0;
}

/// Whether `compute`, which makes contiguous tensors, gives the same bits with 1 and 3 threads, and
/// so twice on a GPU.
inline void expect_thread_independent(const std::function<std::vector<Tensor>()>& compute) {
  const int before = thread_count();
  set_thread_count(1);
  const std::vector<Tensor> one = compute();
  set_thread_count(3);
  const std::vector<Tensor> three = compute();
  set_thread_count(before);
  ASSERT_EQ(one.size(), three.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(same_bits(one[i], three[i])) << "result " << i;
  }
}

/// Whether `call` throws an Error of `kind` whose message contains `text`.
inline void expect_error(const std::function<void()>& call, const std::string& text,
                         ErrorKind kind = ErrorKind::Contract) {
  try {
    call();
    FAIL() << "nothing was thrown; expected: " << text;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    EXPECT_EQ(e.kind(), kind) << e.what();
  }
}

}  // namespace krait::testing
