// Golden files of the sequence kernels: groups of arrays in the papers' layouts, by the names that
// the kernels' tests use.
#pragma once
#include <iostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/hdf5/hdf5.h"
#include "tests/kernels/kernel_arrays.h"
#include "tests/support/golden.h"

namespace krait::kernel_test {

/// One group of a golden file, whose arrays are copied under the names that the tests use.
class GoldenGroup {
 public:
  GoldenGroup(const Hdf5File& file, std::string name) : file_(file), name_(std::move(name)) {}
  bool has(const std::string& array) const { return file_.has(name_ + "/" + array); }
  Shape shape(const std::string& array) const { return file_.info(name_ + "/" + array).shape; }
  bool flag(const std::string& attribute) const {
    return file_.attribute<std::int64_t>(name_, attribute) != 0;
  }
  /// Copies `array`, if there is one.
  void take(const std::string& array, const std::string& name, Arrays* out) const {
    if (has(array)) (*out)[name] = file_.read<double>(name_ + "/" + array).values;
  }
  /// The same from (batch, channels .., length) to (batch, length, channels ..).
  void take_rows(const std::string& array, const std::string& name, Arrays* out) const {
    if (!has(array)) return;
    const auto [shape, values] = file_.read<double>(name_ + "/" + array);
    const std::int64_t length = shape[-1], channels = shape.rows() / shape[0];
    std::vector<double>& rows = (*out)[name];
    rows.resize(values.size());
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(values.size()); ++i) {
      const std::int64_t b = i / (channels * length), c = i / length % channels, t = i % length;
      rows[static_cast<std::size_t>((b * length + t) * channels + c)] =
          values[static_cast<std::size_t>(i)];
    }
  }

 private:
  const Hdf5File& file_;
  std::string name_;
};

/// What is asked of the golden vectors, relative to the largest magnitude of each array. For f32
/// and bf16 it is what is asked against the loops.
inline Allowed golden_allowed(DType t, const Activations& activations) {
  return t == DType::F64 ? Allowed({1e-9, 1e-9}) : Allowed(t, activations);
}

/// Calls check(group) for every group of a golden file; check returns how many arrays it compared.
template <class Check>
void for_each_golden_group(const std::string& file_name, Check&& check) {
  const Hdf5File file = Hdf5File::open(golden_file(file_name));
  int groups = 0, arrays = 0;
  for (const std::string& name : file.groups()) {
    SCOPED_TRACE(name);
    const int compared = check(GoldenGroup(file, name));
    EXPECT_GT(compared, 0) << name << " has nothing to compare";
    arrays += compared;
    ++groups;
  }
  EXPECT_GT(groups, 0) << golden_file(file_name) << " has no groups";
  std::cout << file_name << ": " << arrays << " arrays of " << groups << " groups compared\n";
}

/// Compares the arrays of `want` and returns how many there are.
inline int compare_golden(const Arrays& got, const Arrays& want, const Allowed& allowed) {
  for (const auto& [name, values] : want) {
    EXPECT_LE(relative_error(got.at(name), values), allowed.of(name)) << name;
  }
  return static_cast<int>(want.size());
}

}  // namespace krait::kernel_test
