#include "data/tokenizer/tokenizer.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/hash.h"

namespace krait {
namespace {

constexpr std::string_view kByteDefinition = "byte 1: ids 0..255 bytes, 256 <|endoftext|>";
constexpr std::string_view kNumbersName = "numbers-";
constexpr std::string_view kBlanks = " \t\r\n";

/// The number that `text` is and nothing else.
std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return {};
  return number;
}

constexpr bool is_number_vocabulary(std::int64_t size) {
  return size >= 2 && size <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

std::string TokenizerIdentity::json() const {
  nlohmann::json json{{"name", name}, {"sha256", sha256}};
  if (end_of_document) json["end_of_document"] = *end_of_document;
  if (prefix_token) json["prefix_token"] = *prefix_token;
  return json.dump();
}

TokenizerIdentity TokenizerIdentity::from_json(std::string_view text, std::string_view where) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto is_text = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string();
  };
  KRAIT_CHECK(BadData, is_text("name") && is_text("sha256"), where,
              ": the tokenizer's identity must be a JSON object with the strings name and sha256.");
  const auto token = [&](const char* key) -> std::optional<std::int32_t> {
    if (!json.contains(key)) return {};
    const bool is_id = json[key].is_number_integer() && json[key].get<double>() >= 0 &&
                       json[key].get<double>() <= std::numeric_limits<std::int32_t>::max();
    KRAIT_CHECK(BadData, is_id, where, ": the tokenizer's ", key, " must be the id of a token.");
    return json[key].get<std::int32_t>();
  };
  return {.name = json["name"].get<std::string>(),
          .sha256 = json["sha256"].get<std::string>(),
          .end_of_document = token("end_of_document"),
          .prefix_token = token("prefix_token")};
}

std::vector<std::int32_t> ByteTokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) ids[i] = static_cast<std::uint8_t>(text[i]);
  return ids;
}

std::string ByteTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  text.reserve(ids.size());
  for (const std::int32_t id : ids) {
    KRAIT_REQUIRE(id >= 0 && id < vocab_size(), "[ByteTokenizer::decode] ids must be 0 to ",
                  vocab_size() - 1, ", got ", id, ".");
    if (id == kEndOfDocument) {
      text += kEndOfDocumentText;
    } else {
      text += static_cast<char>(id);
    }
  }
  return text;
}

TokenizerIdentity ByteTokenizer::identity() const {
  return {.name = std::string(kName), .sha256 = sha256_hex(kByteDefinition)};
}

NumberTokenizer::NumberTokenizer(std::int64_t vocab_size) : vocab_size_(vocab_size) {
  KRAIT_CHECK(Usage, is_number_vocabulary(vocab_size),
              "a vocabulary of numbers must have 2 to 2147483647 tokens, the last of which ends a "
              "document; got ",
              vocab_size, ".");
}

std::vector<std::int32_t> NumberTokenizer::encode(std::string_view text) const {
  constexpr std::size_t kShown = 20;  // of a word that is no id
  std::vector<std::int32_t> ids;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.empty()) return ids;
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    const auto id = parse_number(word);
    KRAIT_CHECK(
        BadData,
        id && *id >= 0 && *id<end_of_document(), "'", word.substr(0, kShown), word.size()> kShown
            ? "..."
            : "",
        "' is not a token: with the tokenizer '", identity().name, "' a text is numbers from 0 to ",
        end_of_document() - 1, " with blanks between them.");
    ids.push_back(static_cast<std::int32_t>(*id));
    text.remove_prefix(word.size());
  }
}

std::string NumberTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    KRAIT_REQUIRE(id >= 0 && id < vocab_size_, "[NumberTokenizer::decode] ids must be 0 to ",
                  vocab_size_ - 1, ", got ", id, ".");
    text += ' ';
    text += std::to_string(id);
  }
  return text;
}

TokenizerIdentity NumberTokenizer::identity() const {
  const std::string name = str(kNumbersName, vocab_size_);
  return {.name = name,
          .sha256 =
              sha256_hex(str(name, " 1: ids in decimal, ", end_of_document(), " ends a document"))};
}

std::size_t NumberTokenizer::safe_cut(std::string_view text) const {
  return text.find_last_of(kBlanks) + 1;  // npos + 1 is 0
}

std::unique_ptr<Tokenizer> plain_tokenizer(std::string_view name) {
  if (name.starts_with(kNumbersName)) {
    const auto size = parse_number(name.substr(kNumbersName.size()));
    if (size && is_number_vocabulary(*size)) return std::make_unique<NumberTokenizer>(*size);
  }
  if (name == ByteTokenizer::kName) return std::make_unique<ByteTokenizer>();
  return nullptr;
}

}  // namespace krait
