// The one table of configuration fields. Parsing, validation, help, documentation, the dump and the
// checks of a resumed run walk it; there is no other list of fields.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/config/field.h"

namespace krait {

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
