#include "data/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "data/unicode/characters.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

namespace property = unicode_property;

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt2Grouped =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::pair<std::string_view, PreTokenPattern> kPatterns[] = {
    {kGpt2, PreTokenPattern::Gpt2},
    {kGpt2Grouped, PreTokenPattern::Gpt2},
    {kLlama3, PreTokenPattern::Llama3},
    {kQwen2, PreTokenPattern::Qwen2}};

/// The classes of characters as the patterns name them: kOther is [^\s\p{L}\p{N}].
constexpr std::uint8_t kOther = 0;

constexpr bool is_newline(char c) {
  return c == '\r' || c == '\n';
}

/// A place in a text, and what matches from there.
class Matcher {
 public:
  Matcher(std::string_view text)
      : begin_(text.data()), end_(begin_ + text.size()), properties_(unicode_properties()) {}

  std::size_t gpt2() const {
    const char* at = begin_;
    if (const std::size_t bytes = contraction<false>(); bytes > 0) return bytes;
    if (*at == ' ' && at + 1 < end_ && class_at(at + 1) != property::kBlank) ++at;
    const std::uint8_t kind = class_at(at);
    if (kind == property::kBlank) return blanks();
    return length(run_of(kind, at));
  }

  std::size_t llama3(int most_digits) const {
    const char* at = begin_;
    if (const std::size_t bytes = contraction<true>(); bytes > 0) return bytes;
    const std::uint8_t kind = class_at(at);
    if (kind == property::kLetter) return length(run_of(property::kLetter, at));
    if (kind == property::kNumber) return length(digits(most_digits));
    const char* second = at + bytes_at(at);
    const std::uint8_t next = second < end_ ? class_at(second) : property::kBlank;
    if (next == property::kLetter && !is_newline(*at)) {
      return length(run_of(property::kLetter, second));
    }
    if (kind == kOther || (*at == ' ' && next == kOther)) {
      at = run_of(kOther, kind == kOther ? at : second);
      while (at < end_ && is_newline(*at)) ++at;
      return length(at);
    }
    return blanks_with_lines();
  }

 private:
  std::size_t length(const char* end) const { return static_cast<std::size_t>(end - begin_); }
  static unsigned bytes_at(const char* at) {
    return static_cast<std::uint8_t>(*at) < 0x80 ? 1 : decode_utf8(at).bytes;
  }
  std::uint8_t class_at(const char* at) const {
    return properties_[decode_utf8(at).code] & property::kClass;
  }
  /// The end of the characters of a class from `at` on.
  const char* run_of(std::uint8_t kind, const char* at) const {
    while (at < end_) {
      const Utf8Character c = decode_utf8(at);
      if ((properties_[c.code] & property::kClass) != kind) break;
      at += c.bytes;
    }
    return at;
  }
  const char* digits(int most) const {
    const char* at = begin_;
    for (int i = 0; i < most && at < end_ && class_at(at) == property::kNumber; ++i) {
      at += bytes_at(at);
    }
    return at;
  }

  /// \s+(?!\S)|\s+: all blanks at the end of the text; before something else all but the last, and
  /// the last alone.
  std::size_t blanks() const { return blanks_to(nullptr); }
  /// \s*[\r\n]+ first: to the last line end among the blanks.
  std::size_t blanks_with_lines() const {
    const char* line_end = nullptr;
    const std::size_t bytes = blanks_to(&line_end);
    return line_end == nullptr ? bytes : length(line_end);
  }
  std::size_t blanks_to(const char** line_end) const {
    const char *at = begin_, *last = begin_;
    while (at < end_) {
      const Utf8Character c = decode_utf8(at);
      if ((properties_[c.code] & property::kBlank) == 0) {
        return last == begin_ ? length(at) : length(last);
      }
      last = at;
      at += c.bytes;
      if (line_end != nullptr && is_newline(*last)) *line_end = at;
    }
    return length(end_);
  }

  /// 's|'t|'re|'ve|'m|'ll|'d, in capitals too where they are ignored.
  template <bool kIgnoreCase>
  std::size_t contraction() const {
    if (*begin_ != '\'') return 0;
    const std::string_view rest(begin_ + 1, length(end_) - 1);
    const auto letter = [&](std::size_t i) -> char {
      if (i >= rest.size()) return 0;
      return kIgnoreCase && rest[i] >= 'A' && rest[i] <= 'Z' ? static_cast<char>(rest[i] + 32)
                                                             : rest[i];
    };
    switch (letter(0)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return 2;
      case 'r':
      case 'v':
        return letter(1) == 'e' ? 3 : 0;
      case 'l':
        return letter(1) == 'l' ? 3 : 0;
      default:
        // The long s is an s of another case.
        return kIgnoreCase && rest.starts_with("\xc5\xbf") ? 3 : 0;
    }
  }

  const char *begin_, *end_;
  const std::uint8_t* properties_;
};

/// The character of a text, valid or not, that ends at `end` > 0; nothing if none does.
std::optional<Utf8Character> character_before(std::string_view text, std::size_t end) {
  for (std::size_t bytes = 1; bytes <= std::min<std::size_t>(end, 4); ++bytes) {
    const std::string_view part = text.substr(end - bytes, bytes);
    if ((static_cast<std::uint8_t>(part[0]) & 0xc0) == 0x80) continue;
    const Utf8Piece piece = first_utf8_piece(part);
    if (piece.kind != Utf8Piece::Kind::Character || piece.bytes != bytes) return {};
    return decode_utf8(part.data());
  }
  return {};
}

/// The character that starts at `at`; nothing if none does, or its end is not there yet.
std::optional<Utf8Character> character_at(std::string_view text, std::size_t at) {
  const Utf8Piece piece = first_utf8_piece(text.substr(at));
  if (piece.kind != Utf8Piece::Kind::Character) return {};
  return decode_utf8(text.data() + at);
}

}  // namespace

std::optional<PreTokenPattern> pattern_called(std::string_view regex) {
  for (const auto& [written, pattern] : kPatterns) {
    if (written == regex) return pattern;
  }
  return {};
}

std::string_view regex_of(PreTokenPattern pattern) {
  for (const auto& [written, known] : kPatterns) {
    if (known == pattern) return written;
  }
  return {};
}

std::size_t PreTokenizer::first(std::string_view text) const {
  switch (pattern) {
    case PreTokenPattern::Whole:
      return text.size();
    case PreTokenPattern::Gpt2:
      return Matcher(text).gpt2();
    case PreTokenPattern::Llama3:
      return Matcher(text).llama3(3);
    case PreTokenPattern::Qwen2:
      return Matcher(text).llama3(1);
  }
  return text.size();
}

bool PreTokenizer::may_cut(std::string_view text, std::size_t at) const {
  if (pattern == PreTokenPattern::Whole) return false;
  const auto before = character_before(text, at), after = character_at(text, at);
  if (!before || !after) return false;
  const std::uint8_t* properties = unicode_properties();
  const std::uint8_t last = properties[before->code], next = properties[after->code];
  if ((last & property::kChanges) != 0 || (next & property::kContinues) != 0) return false;
  // The second part would get a blank that the whole does not have there.
  if (prefix_space == PrefixSpace::BeforeText && after->code != ' ') return false;
  const int last_class = last & property::kClass, next_class = next & property::kClass;
  if (last_class == property::kLetter || last_class == property::kNumber) {
    return next_class != last_class;  // a run of its class ends here, whatever follows
  }
  if (before->code != '\n' || next_class == property::kBlank || at < 2) return false;
  // One line end between two characters that are not blanks is a pre-token, or ends one.
  const auto earlier = character_before(text, at - 1);
  return earlier && (properties[earlier->code] & property::kBlank) == 0;
}

}  // namespace krait
