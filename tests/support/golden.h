// Where golden files are, and how agreement with them is measured.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

namespace krait {

/// `name` in $KRAIT_GOLDEN_DIR, or in tests/golden without it.
inline std::filesystem::path golden_file(const std::string& name) {
  const char* folder = std::getenv("KRAIT_GOLDEN_DIR");
  return (folder != nullptr ? std::filesystem::path(folder)
                            : std::filesystem::path(KRAIT_SOURCE_DIR "/tests/golden")) /
         name;
}

/// Largest |got - expected| relative to the largest |expected| of the array: single elements near
/// zero, where cancellation leaves no digits in any precision, do not decide. NaN if any is NaN.
template <class T>
double relative_error(std::span<const T> got, std::span<const double> expected) {
  double scale = 0, worst = 0;
  for (const double e : expected) scale = std::max(scale, std::abs(e));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - expected[i]);
    if (std::isnan(error)) return error;
    worst = std::max(worst, error);
  }
  return scale > 0 ? worst / scale : worst;
}

}  // namespace krait
