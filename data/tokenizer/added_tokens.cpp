#include "data/tokenizer/added_tokens.h"

namespace krait {
namespace {

bool has(char32_t code, std::uint8_t bit) {
  return (unicode_properties()[code] & bit) != 0;
}

/// The last character of a valid text that is not empty.
Utf8Character last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while ((static_cast<std::uint8_t>(text[at]) & 0xc0) == 0x80) --at;
  return decode_utf8(text.data() + at);
}

}  // namespace

std::size_t leading_blanks(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Utf8Character c = decode_utf8(text.data() + at);
    if (!has(c.code, unicode_property::kBlank)) break;
    at += c.bytes;
  }
  return at;
}

std::size_t trailing_blanks(std::string_view text) {
  const std::size_t size = text.size();
  while (!text.empty()) {
    const Utf8Character c = last_character(text);
    if (!has(c.code, unicode_property::kBlank)) break;
    text.remove_suffix(c.bytes);
  }
  return size - text.size();
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    insert(tokens_[i].content, static_cast<std::int32_t>(i));
    forbid_cuts(tokens_[i]);
  }
}

void AddedTokenFinder::insert(std::string_view content, std::int32_t index) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(content[i]); };
  if (content.size() > 1) {
    starts_.set(pair(byte(0), byte(1)));
  } else {
    for (unsigned second = 0; second < 256; ++second) {
      starts_.set(pair(byte(0), static_cast<std::uint8_t>(second)));
    }
  }
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto next = static_cast<std::uint32_t>(ends_.size());
    const auto [child, is_new] = children_.try_emplace(std::uint64_t{node} << 8 | byte(i), next);
    if (is_new) ends_.push_back(-1);
    node = child->second;
  }
  if (ends_[node] < 0) ends_[node] = index;
}

void AddedTokenFinder::forbid_cuts(const AddedToken& token) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(token.content[i]); };
  const std::size_t size = token.content.size();
  for (std::size_t i = 0; i + 1 < size; ++i) uncuttable_.set(pair(byte(i), byte(i + 1)));
  if (token.lstrip) uncuttable_.set(pair('\n', byte(0)));  // it would take the line end along
  for (unsigned other = 0; other < 256; ++other) {
    const auto any = static_cast<std::uint8_t>(other);
    const bool may_be_blank = other <= ' ' || other >= 0x80;
    if (token.rstrip && may_be_blank) uncuttable_.set(pair(byte(size - 1), any));
    if (token.single_word) {
      uncuttable_.set(pair(byte(size - 1), any));
      uncuttable_.set(pair(any, byte(0)));
    }
    // In a normalised text the second character may have become another.
    if (token.normalized) {
      for (std::size_t i = 0; i + 1 < size; ++i) uncuttable_.set(pair(byte(i), any));
    }
  }
  if (token.normalized && (token.lstrip || token.single_word)) uncuttable_.set();
}

AddedTokenFinder::Match AddedTokenFinder::longest_at(std::string_view text, std::size_t at) const {
  Match match;
  std::uint32_t node = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const auto child =
        children_.find(std::uint64_t{node} << 8 | static_cast<std::uint8_t>(text[i]));
    if (child == children_.end()) break;
    node = child->second;
    if (const std::int32_t token = ends_[node]; token >= 0) {
      match = {.begin = at, .end = i + 1, .token = &tokens_[static_cast<std::size_t>(token)]};
    }
  }
  return match;
}

AddedTokenFinder::Match AddedTokenFinder::find(std::string_view text, std::size_t at) const {
  if (tokens_.empty()) return {};
  for (; at < text.size(); ++at) {
    const auto first = static_cast<std::uint8_t>(text[at]);
    const std::uint8_t second = at + 1 < text.size() ? static_cast<std::uint8_t>(text[at + 1]) : 0;
    if (!starts_[pair(first, second)]) continue;
    if (const Match match = longest_at(text, at); match.token != nullptr) return match;
  }
  return {};
}

bool AddedTokenFinder::is_word_around(std::string_view text, const Match& match) {
  const std::string_view before = text.substr(0, match.begin), after = text.substr(match.end);
  return (!before.empty() && has(last_character(before).code, unicode_property::kWord)) ||
         (!after.empty() && has(decode_utf8(after.data()).code, unicode_property::kWord));
}

}  // namespace krait
