// Random test inputs.
#pragma once
#include "autograd/variable.h"
#include "core/random.h"

namespace krait {

struct Range {
  double low = -1, high = 1;
};

/// Uniform in `range`, a function of `stream` and the position only.
inline Tensor random_tensor(const Shape& shape, std::uint32_t stream, Range range = {},
                            DType dtype = DType::F64) {
  const RandomStream random{.seed = 31, .stream = stream};
  const Tensor t = Tensor::empty(shape, dtype);
  visit_float(dtype, "random_tensor", [&](auto tag) {
    using T = decltype(tag);
    for (std::int64_t i = 0; i < t.numel(); ++i) {
      const double u = random.uniform(static_cast<std::uint64_t>(i));
      t.data<T>()[i] = static_cast<T>(range.low + (range.high - range.low) * u);
    }
  });
  return t;
}

/// A leaf that requires a gradient.
inline Variable random_leaf(const Shape& shape, std::uint32_t stream, Range range = {}) {
  return Variable(random_tensor(shape, stream, range), true);
}

}  // namespace krait
