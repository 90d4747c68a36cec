#include "train/config/field.h"

#include <fmt/format.h>

namespace krait {
namespace {

std::string number(double value) {
  return fmt::format("{}", value);
}

}  // namespace

std::string_view Field::section() const {
  return std::string_view(name).substr(0, name.find('.'));
}

std::string_view Field::key() const {
  return std::string_view(name).substr(name.find('.') + 1);
}

std::string Field::type_name() const {
  switch (type) {
    case FieldType::Integer:
      return "integer";
    case FieldType::Number:
      return "number";
    case FieldType::Boolean:
      return "true | false";
    case FieldType::Text:
      return "text";
    case FieldType::Choice:
      return fmt::format("{}", fmt::join(choices, " | "));
  }
  return {};
}

bool FieldRange::contains(double value) const {
  return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
}

std::string FieldRange::describe() const {
  const double infinity = std::numeric_limits<double>::infinity();
  const bool bounded_above = high < infinity && high != kMaxCount;
  if (low == -infinity) return bounded_above ? "at most " + number(high) : "";
  if (!bounded_above) return (open_low ? "above " : "at least ") + number(low);
  if (open_high) return "at least " + number(low) + " and below " + number(high);
  return number(low) + " to " + number(high);
}

}  // namespace krait
