// The description of a labelled set.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace krait {

/// Tokens have no order among them; pixels are levels of grey, 0 black to 255 white, of images of
/// one size, row by row.
enum class InputKind : std::uint8_t { Tokens, Pixels };
template <>
inline constexpr std::array<std::string_view, 2> kNames<InputKind>{"tokens", "pixels"};

/// What the ids of a set mean.
struct LabelledSetDescription {
  std::string task;  // such as "listops"
  InputKind kind = InputKind::Tokens;
  std::int64_t n_symbols = 0;           // ids are 0 to n_symbols - 1; 256 for pixels
  std::vector<std::string> symbols;     // a name for each id, or none at all
  std::vector<std::string> classes;     // a name for each label
  std::int64_t inputs_per_example = 1;  // 2 for a task about pairs
  std::int64_t height = 0, width = 0;   // of an image; 0 for tokens

  std::int64_t n_classes() const { return static_cast<std::int64_t>(classes.size()); }
};

/// What a labelled set says about itself.
struct LabelledSetInfo {
  std::filesystem::path path;
  std::uint64_t file_bytes = 0;
  std::int64_t format_version = 0;
  LabelledSetDescription description;
  std::uint64_t n_examples = 0;
  std::uint64_t n_inputs = 0;  // n_examples * inputs_per_example
  std::uint64_t n_tokens = 0;  // or pixels, of all inputs
  std::uint64_t shortest_input = 0, longest_input = 0;
  std::string provenance;  // JSON
  std::string content_sha256;
};

/// For people: one field a line.
std::ostream& operator<<(std::ostream& out, const LabelledSetInfo& info);

}  // namespace krait
