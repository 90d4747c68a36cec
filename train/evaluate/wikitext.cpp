#include "train/evaluate/wikitext.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "train/evaluate/white_space.h"

namespace krait {
namespace {

struct Replacement {
  std::string_view from, to;
};

/// Every `from`, found from the left without overlap, becomes `to`.
std::string replace_all(std::string_view text, const Replacement& r) {
  std::string result;
  result.reserve(text.size());
  while (true) {
    const std::size_t at = text.find(r.from);
    result += text.substr(0, at);
    if (at == std::string_view::npos) return result;
    result += r.to;
    text.remove_prefix(at + r.from.size());
  }
}

/// OPEN white space, the shortest text without CLOSE, white space, CLOSE: loses the white space.
/// The text may cross lines and hold further OPENs.
std::string strip_inside(std::string_view text, char open, char close) {
  std::string result;
  result.reserve(text.size());
  while (true) {
    const std::size_t from = text.find(open);
    const std::size_t to = from == std::string_view::npos ? from : text.find(close, from + 1);
    if (to == std::string_view::npos) return result += text;
    result += text.substr(0, from + 1);
    result += strip(text.substr(from + 1, to - from - 1));
    result += close;
    text.remove_prefix(to + 1);
  }
}

/// The original's re.sub(r"/' [0-9]/", r"/'[0-9]/", text): meant to keep the digit, it writes
/// "[0-9]". No WikiText has the slashes, but what it does is done.
std::string replace_slashed_digits(std::string_view text) {
  std::string result;
  while (true) {
    const std::size_t at = text.find("/' ");
    if (at == std::string_view::npos || at + 5 > text.size()) return result += text;
    const bool digit = text[at + 3] >= '0' && text[at + 3] <= '9';
    if (digit && text[at + 4] == '/') {
      result += text.substr(0, at);
      result += "/'[0-9]/";
      text.remove_prefix(at + 5);
    } else {
      result += text.substr(0, at + 1);
      text.remove_prefix(at + 1);
    }
  }
}

constexpr std::array kNumbersAndPunctuation = {
    Replacement{" @-@ ", "-"}, Replacement{" @,@ ", ","}, Replacement{" @.@ ", "."},
    Replacement{" : ", ": "},  Replacement{" ; ", "; "},  Replacement{" . ", ". "},
    Replacement{" ! ", "! "},  Replacement{" ? ", "? "},  Replacement{" , ", ", "}};
constexpr std::array<std::string_view, 5> kPairs = {"()", "[]", "{}", "\"\"", "''"};
constexpr std::array kRest = {Replacement{"= = = =", "===="}, Replacement{"= = =", "==="},
                              Replacement{"= =", "=="},       Replacement{" \u00b0 ", "\u00b0"},
                              Replacement{" \n", "\n"},       Replacement{"\n ", "\n"},
                              Replacement{" N ", " 1 "},      Replacement{" 's", "'s"}};

bool is_title(std::string_view line) {
  if (!strip(line).starts_with("= ")) return false;  // nearly every line, at no cost
  const std::string shorter = replace_all(replace_all(line, {"= = =", "==="}), {"= =", "=="});
  const std::string_view stripped = strip(shorter);
  return stripped.starts_with("= ") && stripped.ends_with(" =");
}

}  // namespace

std::vector<std::string_view> wikitext_articles(std::string_view text) {
  std::vector<std::string_view> articles;
  std::size_t article = 0;  // where the present one starts
  for (std::size_t line = 0; line < text.size();) {
    const std::size_t end = std::min(text.find('\n', line), text.size());
    if (line > article && is_title(text.substr(line, end - line))) {
      const std::string_view before = text.substr(article, line - 1 - article);
      if (!strip(before).empty()) articles.push_back(before);
      article = line;
    }
    line = end + 1;
  }
  articles.push_back(text.substr(article));
  return articles;
}

std::string detokenize_wikitext(std::string_view page) {
  std::string text = replace_slashed_digits(replace_all(page, {"s '", "s'"}));
  for (const Replacement& r : kNumbersAndPunctuation) text = replace_all(text, r);
  for (const std::string_view pair : kPairs) text = strip_inside(text, pair[0], pair[1]);
  for (const Replacement& r : kRest) text = replace_all(text, r);
  return text;
}

}  // namespace krait
