// What the tests of the sequence kernels share: problems and results as arrays by name, tensors
// made from them, and their comparison.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "kernels/gradient.h"

namespace krait::kernel_test {

using Arrays = std::map<std::string, std::vector<double>>;

/// Standard normal numbers that are exact in f32, so that both precisions see the same problem.
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

/// How a kernel is called.
struct Call {
  bool strided = false;                         // rows are slices of wider buffers
  GradientMode mode = GradientMode::Overwrite;  // gradients hold ones beforehand
  bool chunk_states = true;                     // saved by the scan's forward
};

/// A tensor with the values: contiguous, or columns of a wider buffer full of NaN.
template <class T>
Tensor make_tensor(const Shape& shape, const std::vector<double>& values, bool strided) {
  Shape wide = shape;
  if (strided) wide[-1] += 5;
  const Tensor buffer = Tensor::empty(wide, dtype_of<T>);
  for (T& x : buffer.span<T>()) x = std::nan("");
  const Tensor t = strided ? buffer.slice(-1, 3, 3 + shape[-1]) : buffer;
  T* data = t.data<T>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    data[index / shape[-1] * wide[-1] + index % shape[-1]] = static_cast<T>(values[i]);
  }
  return t;
}

/// sequence_ids of a problem, if it has them.
inline Tensor ids_tensor(const Arrays& in, std::int64_t b, std::int64_t l) {
  if (!in.contains("sequence_ids")) return {};
  const auto ids = values_or_empty<std::int32_t>(in, "sequence_ids");
  return Tensor::from<std::int32_t>({b, l}, ids);
}

/// The values of a tensor made by make_tensor. Infinity for a row whose surroundings were written.
template <class T>
std::vector<double> values_of(const Tensor& t) {
  const std::int64_t width = t.size(-1), rows = t.numel() / width;
  const auto whole = static_cast<std::int64_t>(t.storage()->bytes() / sizeof(T));
  const std::int64_t step = rows > 0 ? whole / rows : 0;
  std::vector<double> out;
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = t.data<T>() + r * step;
    const bool spoiled = step > width && !(std::isnan(row[-1]) && std::isnan(row[width]));
    for (std::int64_t i = 0; i < width; ++i) {
      out.push_back(spoiled ? HUGE_VAL : static_cast<double>(row[i]));
    }
  }
  return out;
}

/// Makes the tensors of wanted gradients and collects them after the call.
template <class T>
class WantedGradients {
 public:
  explicit WantedGradients(GradientMode mode) : mode_(mode) {}
  /// Wants the gradient of `input`, if that is given.
  void want(const char* name, Gradient& gradient, const Tensor& input, bool strided) {
    if (!input.defined()) return;
    const std::vector<double> ones(static_cast<std::size_t>(input.numel()), 1.0);
    gradient = {.tensor = make_tensor<T>(input.shape(), ones, strided), .mode = mode_};
    tensors_[name] = gradient.tensor;
  }
  void read(Arrays* out) const {
    for (const auto& [name, tensor] : tensors_) (*out)[name] = values_of<T>(tensor);
  }

 private:
  GradientMode mode_;
  std::map<std::string, Tensor> tensors_;
};

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

inline bool is_output(const std::string& name) {
  return name == "y" || name == "final_state";
}

/// Expects every array of `want` in `got`, given what `mode` does to gradients that were ones.
inline void expect_close(const Arrays& got, const Arrays& want, GradientMode mode,
                         const Tolerance& tolerance) {
  EXPECT_EQ(got.size(), want.size());
  for (auto [name, values] : want) {
    if (!is_output(name) && mode == GradientMode::Accumulate) {
      for (double& x : values) x += 1;
    }
    if (!is_output(name) && mode == GradientMode::Ignore) values.assign(values.size(), 1.0);
    EXPECT_LE(relative_error(got.at(name), values),
              is_output(name) ? tolerance.output : tolerance.gradient)
        << name;
  }
}

}  // namespace krait::kernel_test
