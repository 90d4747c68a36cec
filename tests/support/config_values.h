// Values for walks over all fields of a configuration.
#pragma once
#include <cstdint>
#include <string>

#include "train/config/schema.h"

namespace krait {

/// A value of `field` other than the one in `config`, chosen by `draw` in [0, 1).
inline FieldValue other_value(const Field& field, const Config& config, double draw) {
  switch (field.type) {
    case FieldType::Boolean:
      return !std::get<bool>(field.get(config));
    case FieldType::Text:
      if (field.name == "model.layers") return std::string("mamba1 x2");
      return std::string("\"q\" \\ 'é' \n\t: # \x01\x04\x7f\xc2\x85 ") + "end ";
    case FieldType::Choice:
      return std::string(field.choices.back());
    case FieldType::Integer: {
      const auto low = static_cast<std::int64_t>(field.range.low);
      return low + 8 * (1 + static_cast<std::int64_t>(draw * 5));
    }
    case FieldType::Number:
      break;
  }
  return field.range.high <= 1 ? draw : draw * 1e-3;
}

}  // namespace krait
