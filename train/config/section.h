// How the fields of a section are bound to the members of a struct in Config.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/names.h"
#include "train/config/field.h"

namespace krait {

inline constexpr double kMaxSize = 1 << 30;             // of one dimension
inline constexpr double kMaxSeed = 9007199254740992.0;  // 2^53

inline constexpr FieldRange kPositive{.low = 0, .open_low = true};
inline constexpr FieldRange kNotNegative{.low = 0};
inline constexpr FieldRange kFraction{.low = 0, .high = 1, .open_high = true};

constexpr FieldRange between(double low, double high) {
  return {.low = low, .high = high};
}
/// A count without a limit of its own.
constexpr FieldRange at_least(double low) {
  return {.low = low, .high = kMaxCount};
}

/// What a section says about one of its fields, beyond its name and member.
struct FieldDescription {
  FieldRange range = {};
  std::string_view unit = {};  // empty for a pure number
  std::string_view help;
  bool required = false;
  bool meaning = false;  // the field's own value is its meaning
};

template <class T>
constexpr FieldType field_type() {
  if constexpr (std::is_enum_v<T>) return FieldType::Choice;
  if constexpr (std::is_same_v<T, bool>) return FieldType::Boolean;
  if constexpr (std::is_same_v<T, std::int64_t>) return FieldType::Integer;
  if constexpr (std::is_same_v<T, double>) return FieldType::Number;
  return FieldType::Text;
}

/// Appends fields named "section.key" to a list. `Access` gives, of a (const) Config, the
/// address of the struct that owns the members:
///
///   const Section run{"run", [](auto& c) { return &c.run; }, fields};
///   run.add(FieldRole::FixesRun, "seed", &Config::Run::seed, {.help = "seed of shuffling"});
template <class Access>
struct Section {
  std::string_view name;
  Access access;
  std::vector<Field>& fields;

  /// The type, and the choices of an enumeration, follow from the member.
  template <class Struct, class T>
  Field& add(FieldRole role, std::string_view key, T Struct::*member,
             const FieldDescription& description) const {
    Field field{.name = std::string(name) + "." + std::string(key),
                .type = field_type<T>(),
                .role = role,
                .required = description.required,
                .range = description.range,
                .unit = description.unit,
                .help = description.help};
    const auto in = access;
    if constexpr (std::is_enum_v<T>) {
      field.choices.assign(kNames<T>.begin(), kNames<T>.end());
      field.get = [=](const Config& c) { return FieldValue(std::string(name_of(in(c)->*member))); };
      field.set = [=](Config& c, const FieldValue& value) {
        in(c)->*member = value_of<T>(std::get<std::string>(value)).value();
      };
    } else {
      field.get = [=](const Config& c) { return FieldValue(in(c)->*member); };
      field.set = [=](Config& c, const FieldValue& v) { in(c)->*member = std::get<T>(v); };
    }
    if (description.meaning) field.meaning = field.get;
    fields.push_back(std::move(field));
    return fields.back();
  }
};
template <class Access>
Section(std::string_view, Access, std::vector<Field>&) -> Section<Access>;

}  // namespace krait
