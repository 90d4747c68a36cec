// Text of one scalar <-> value of a field. YAML's own guesses about scalars (yes, 010, 0x1F, .inf)
// are not used: the schema says what a text must be.
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

#include <fmt/format.h>

#include "train/config/nearest_name.h"
#include "train/config/schema.h"

namespace krait {
namespace {

constexpr std::size_t kShownText = 60;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string shown(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, kShownText)) {
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + (text.size() > kShownText ? "...'" : "'");
}

/// [+-] digits [. digits] [e [+-] digits], or . digits; no leading zeros before another digit.
struct NumberForm {
  bool valid = false;
  bool leading_zero = false;
  bool only_digits = false;
};

NumberForm number_form(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - start;
  };
  NumberForm form;
  if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
  const std::size_t start = i;
  std::size_t count = digits();
  form.leading_zero = count > 1 && text[start] == '0';
  form.only_digits = i == text.size() && count > 0;
  if (i < text.size() && text[i] == '.') {
    ++i;
    count += digits();
  }
  if (count == 0) return form;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return form;
  }
  form.valid = i == text.size();
  return form;
}

std::string_view without_plus(std::string_view text) {
  return text.starts_with('+') ? text.substr(1) : text;
}

template <class T>
std::optional<T> convert(std::string_view text) {
  const std::string_view digits = without_plus(text);
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<FieldValue> parse_integer(std::string_view text, std::string& problem) {
  const NumberForm form = number_form(text);
  constexpr double kExact = 9007199254740992.0;  // 2^53: every integer below it is a double
  if (form.valid && form.only_digits) {
    if (const auto value = convert<std::int64_t>(text)) return FieldValue(*value);
    problem = "is too large for a 64-bit integer, got " + shown(text);
    return std::nullopt;
  }
  if (const auto value = form.valid ? convert<double>(text) : std::nullopt;
      value && *value == std::floor(*value) && std::abs(*value) <= kExact) {
    return FieldValue(static_cast<std::int64_t>(*value));
  }
  problem = "must be an integer, got " + shown(text);
  return std::nullopt;
}

std::optional<FieldValue> parse_number(std::string_view text, std::string& problem) {
  if (!number_form(text).valid) {
    problem = "must be a number, got " + shown(text);
    return std::nullopt;
  }
  if (const auto value = convert<double>(text)) return FieldValue(*value);
  problem = "is out of the range of 64-bit floating point, got " + shown(text);
  return std::nullopt;
}

std::optional<FieldValue> parse_choice(const Field& field, std::string_view text,
                                       std::string& problem) {
  std::vector<std::string> names;
  for (const std::string_view choice : field.choices) {
    if (choice == text) return FieldValue(std::string(text));
    names.emplace_back(choice);
  }
  problem = fmt::format("must be one of {}, got {}", fmt::join(names, ", "), shown(text));
  const std::string nearest = nearest_name(text, names);
  if (!nearest.empty()) problem += "; did you mean " + nearest + "?";
  return std::nullopt;
}

std::optional<FieldValue> parse_text(const Field& field, std::string_view text,
                                     std::string& problem) {
  if (text.find('\0') != std::string_view::npos) {
    problem = "must not contain a zero byte";
  } else if (text.empty() && field.required) {
    problem = "must not be empty";
  } else if (const auto wrong = field.check == nullptr ? std::nullopt : field.check(text)) {
    problem = wrong->message;
  } else {
    return FieldValue(std::string(text));
  }
  return std::nullopt;
}

std::optional<FieldValue> check_range(const Field& field, std::optional<FieldValue> value,
                                      std::string_view text, std::string& problem) {
  if (!value) return value;
  const double x = field.type == FieldType::Integer
                       ? static_cast<double>(std::get<std::int64_t>(*value))
                       : std::get<double>(*value);
  if (field.range.contains(x)) return value;
  problem = fmt::format("must be {}, got {}", field.range.describe(), shown(text));
  return std::nullopt;
}

std::string quoted_text(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string shortest(double value) {
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

}  // namespace

std::optional<FieldValue> parse_field(const Field& field, std::string_view text, bool quoted,
                                      std::string& problem) {
  if (field.type == FieldType::Text) return parse_text(field, text, problem);
  if (field.type == FieldType::Choice) return parse_choice(field, text, problem);
  if (quoted) {
    problem = fmt::format("must be {}, got the quoted text {}; remove the quotes",
                          field.type_name(), shown(text));
    return std::nullopt;
  }
  if (field.type == FieldType::Boolean) {
    if (text == "true" || text == "false") return FieldValue(text == "true");
    problem = "must be true or false, got " + shown(text);
    return std::nullopt;
  }
  if (number_form(text).leading_zero) {
    problem = "must not begin with 0 (numbers are decimal), got " + shown(text);
    return std::nullopt;
  }
  return check_range(
      field,
      field.type == FieldType::Integer ? parse_integer(text, problem) : parse_number(text, problem),
      text, problem);
}

std::string format_field(const Field& field, const FieldValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return shortest(*number);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  const std::string& text = std::get<std::string>(value);
  return field.type == FieldType::Choice ? text : quoted_text(text);
}

}  // namespace krait
