#include "data/unicode/characters.h"

#include <algorithm>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "data/unicode/class_table.h"
#include "data/unicode/nfc_table.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

namespace property = unicode_property;
namespace table = unicode_table;

constexpr char32_t kCodePoints = 0x110000;

/// Hangul syllables, which are computed (Unicode 15, section 3.12).
namespace hangul {
constexpr char32_t kSyllable = 0xac00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11a7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28, kSyllables = kLeads * kVowels * kTails;

constexpr bool is_syllable(char32_t c) {
  return c - kSyllable < kSyllables;
}
/// What the two become; 0 if they stay two.
constexpr char32_t compose(char32_t first, char32_t second) {
  if (first - kLead < kLeads && second - kVowel < kVowels) {
    return kSyllable + ((first - kLead) * kVowels + (second - kVowel)) * kTails;
  }
  const bool open = is_syllable(first) && (first - kSyllable) % kTails == 0;
  return open && second > kTail && second - kTail < kTails ? first + (second - kTail) : 0;
}
void decompose(char32_t syllable, std::u32string& out) {
  const char32_t index = syllable - kSyllable;
  out += kLead + index / (kVowels * kTails);
  out += kVowel + index / kTails % kVowels;
  if (index % kTails != 0) out += kTail + index % kTails;
}
}  // namespace hangul

/// A character of a text that is being normalised.
struct Mark {
  char32_t code = 0;
  std::uint8_t combining = 0;  // canonical combining class
};

/// The tables in the form that look-ups need.
class Nfc {
 public:
  Nfc() {
    const auto each = [](std::span<const std::uint32_t> rows, std::size_t width, auto&& visit) {
      for (std::size_t i = 0; i < rows.size(); i += width) visit(rows.subspan(i, width));
    };
    each(table::kCompositions, 3, [&](auto row) {
      compositions_[key(row[0], row[1])] = row[2];
      parts_[row[2]] = {row[0], row[1]};
    });
    each(table::kExcluded, 3, [&](auto row) { parts_[row[0]] = {row[1], row[2]}; });
    each(table::kSingletons, 2, [&](auto row) { parts_[row[0]] = {row[1], 0}; });
    each(table::kCombiningClasses, 3, [&](auto row) {
      for (char32_t c = row[0]; c <= row[1]; ++c) classes_[c] = static_cast<std::uint8_t>(row[2]);
    });
  }

  /// Adds the full canonical decomposition. The tables are a few levels deep.
  void decompose(char32_t code, std::vector<Mark>& out) const {
    if (hangul::is_syllable(code)) {
      std::u32string parts;
      hangul::decompose(code, parts);
      for (const char32_t part : parts) out.push_back({part, 0});
      return;
    }
    const auto found = parts_.find(code);
    if (found == parts_.end()) return out.push_back({code, combining_class(code)});
    decompose(found->second.first, out);
    if (found->second.second != 0) decompose(found->second.second, out);
  }

  /// Marks in canonical order, in place.
  static void order(std::vector<Mark>& marks) {
    for (auto at = marks.begin(); at != marks.end();) {
      const auto is_starter = [](const Mark& m) { return m.combining == 0; };
      const auto first = std::find_if_not(at, marks.end(), is_starter);
      at = std::find_if(first, marks.end(), is_starter);
      std::stable_sort(first, at,
                       [](const Mark& a, const Mark& b) { return a.combining < b.combining; });
    }
  }

  /// Puts together what goes together, in place (Unicode 15, section 3.11, D117).
  void compose(std::vector<Mark>& marks) const {
    std::size_t size = 0, starter = 0;
    bool have_starter = false;
    for (const Mark mark : marks) {
      // Nothing stands between the starter and this mark that has its class or a higher one.
      const bool reaches =
          have_starter && (starter + 1 == size || (marks[size - 1].combining != 0 &&
                                                   marks[size - 1].combining < mark.combining));
      if (const char32_t both = reaches ? composed(marks[starter].code, mark.code) : 0; both != 0) {
        marks[starter].code = both;
        continue;
      }
      if (mark.combining == 0) {
        starter = size;
        have_starter = true;
      }
      marks[size++] = mark;
    }
    marks.resize(size);
  }

  /// Whether something that precedes may change it or be ordered with it.
  bool continues(char32_t code) const {
    std::vector<Mark> parts;
    decompose(code, parts);
    return parts.front().combining != 0 || seconds_contain(parts.front().code);
  }
  bool changes(char32_t code) const {
    std::vector<Mark> parts;
    decompose(code, parts);
    order(parts);
    compose(parts);
    return parts.size() != 1 || parts.front().code != code;
  }
  const auto& parts() const { return parts_; }
  const auto& classes() const { return classes_; }

 private:
  static std::uint64_t key(char32_t first, char32_t second) {
    return std::uint64_t{first} << 32 | second;
  }
  std::uint8_t combining_class(char32_t code) const {
    const auto found = classes_.find(code);
    return found == classes_.end() ? 0 : found->second;
  }
  char32_t composed(char32_t first, char32_t second) const {
    if (const char32_t syllable = hangul::compose(first, second); syllable != 0) return syllable;
    const auto found = compositions_.find(key(first, second));
    return found == compositions_.end() ? 0 : found->second;
  }
  static bool seconds_contain(char32_t code) {
    if (code - hangul::kVowel < hangul::kVowels) return true;
    if (code > hangul::kTail && code - hangul::kTail < hangul::kTails) return true;
    const std::span<const std::uint32_t> rows = table::kCompositions;
    for (std::size_t i = 0; i < rows.size(); i += 3) {
      if (rows[i + 1] == code) return true;
    }
    return false;
  }

  std::unordered_map<std::uint64_t, char32_t> compositions_;
  std::unordered_map<char32_t, std::pair<char32_t, char32_t>> parts_;
  std::unordered_map<char32_t, std::uint8_t> classes_;
};

const Nfc& nfc() {
  static const Nfc tables;
  return tables;
}

void set(std::span<const std::uint32_t> ranges, std::uint8_t bit, std::uint8_t* properties) {
  for (std::size_t i = 0; i < ranges.size(); i += 2) {
    for (char32_t c = ranges[i]; c <= ranges[i + 1]; ++c) properties[c] |= bit;
  }
}

std::unique_ptr<std::uint8_t[]> make_properties() {
  auto properties = std::make_unique<std::uint8_t[]>(kCodePoints);
  set(table::kLetters, property::kLetter, properties.get());
  set(table::kNumbers, property::kNumber, properties.get());
  set(table::kBlanks, property::kBlank, properties.get());
  set(table::kWords, property::kWord, properties.get());
  const auto mark = [&](char32_t c) {
    if (nfc().continues(c)) properties[c] |= property::kContinues;
    if (nfc().changes(c)) properties[c] |= property::kChanges;
  };
  for (const auto& [code, parts] : nfc().parts()) mark(code);
  for (const auto& [code, combining] : nfc().classes()) mark(code);
  for (std::size_t i = 1; i < std::size(table::kCompositions); i += 3)
    mark(table::kCompositions[i]);
  for (char32_t i = 0; i < hangul::kVowels; ++i) mark(hangul::kVowel + i);
  for (char32_t i = 1; i < hangul::kTails; ++i) mark(hangul::kTail + i);
  return properties;
}

/// Where the first character at or after `at` starts that NFC may touch, with what precedes it if
/// it goes with that; the end if there is none.
std::size_t first_touched(std::string_view text, std::size_t at, const std::uint8_t* properties) {
  std::size_t previous = at;
  while (at < text.size()) {
    if (const std::size_t plain = ascii_prefix(text.substr(at)); plain > 0) {
      at += plain;
      previous = at - 1;
      continue;
    }
    const Utf8Character c = decode_utf8(text.data() + at);
    if ((properties[c.code] & property::kContinues) != 0) return previous;
    if ((properties[c.code] & property::kChanges) != 0) return at;
    previous = at;
    at += c.bytes;
  }
  return at;
}

}  // namespace

const std::uint8_t* unicode_properties() {
  static const std::unique_ptr<std::uint8_t[]> properties = make_properties();
  return properties.get();
}

std::string_view to_nfc(std::string_view text, std::string& buffer) {
  const std::uint8_t* properties = unicode_properties();
  std::size_t touched = first_touched(text, 0, properties);
  if (touched == text.size()) return text;
  buffer.clear();
  std::vector<Mark> marks;
  for (std::size_t done = 0;;) {
    buffer += text.substr(done, touched - done);
    if (touched == text.size()) return buffer;
    // One character and all that continue it.
    marks.clear();
    std::size_t at = touched;
    do {
      const Utf8Character c = decode_utf8(text.data() + at);
      if (at > touched && (properties[c.code] & property::kContinues) == 0) break;
      nfc().decompose(c.code, marks);
      at += c.bytes;
    } while (at < text.size());
    Nfc::order(marks);
    nfc().compose(marks);
    for (const Mark& mark : marks) append_utf8(mark.code, buffer);
    done = at;
    touched = first_touched(text, at, properties);
  }
}

}  // namespace krait
