#include "data/loader/mixture.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"

namespace krait {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kForm = "'web.h5:0.7, code.h5:0.3'";

/// A part of a text that knows where it is.
struct Piece {
  std::string_view text;
  std::size_t offset = 0;

  Piece part(std::size_t begin, std::size_t size) const {
    return {text.substr(begin, size), offset + begin};
  }
  Piece trimmed() const {
    const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
    return part(begin, text.find_last_not_of(kBlanks) + 1 - begin);
  }
};

std::optional<double> parse_weight(std::string_view text) {
  double weight = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, weight);
  if (error != std::errc() || stop != end || !std::isfinite(weight)) return std::nullopt;
  return weight;
}

std::optional<MixtureItem> fail(const Piece& where, TextProblem& problem, std::string message) {
  problem = {where.offset, std::move(message)};
  return std::nullopt;
}

std::optional<MixtureItem> parse_item(const Piece& item, TextProblem& problem) {
  if (item.text.empty()) {
    return fail(item, problem, str("names no set between two commas; the form is ", kForm));
  }
  const std::size_t colon = item.text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(item, problem, str("has no weight for '", item.text, "'; the form is ", kForm));
  }
  const Piece path = item.part(0, colon).trimmed();
  const Piece number = item.part(colon + 1, item.text.size()).trimmed();
  if (path.text.empty())
    return fail(item, problem, str("has a weight without a set; the form is ", kForm));
  const auto weight = parse_weight(number.text);
  if (!weight || *weight <= 0) {
    return fail(number, problem,
                str("has the weight '", number.text, "' for '", path.text,
                    "', which must be a number above 0"));
  }
  return MixtureItem{.path = std::string(path.text), .weight = *weight};
}

/// The only set of a text without a comma. What follows its last colon is a weight if it can be.
MixtureItem single_item(std::string_view text) {
  TextProblem ignored;
  if (const auto item = parse_item(Piece{text}.trimmed(), ignored)) return *item;
  return {.path = std::string(text)};
}

}  // namespace

std::optional<std::vector<MixtureItem>> parse_mixture(std::string_view text, TextProblem& problem) {
  if (text.find(',') == std::string_view::npos) return std::vector{single_item(text)};
  std::vector<MixtureItem> items;
  const Piece whole{text};
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const Piece piece = whole.part(begin, end - begin).trimmed();
    const auto item = parse_item(piece, problem);
    if (!item) return std::nullopt;
    if (std::ranges::count(items, item->path, &MixtureItem::path) > 0) {
      problem = {piece.offset, "names '" + item->path + "' twice; give it one weight"};
      return std::nullopt;
    }
    items.push_back(*item);
    begin = end + 1;
  }
  return items;
}

std::vector<MixtureItem> parse_mixture(std::string_view text) {
  TextProblem problem;
  auto items = parse_mixture(text, problem);
  KRAIT_CHECK(BadConfig, items, "'", text, "' ", problem.message, ".");
  return std::move(*items);
}

}  // namespace krait
