// What the schema table is printed as: the resolved configuration, help and Markdown.
#include <fmt/format.h>

#include "train/config/schema.h"

namespace krait {
namespace {

/// "above 0, steps", "path", ...
std::string constraint(const Field& field) {
  std::string text = field.range.describe();
  if (!field.unit.empty()) text += (text.empty() ? "" : ", ") + std::string(field.unit);
  if (field.type == FieldType::Choice) text = field.type_name();
  return text;
}

std::string default_text(const Field& field) {
  return field.required ? "required" : format_field(field, field.get(Config{}));
}

}  // namespace

std::string dump_yaml(const Config& config) {
  std::string text = "# Resolved configuration: every field, defaults included.\n";
  std::string_view section;
  for (const Field& field : config_fields()) {
    if (field.section() != section) {
      section = field.section();
      text += fmt::format("\n{}:\n", section);
    }
    const std::string setting =
        fmt::format("  {}: {}", field.key(), format_field(field, field.get(config)));
    const std::string limits = constraint(field);
    text += fmt::format("{:<36}  # {}{}\n", setting, field.help,
                        limits.empty() ? "" : " [" + limits + "]");
  }
  return text;
}

std::string config_help() {
  std::string text =
      "Fields of a configuration, set as 'section: {field: value}' in the YAML file or as\n"
      "section.field=value on the command line:\n";
  std::string_view section;
  for (const Field& field : config_fields()) {
    if (field.section() != section) {
      section = field.section();
      text += "\n";
    }
    const std::string limits = constraint(field);
    text += fmt::format("  {:<31} {}\n{:34}{}{} (default: {})\n", field.name, field.help, "",
                        field.type == FieldType::Choice ? "" : field.type_name(),
                        limits.empty()                    ? ""
                        : field.type == FieldType::Choice ? limits
                                                          : ", " + limits,
                        default_text(field));
  }
  return text;
}

std::string config_markdown() {
  std::string text;
  std::string_view section;
  for (const Field& field : config_fields()) {
    if (field.section() != section) {
      section = field.section();
      text += fmt::format(
          "{}### {}\n\n| field | type | range | unit | default | meaning "
          "|\n|---|---|---|---|---|---|\n",
          text.empty() ? "" : "\n", section);
    }
    std::string type = field.type_name();
    for (std::size_t at = 0; (at = type.find(" | ", at)) != std::string::npos;) {
      type.replace(at, 3, ", ");
    }
    const std::string value = default_text(field);
    text +=
        fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", field.name, type, field.range.describe(),
                    field.unit, field.required ? value : "`" + value + "`", field.help);
  }
  return text;
}

}  // namespace krait
