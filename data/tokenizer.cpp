#include "data/tokenizer.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"

namespace krait {
namespace {

constexpr std::string_view kByteName = "byte";
constexpr std::string_view kByteDefinition = "byte 1: ids 0..255 bytes, 256 <|endoftext|>";
constexpr std::string_view kEndOfDocumentText = "<|endoftext|>";

}  // namespace

std::string TokenizerIdentity::json() const {
  return nlohmann::json{{"name", name}, {"sha256", sha256}}.dump();
}

TokenizerIdentity TokenizerIdentity::from_json(std::string_view text, std::string_view where) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto is_text = [&](const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_string();
  };
  KRAIT_CHECK(BadData, is_text("name") && is_text("sha256"), where,
              ": the tokenizer's identity must be a JSON object with the strings name and sha256.");
  return {.name = json["name"].get<std::string>(), .sha256 = json["sha256"].get<std::string>()};
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
  return {.name = std::string(kByteName), .sha256 = sha256_hex(kByteDefinition)};
}

std::unique_ptr<Tokenizer> make_tokenizer(std::string_view spec) {
  KRAIT_CHECK(Usage, spec == kByteName, "unknown tokenizer '", spec, "'; use '", kByteName, "'.");
  return std::make_unique<ByteTokenizer>();
}

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerIdentity& identity) {
  auto tokenizer = std::make_unique<ByteTokenizer>();
  KRAIT_CHECK(BadData, tokenizer->identity() == identity, "tokenizer '", identity.name,
              "' (sha256 ", identity.sha256.substr(0, 12),
              "...) is not known to this build; use the build that made the data, or make the data "
              "again.");
  return tokenizer;
}

}  // namespace krait
