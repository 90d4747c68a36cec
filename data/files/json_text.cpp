#include "data/files/json_text.h"

#include <cstdint>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace krait {
namespace {

/// Takes one string out of an object and checks the rest, without building the values.
class FieldReader final : public nlohmann::json::json_sax_t {
 public:
  explicit FieldReader(const std::string& field) : field_(field) {}

  std::optional<std::string> text;
  std::string problem;  // empty while there is none

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& found) override {
    if (!wanted()) return value();
    if (text) return fail("has the field '" + field_ + "' twice");
    text = std::move(found);
    wanted_ = false;
    return true;
  }
  bool start_object(std::size_t) override { return (depth_ == 0 || value()) && enter(); }
  bool start_array(std::size_t) override { return value() && enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    wanted_ = depth_ == 1 && name == field_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    return fail("is not valid JSON at byte " + std::to_string(position));
  }

 private:
  bool wanted() const { return depth_ == 1 && wanted_; }
  // A value that is not the text: the line's whole must be an object, the field a string.
  bool value() {
    if (depth_ == 0) return fail("is not a JSON object");
    if (wanted()) return fail("has a field '" + field_ + "' that is not a string");
    return true;
  }
  bool enter() {
    ++depth_;
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool fail(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }

  std::string field_;
  std::uint64_t depth_ = 0;
  bool wanted_ = false;
};

}  // namespace

std::string json_text_field(std::string_view line, const std::string& field,
                            const std::string& where) {
  FieldReader reader(field);
  nlohmann::json::sax_parse(line, &reader);
  if (reader.problem.empty() && !reader.text) reader.problem = "has no field '" + field + "'";
  KRAIT_CHECK(BadData, reader.problem.empty(), where, ": the line ", reader.problem,
              "; correct or remove it.");
  return std::move(*reader.text);
}

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace krait
