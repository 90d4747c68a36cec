// The words that stand for the values of an enumeration: in YAML, on the command line, in messages.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <ostream>
#include <string_view>

namespace krait {

/// The names of Enum's values 0, 1, 2, ... in order. The header that defines an enumeration with
/// names specialises it there.
template <class Enum>
inline constexpr std::array<std::string_view, 0> kNames{};

template <class Enum>
concept Named = !kNames<Enum>.empty();

template <Named Enum>
constexpr std::string_view name_of(Enum value) {
  return kNames<Enum>.at(static_cast<std::size_t>(value));
}

template <Named Enum>
std::ostream& operator<<(std::ostream& out, Enum value) {
  return out << name_of(value);
}

/// The value of that name.
template <Named Enum>
constexpr std::optional<Enum> value_of(std::string_view name) {
  for (std::size_t i = 0; i < kNames<Enum>.size(); ++i) {
    if (kNames<Enum>[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace krait
