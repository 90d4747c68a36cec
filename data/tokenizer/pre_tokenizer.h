// Cuts a text into pre-tokens: no merge crosses their borders. The regular expressions of the
// published tokenizers are matched by hand-written code in linear time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace krait {

/// The regular expression that cuts the text.
enum class PreTokenPattern : std::uint8_t {
  Whole,  // none: the text is one pre-token
  /// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  Gpt2,
  /// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
  /// \s*[\r\n]+|\s+(?!\S)|\s+
  Llama3,
  Qwen2,  // the same with \p{N} for \p{N}{1,3}
};

/// The pattern for a regular expression, or for another known form with the same matches.
std::optional<PreTokenPattern> pattern_called(std::string_view regex);
/// The regular expression of a pattern in a tokenizer.json; not for Whole.
std::string_view regex_of(PreTokenPattern pattern);

/// Where a blank goes before a text that does not start with one (add_prefix_space).
enum class PrefixSpace : std::uint8_t { None, BeforeText, BeforePreTokens };

struct PreTokenizer {
  PreTokenPattern pattern = PreTokenPattern::Gpt2;
  PrefixSpace prefix_space = PrefixSpace::None;

  /// Bytes of the first pre-token of a text that is valid UTF-8 and not empty. Every character is
  /// in one. Time proportional to the pre-token, and the run of blanks it starts with.
  std::size_t first(std::string_view text) const;
  /// Whether a text, valid or not, may be cut at 0 < at < text.size(): both parts, whatever follows
  /// the second, are normalised and cut into pre-tokens as in the whole. This holds between a
  /// letter or number and a character of another class, and after a lone line end, unless NFC moves
  /// the characters there.
  bool may_cut(std::string_view text, std::size_t at) const;
};

}  // namespace krait
