#include "train/evaluate/choice_file.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "core/system/hash.h"

namespace krait {
namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* field, const std::string& where) {
  const auto found = object.find(field);
  KRAIT_CHECK(BadData, found != object.end() && found->is_string(), where, "needs a string '",
              field, "'.");
  return found->get<std::string>();
}

void read_choices(const json& object, const std::string& where, TaskExample* example) {
  const json& choices = object.at("choices");
  KRAIT_CHECK(BadData, choices.is_array() && choices.size() >= 2, where,
              "'choices' must be a list of two strings or more.");
  for (const json& choice : choices) {
    KRAIT_CHECK(BadData, choice.is_string() && !choice.get_ref<const std::string&>().empty(), where,
                "every one of 'choices' must be a string with at least one character.");
    example->choices.push_back(choice.get<std::string>());
  }
  const auto gold = object.find("gold");
  const bool good = gold != object.end() && gold->is_number_unsigned() &&
                    gold->get<std::uint64_t>() < choices.size();
  KRAIT_CHECK(BadData, good, where, "'gold' must be the place of the right choice, 0 to ",
              choices.size() - 1, ".");
  example->gold = gold->get<std::size_t>();
}

void split_last_word(const json& object, const std::string& where, TaskExample* example) {
  const std::string text = text_of(object, "text", where);
  const std::size_t blank = text.rfind(' ');
  KRAIT_CHECK(BadData, blank != std::string::npos && blank + 1 < text.size(), where,
              "'text' must hold a blank and a last word after it.");
  example->context = text.substr(0, blank);
  example->choices = {text.substr(blank + 1)};
}

std::pair<TaskKind, TaskExample> parse_example(std::string_view line, const std::string& where) {
  const json object = json::parse(line, nullptr, false);
  KRAIT_CHECK(BadData, object.is_object(), where, "is not a JSON object.");
  TaskExample example;
  if (object.contains("choices")) {
    example.context = text_of(object, "context", where);
    read_choices(object, where, &example);
    return {TaskKind::MultipleChoice, std::move(example)};
  }
  if (object.contains("target")) {
    example.context = text_of(object, "context", where);
    example.choices = {text_of(object, "target", where)};
    KRAIT_CHECK(BadData, !example.choices[0].empty(), where, "'target' is empty.");
    return {TaskKind::LastWord, std::move(example)};
  }
  KRAIT_CHECK(BadData, object.contains("text"), where,
              "needs 'context' with 'choices' and 'gold', or 'context' with 'target', or 'text'.");
  split_last_word(object, where, &example);
  return {TaskKind::LastWord, std::move(example)};
}

}  // namespace

TaskFile read_task_file(const std::filesystem::path& path) {
  const std::string contents = read_file(path);
  TaskFile file{.path = path, .sha256 = sha256_hex(contents)};
  std::string_view rest = contents;
  for (std::uint64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = str(path.string(), ":", number, ": ");
    auto [kind, example] = parse_example(line, where);
    KRAIT_CHECK(BadData, file.examples.empty() || kind == file.kind, where,
                "has a target while lines before it have choices, or the reverse; give a file of "
                "one kind.");
    file.kind = kind;
    example.line = number;
    file.examples.push_back(std::move(example));
  }
  KRAIT_CHECK(BadData, !file.examples.empty(), "'", path.string(),
              "' holds no example; give a file with one JSON object per line.");
  return file;
}

}  // namespace krait
