// Sums that do not depend on the order of what is added.
#pragma once
#include <cmath>
#include <cstdint>

#include "core/error.h"

namespace krait {

/// A sum in fixed point, 128 bits with 64 behind the point. Additions are exact, so any order, any
/// grouping and any number of threads give the same digits. A value is rounded once, to 2^-64
/// (towards zero): an f32 of 2^-40 or more comes in as it is.
class ExactSum {
 public:
  /// Throws NonFinite when the value, or the sum, is no number below 2^62 in magnitude.
  void add(double value) {
    const double scaled = std::ldexp(value, 64);
    KRAIT_CHECK(NonFinite, std::abs(scaled) < 0x1p126, "[ExactSum] ", value, " cannot be added.");
    add_units(static_cast<Units>(scaled));
  }
  void add(const ExactSum& other) { add_units(other.units_); }
  /// Rounded to the nearest double.
  double value() const { return std::ldexp(static_cast<double>(units_), -64); }

 private:
  __extension__ using Units = __int128;
  void add_units(Units units) {
    KRAIT_CHECK(NonFinite, !__builtin_add_overflow(units_, units, &units_),
                "[ExactSum] the sum passes 2^63.");
  }

  Units units_ = 0;
};

}  // namespace krait
