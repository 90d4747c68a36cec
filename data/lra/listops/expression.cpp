#include "data/lra/listops/expression.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"

namespace krait {
namespace {

constexpr std::array<std::string_view, kListOpsSymbols> kSymbols{
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "[MIN", "[MAX", "[MED", "[SM", "]"};

bool is_operator(std::int32_t id) {
  return id >= kMin && id <= kSm;
}

std::int32_t usual_value(std::int32_t op) {
  return op == kMin ? 0 : op == kMax ? 9 : 4;
}

/// `arguments` are not empty and lose their order.
std::int32_t apply(std::int32_t op, std::span<std::int32_t> arguments) {
  if (op == kMin) return std::ranges::min(arguments);
  if (op == kMax) return std::ranges::max(arguments);
  if (op == kSm) return std::accumulate(arguments.begin(), arguments.end(), 0) % 10;
  std::ranges::sort(arguments);
  const std::size_t half = arguments.size() / 2;
  if (arguments.size() % 2 == 1) return arguments[half];
  return (arguments[half - 1] + arguments[half]) / 2;
}

/// An operator whose close has not come.
struct Open {
  std::int32_t op = 0;
  std::size_t first = 0;  // of its arguments on the stack of values
};

/// Walks over an expression and calls `closed(op, depth, start, value)` at the end of each
/// operator, which may change its value; `start` is its place in the expression, `depth` 1 for the
/// outermost. Returns nothing when it is no expression.
template <class Closed>
std::optional<std::int32_t> walk(std::span<const std::int32_t> expression, Closed&& closed) {
  std::vector<Open> open;
  std::vector<std::size_t> starts;
  std::vector<std::int32_t> values;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const std::int32_t id = expression[i];
    const bool whole = open.empty() && !values.empty();
    if (whole || id < 0 || id >= kListOpsSymbols) return std::nullopt;
    if (is_operator(id)) {
      open.push_back({.op = id, .first = values.size()});
      starts.push_back(i);
    } else if (id != kClose) {
      values.push_back(id);
    } else {
      if (open.empty() || open.back().first == values.size()) return std::nullopt;
      const Open one = open.back();
      std::int32_t value = apply(one.op, std::span(values).subspan(one.first));
      closed(one.op, static_cast<int>(open.size()), starts.back(), value);
      values.resize(one.first);
      values.push_back(value);
      open.pop_back();
      starts.pop_back();
    }
  }
  if (!open.empty() || values.size() != 1) return std::nullopt;
  return values[0];
}

}  // namespace

std::string_view listops_symbol(std::int32_t id) {
  return kSymbols.at(static_cast<std::size_t>(id));
}

std::optional<std::int32_t> listops_value(std::span<const std::int32_t> expression) {
  return walk(expression, [](auto...) {});
}

std::int32_t listops_oracle(std::span<const std::int32_t> expression, int levels) {
  const auto value =
      walk(expression, [levels](std::int32_t op, int depth, std::size_t, std::int32_t& result) {
        if (depth > levels) result = usual_value(op);
      });
  KRAIT_REQUIRE(value, "[listops_oracle] the ids must be an expression.");
  return *value;
}

ListOpsExpression listops_truncated(std::span<const std::int32_t> expression, int levels) {
  // Where the outermost operators that are replaced start, and what by.
  std::vector<std::pair<std::size_t, std::int32_t>> values;
  const auto whole =
      walk(expression, [&](std::int32_t, int depth, std::size_t start, std::int32_t value) {
        if (depth == levels + 1) values.emplace_back(start, value);
      });
  KRAIT_REQUIRE(whole && levels >= 0, "[listops_truncated] the ids must be an expression.");
  ListOpsExpression result;
  auto next = values.begin();
  int below = 0;  // open operators from the replaced one on
  for (std::size_t i = 0; i < expression.size(); ++i) {
    if (next != values.end() && i == next->first) {
      result.push_back(next++->second);
      below = 1;
    } else if (below > 0) {
      below += is_operator(expression[i]) ? 1 : expression[i] == kClose ? -1 : 0;
    } else {
      result.push_back(expression[i]);
    }
  }
  return result;
}

int listops_height(std::span<const std::int32_t> expression) {
  int height = 0;
  walk(expression, [&](std::int32_t, int depth, std::size_t, std::int32_t) {
    height = std::max(height, depth);
  });
  return height;
}

std::optional<ListOpsExpression> parse_listops(std::string_view text, std::string& problem) {
  constexpr std::string_view kBlanks = " \t";
  ListOpsExpression ids;
  for (std::size_t at = text.find_first_not_of(kBlanks); at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
    const std::string_view token = text.substr(at, end - at);
    at = std::min(text.find_first_not_of(kBlanks, end), text.size());
    if (token == "(" || token == ")") continue;
    const auto found = std::ranges::find(kSymbols, token);
    if (found == kSymbols.end()) {
      problem = str("'", token.substr(0, 20), "' is not a token of ListOps");
      return std::nullopt;
    }
    ids.push_back(static_cast<std::int32_t>(found - kSymbols.begin()));
  }
  if (!listops_value(ids)) {
    problem = ids.empty() ? "there is no expression"
                          : "the operators and their ']' do not form one expression";
    return std::nullopt;
  }
  return ids;
}

std::string format_listops(std::span<const std::int32_t> expression) {
  // In front of an operator stands a bracket for each of its arguments and one for its ']'.
  std::vector<std::size_t> brackets(expression.size(), 0), open;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    if (expression[i] == kClose) {
      ++brackets[open.back()];
      open.pop_back();
    }
    if (expression[i] != kClose && !open.empty()) ++brackets[open.back()];
    if (is_operator(expression[i])) open.push_back(i);
  }
  std::string text;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const std::int32_t id = expression[i];
    if (is_operator(id)) {
      for (std::size_t k = 0; k < brackets[i]; ++k) text += "( ";
      text.append(listops_symbol(id)) += ' ';
      ++depth;
      continue;
    }
    text.append(listops_symbol(id)) += ' ';
    if (id == kClose) {
      text += ") ";
      --depth;
    }
    if (depth > 0) text += ") ";
  }
  text.pop_back();
  return text;
}

}  // namespace krait
