#include "layers/basic/initialise.h"

#include <cmath>

namespace krait {

Initialiser constant_value(double value) {
  return [value](const RandomStream&, std::uint64_t) { return value; };
}

Initialiser uniform_value(double bound) {
  return [bound](const RandomStream& r, std::uint64_t i) { return bound * (2 * r.uniform(i) - 1); };
}

Initialiser normal_value(double standard_deviation) {
  return [standard_deviation](const RandomStream& r, std::uint64_t i) {
    return standard_deviation * r.normal(i);
  };
}

Initialiser fan_in_value(std::int64_t fan_in, double gain) {
  return uniform_value(gain / std::sqrt(static_cast<double>(fan_in)));
}

}  // namespace krait
