// What the tests of the sequence kernels share: problems and results as arrays by name, tensors
// made from them on the test's device, and their comparison.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/memory/memory.h"
#include "core/random.h"
#include "kernels/contract/gradient.h"
#include "tests/support/device.h"
#include "tests/support/tensors.h"

namespace krait::kernel_test {

using Arrays = std::map<std::string, std::vector<double>>;

/// Standard normal numbers that are exact in f32, so that f32 and f64 see the same problem.
inline std::vector<double> normals(std::int64_t count, std::string_view name, std::uint64_t seed) {
  const RandomStream random{.seed = seed, .stream = stream_of(name)};
  std::vector<double> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(random.normal(i));
  return v;
}

/// (b, l) ids of about `documents` runs per entry, cut at random places.
inline std::vector<double> random_ids(std::int64_t b, std::int64_t l, std::int64_t documents,
                                      std::uint64_t seed) {
  const RandomStream random{.seed = seed, .stream = stream_of("ids")};
  const double chance = static_cast<double>(documents) / static_cast<double>(l);
  std::vector<double> ids;
  double id = 7;
  for (std::int64_t i = 0; i < b * l; ++i) {
    if (i % l > 0 && random.uniform(static_cast<std::uint64_t>(i)) < chance) id += 1;
    ids.push_back(id);
  }
  return ids;
}

template <class T>
std::vector<T> values_or_empty(const Arrays& arrays, const char* name) {
  const auto it = arrays.find(name);
  return it == arrays.end() ? std::vector<T>()
                            : std::vector<T>(it->second.begin(), it->second.end());
}

/// Where the rows of a tensor lie: one after the other, or as columns of a wider buffer full of
/// NaN. Rows of the first kind of slice start at odd places, those of the second where vectors do.
enum class Layout : std::uint8_t { Contiguous, OddSlice, AlignedSlice };

/// How a kernel is called.
struct Call {
  Layout rows = Layout::Contiguous;             // of activations and their gradients
  GradientMode mode = GradientMode::Overwrite;  // gradients hold ones beforehand
  bool chunk_states = true;                     // saved by the scan's forward
};

/// A tensor on the test's device with the values, or NaN where there are none.
inline Tensor make_tensor(const Shape& shape, DType dtype, const std::vector<double>& values,
                          Layout layout) {
  const bool odd = layout == Layout::OddSlice, contiguous = layout == Layout::Contiguous;
  const std::int64_t first = contiguous ? 0 : odd ? 3 : 16;
  Shape wide = shape;
  wide[-1] += contiguous ? 0 : odd ? 5 : 32;
  const Tensor buffer = Tensor::empty(wide, dtype);
  for (std::int64_t i = 0; i < buffer.numel(); ++i) testing::write(buffer, i, std::nan(""));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    testing::write(buffer, index / shape[-1] * wide[-1] + first + index % shape[-1], values[i]);
  }
  return buffer.to(testing::test_device()).slice(-1, first, first + shape[-1]);
}

/// sequence_ids of a problem, if it has them.
inline Tensor ids_tensor(const Arrays& in, std::int64_t b, std::int64_t l) {
  if (!in.contains("sequence_ids")) return {};
  return make_tensor({b, l}, DType::I32, in.at("sequence_ids"), Layout::Contiguous);
}

/// The values of a tensor made by make_tensor. Infinity for a row whose surroundings were written.
inline std::vector<double> values_of(const Tensor& t) {
  const std::int64_t width = t.size(-1), rows = t.numel() / width;
  const auto whole =
      static_cast<std::int64_t>(t.storage()->bytes() / size_of(t.dtype()));  // the buffer's
  const Tensor buffer = Tensor::empty({whole}, t.dtype());
  copy_memory({.to = buffer.storage()->data()}, {.from = t.storage()->data(), .device = t.device()},
              t.storage()->bytes());
  const std::int64_t step = rows > 0 ? whole / rows : 0;
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(t.numel()));
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto at = [&](std::int64_t i) { return testing::read(buffer, r * step + i); };
    bool spoiled = false;
    for (std::int64_t i = 0; i < step; ++i) {
      const bool outside = i < t.offset() || i >= t.offset() + width;
      spoiled = spoiled || (outside && !std::isnan(at(i)));
    }
    for (std::int64_t i = 0; i < width; ++i) {
      out.push_back(spoiled ? HUGE_VAL : at(t.offset() + i));
    }
  }
  return out;
}

/// Makes the tensors of wanted gradients and collects them after the call.
class WantedGradients {
 public:
  explicit WantedGradients(GradientMode mode) : mode_(mode) {}
  /// Wants the gradient of `input`, if that is given.
  void want(const char* name, Gradient& gradient, const Tensor& input, Layout layout) {
    if (!input.defined()) return;
    const std::vector<double> ones(static_cast<std::size_t>(input.numel()), 1.0);
    gradient = {.tensor = make_tensor(input.shape(), input.dtype(), ones, layout), .mode = mode_};
    tensors_[name] = gradient.tensor;
  }
  void read(Arrays* out) const {
    for (const auto& [name, tensor] : tensors_) (*out)[name] = values_of(tensor);
  }

 private:
  GradientMode mode_;
  std::map<std::string, Tensor> tensors_;
};

/// The arrays of an operation that have the dtype it is called with. The others have what that is
/// summed in.
using Activations = std::set<std::string>;

inline DType dtype_of_array(const std::string& name, const Activations& activations, DType t) {
  return activations.contains(name) ? t : accumulate_dtype(t);
}

/// The arrays as the tensors of an operation called with `t` hold them. What is not an activation
/// is exact already: all numbers here are f32.
inline Arrays as_stored(Arrays arrays, const Activations& activations, DType t) {
  if (t != DType::BF16) return arrays;
  for (auto& [name, values] : arrays) {
    if (!activations.contains(name)) continue;
    for (double& x : values) x = static_cast<float>(BFloat16(static_cast<float>(x)));
  }
  return arrays;
}

/// The largest difference relative to the largest magnitude in `want`.
inline double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return HUGE_VAL;
  double difference = 0, scale = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(got[i])) return HUGE_VAL;
    difference = std::max(difference, std::abs(got[i] - want[i]));
    scale = std::max(scale, std::abs(want[i]));
  }
  return difference / (scale > 0 ? scale : 1);
}

struct Tolerance {
  double output, gradient;
};
// f64 differs from the loops by the order of rounding only: 1e-12 leaves room for sums over
// thousands of terms.
inline constexpr Tolerance kF64Tolerance{1e-12, 1e-12};
// f32 against f64: the agreement that is asked of the golden vectors.
inline constexpr Tolerance kF32Tolerance{1e-5, 1e-4};
// The largest error of rounding to bf16, relative to the largest magnitude of the array: numbers
// from 1 to 2 are 2^-7 apart.
inline constexpr double kBf16Rounding = 0x1p-8;

inline bool is_output(const std::string& name) {
  return name == "y" || name == "final_state";
}

/// What is allowed for each array: the tolerance of the arithmetic, and `roundings` more for those
/// that are stored in bf16.
class Allowed {
 public:
  explicit Allowed(const Tolerance& tolerance) : tolerance_(tolerance) {}
  /// Of an operation called with `t`. bf16 is computed in f32 and rounded once, when it is stored.
  Allowed(DType t, const Activations& activations, int roundings = 1)
      : tolerance_(t == DType::F64 ? kF64Tolerance : kF32Tolerance) {
    if (t != DType::BF16) return;
    rounded_ = activations;
    rounding_ = roundings * kBf16Rounding;
  }
  /// A gradient in bf16 may be rounded once more before it is added to what is there: kernels keep
  /// it in the tile that the rows came in until it leaves for memory.
  double of(const std::string& name, GradientMode mode = GradientMode::Overwrite) const {
    const bool added = !is_output(name) && mode == GradientMode::Accumulate;
    return (is_output(name) ? tolerance_.output : tolerance_.gradient) +
           (rounded_.contains(name) ? rounding_ + (added ? kBf16Rounding : 0) : 0);
  }

 private:
  Tolerance tolerance_;
  Activations rounded_;
  double rounding_ = 0;
};

/// Expects every array of `want` in `got`, given what `mode` does to gradients that were ones.
inline void expect_close(const Arrays& got, const Arrays& want, GradientMode mode,
                         const Allowed& allowed) {
  EXPECT_EQ(got.size(), want.size());
  for (auto [name, values] : want) {
    if (!is_output(name) && mode == GradientMode::Accumulate) {
      for (double& x : values) x += 1;
    }
    if (!is_output(name) && mode == GradientMode::Ignore) values.assign(values.size(), 1.0);
    EXPECT_LE(relative_error(got.at(name), values), allowed.of(name, mode)) << name;
  }
}

/// The arrays of `arrays` that `names` has.
inline Arrays named_as(const Arrays& names, const Arrays& arrays) {
  Arrays out;
  for (const auto& [name, values] : names) out[name] = arrays.at(name);
  return out;
}

}  // namespace krait::kernel_test
