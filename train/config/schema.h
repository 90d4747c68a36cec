// The one table of configuration fields. Parsing, validation, help, documentation and the dump
// walk it; there is no other list of fields.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/text_problem.h"
#include "train/config/config.h"

namespace krait {

/// A value of any field. An enumeration is the word that stands for it.
using FieldValue = std::variant<std::int64_t, double, bool, std::string>;

enum class FieldType { Integer, Number, Boolean, Text, Choice };

/// Bounds of an Integer or a Number. An open end excludes its bound.
struct FieldRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool open_low = false;
  bool open_high = false;
  bool contains(double value) const;
  std::string describe() const;  // "> 0", "0 .. 64", "0 <= x < 1"; empty without bounds
};

/// One field. `get` and `set` reach the member of Config that it stands for.
struct Field {
  std::string name;  // "optimizer.lr"
  FieldType type;
  bool required;  // must be given; for Text also: not empty
  FieldRange range;
  std::string_view unit;  // empty for a pure number
  std::string_view help;
  std::vector<std::string_view> choices;
  std::function<FieldValue(const Config&)> get;
  std::function<void(Config&, const FieldValue&)> set;
  /// What is wrong with a Text, beyond what parse_field sees; null: nothing can be.
  std::optional<TextProblem> (*check)(std::string_view text) = nullptr;

  std::string_view section() const;  // "optimizer"
  std::string_view key() const;      // "lr"
  std::string type_name() const;     // "integer", ..., "rms | layer"
};

/// All fields, grouped by section.
const std::vector<Field>& config_fields();

/// The field of that dotted name, or null.
const Field* find_field(std::string_view name);

/// Reads the text of one scalar as a value of `field`, range included. Returns what is wrong with
/// it ("must be an integer, got '1.5'") in `problem` and nothing else, or the value. `quoted` texts
/// are strings and never numbers or booleans.
std::optional<FieldValue> parse_field(const Field& field, std::string_view text, bool quoted,
                                      std::string& problem);

/// A value of `field` as YAML: doubles with as many digits as they need, texts in double quotes.
std::string format_field(const Field& field, const FieldValue& value);

/// A requirement between fields. `fields` are those it reads, the one to blame first; `problem`
/// returns what is wrong, or an empty string.
struct ConfigRule {
  std::vector<std::string_view> fields;
  std::string (*problem)(const Config&);
};
const std::vector<ConfigRule>& config_rules();

}  // namespace krait
