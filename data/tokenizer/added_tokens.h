// Tokens that are found in a text before it is cut and merged: special tokens, runs of blanks.
#pragma once
#include <bitset>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/unicode/characters.h"
#include "data/unicode/utf8.h"

namespace krait {

/// An entry of added_tokens in a tokenizer.json.
struct AddedToken {
  std::string content;  // valid UTF-8, not empty
  std::int32_t id = 0;
  bool special = false;
  bool normalized = false;   // is searched in the normalised text, in its own normal form
  bool single_word = false;  // not next to a word character
  bool lstrip = false, rstrip = false;  // includes the blanks before it, or after it
  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

/// Finds tokens in a text from left to right: at each place the longest, without overlaps. Takes at
/// most n times the length of the longest token.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  /// Of tokens with equal contents the first counts.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  /// Calls on_text(part) and on_token(id) for the parts of a valid text, from left to right.
  template <class OnText, class OnToken>
  void split(std::string_view text, OnText&& on_text, OnToken&& on_token) const;

  /// Whether a text may be cut between two characters, the first of which ends with byte `last`
  /// while the second starts with byte `next`: no token spans such a place or looks past it. Holds
  /// where PreTokenizer::may_cut does, so the first is a letter, a number or a lone line end.
  bool may_cut(char last, char next) const {
    return !uncuttable_[pair(static_cast<std::uint8_t>(last), static_cast<std::uint8_t>(next))];
  }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  struct Match {
    std::size_t begin = 0, end = 0;
    const AddedToken* token = nullptr;
  };
  static constexpr std::size_t kPairs = std::size_t{1} << 16;
  static constexpr std::size_t pair(std::uint8_t first, std::uint8_t second) {
    return std::size_t{first} << 8 | second;
  }
  void insert(std::string_view content, std::int32_t index);
  void forbid_cuts(const AddedToken& token);
  /// The first match that starts at `at` or after it; without a token if there is none.
  Match find(std::string_view text, std::size_t at) const;
  Match longest_at(std::string_view text, std::size_t at) const;
  static bool is_word_around(std::string_view text, const Match& match);

  /// A trie: children by (node, byte); the token that ends at a node, or -1.
  std::unordered_map<std::uint64_t, std::uint32_t> children_;
  std::vector<std::int32_t> ends_{-1};
  std::vector<AddedToken> tokens_;
  std::bitset<kPairs> starts_;  // first two bytes of a token
  std::bitset<kPairs> uncuttable_;
};

/// Bytes of the blanks (\s) that a valid text starts with, or ends with.
std::size_t leading_blanks(std::string_view text);
std::size_t trailing_blanks(std::string_view text);

template <class OnText, class OnToken>
void AddedTokenFinder::split(std::string_view text, OnText&& on_text, OnToken&& on_token) const {
  std::size_t done = 0;          // bytes already passed on
  std::size_t blanks_until = 0;  // the end of the blanks that rstrip took last
  for (Match m = find(text, 0); m.token != nullptr; m = find(text, m.end)) {
    if (m.token->single_word && is_word_around(text, m)) continue;
    std::size_t begin = m.begin, end = m.end;
    if (m.token->lstrip) {
      begin = begin > done ? begin - trailing_blanks(text.substr(done, begin - done)) : done;
    }
    if (m.token->rstrip) {
      if (end > blanks_until) blanks_until = end + leading_blanks(text.substr(end));
      end = blanks_until;
    }
    if (begin >= end) continue;  // it consists of blanks that the previous token included
    if (done < begin) on_text(text.substr(done, begin - done));
    on_token(m.token->id);
    done = end;
  }
  if (done < text.size()) on_text(text.substr(done));
}

}  // namespace krait
