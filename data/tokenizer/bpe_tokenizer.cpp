#include "data/tokenizer/bpe_tokenizer.h"

#include "core/error.h"
#include "core/system/hash.h"
#include "data/unicode/characters.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

AddedTokenFinder finder_of(const TokenizerJson& json, bool normalized) {
  std::vector<AddedToken> tokens;
  std::string buffer;
  for (AddedToken token : json.added_tokens) {
    if (token.normalized != normalized) continue;
    token.normalized = normalized && json.nfc;  // otherwise the text is as it was
    if (token.normalized) token.content = std::string(to_nfc(token.content, buffer));
    tokens.push_back(std::move(token));
  }
  return AddedTokenFinder(std::move(tokens));
}

}  // namespace

/// One call of encode().
class BpeTokenizer::Encoding {
 public:
  Encoding(const BpeTokenizer& tokenizer, BpeEncoder& encoder)
      : tokenizer_(tokenizer), encoder_(encoder) {}

  std::vector<std::int32_t> run(std::string_view text) {
    const auto on_token = [&](std::int32_t id) { ids_.push_back(id); };
    text = repaired_utf8(text, repaired_);
    tokenizer_.raw_tokens_.split(
        text,
        [&](std::string_view part) {
          if (tokenizer_.json_.nfc) part = to_nfc(part, normalized_);
          tokenizer_.normalized_tokens_.split(
              part, [&](std::string_view words) { encode_words(words); }, on_token);
        },
        on_token);
    return std::move(ids_);
  }

 private:
  /// Text between added tokens.
  void encode_words(std::string_view text) {
    const PreTokenizer& pre_tokenizer = tokenizer_.json_.pre_tokenizer;
    if (pre_tokenizer.prefix_space == PrefixSpace::BeforeText && !text.starts_with(' ')) {
      prefixed_text_ = " ";
      prefixed_text_ += text;
      text = prefixed_text_;
    }
    while (!text.empty()) {
      const std::size_t bytes = pre_tokenizer.first(text);
      encode_word(text.substr(0, bytes));
      text.remove_prefix(bytes);
    }
  }
  void encode_word(std::string_view word) {
    if (tokenizer_.json_.pre_tokenizer.prefix_space == PrefixSpace::BeforePreTokens &&
        !word.starts_with(' ')) {
      prefixed_word_ = " ";
      prefixed_word_ += word;
      word = prefixed_word_;
    }
    encoder_.encode(word, ids_);
  }

  const BpeTokenizer& tokenizer_;
  BpeEncoder& encoder_;
  std::vector<std::int32_t> ids_;
  std::string repaired_, normalized_, prefixed_text_, prefixed_word_;
};

BpeTokenizer::BpeTokenizer(std::string definition, std::string_view where, const Ends& ends)
    : definition_(std::move(definition)),
      json_(parse_tokenizer_json(definition_, where)),
      model_(json_.vocabulary),
      raw_tokens_(finder_of(json_, false)),
      normalized_tokens_(finder_of(json_, true)),
      ends_(ends) {
  KRAIT_CHECK(BadData, vocab_size() > 0, where, ": the vocabulary is empty.");
  for (const auto& id : {ends.end_of_document, ends.prefix_token}) {
    KRAIT_CHECK(BadData, !id || (*id >= 0 && *id < vocab_size()), where, ": the token ",
                id.value_or(0),
                " that ends a document or precedes a text is outside the "
                "vocabulary of ",
                vocab_size(), ".");
  }
}

std::unique_ptr<BpeEncoder> BpeTokenizer::take_encoder() const {
  const std::scoped_lock lock(mutex_);
  if (encoders_.empty()) return std::make_unique<BpeEncoder>(model_);
  auto encoder = std::move(encoders_.back());
  encoders_.pop_back();
  return encoder;
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text) const {
  auto encoder = take_encoder();
  std::vector<std::int32_t> ids = Encoding(*this, *encoder).run(text);
  const std::scoped_lock lock(mutex_);
  encoders_.push_back(std::move(encoder));
  return ids;
}

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    KRAIT_REQUIRE(id >= 0, "[BpeTokenizer::decode] ids must be 0 or more, got ", id, ".");
    if (id < vocab_size()) text += json_.token_bytes[static_cast<std::size_t>(id)];
  }
  return text;
}

std::int32_t BpeTokenizer::end_of_document() const {
  KRAIT_CHECK(Usage, ends_.end_of_document.has_value(),
              "this tokenizer does not say which token ends a document; name it as eos_token in "
              "a tokenizer_config.json beside the tokenizer.json, or as `end_of_document` where a "
              "token set is built.");
  return *ends_.end_of_document;
}

TokenizerIdentity BpeTokenizer::identity() const {
  return {.name = std::string(kBpeTokenizerName),
          .sha256 = sha256_hex(definition_),
          .end_of_document = ends_.end_of_document,
          .prefix_token = ends_.prefix_token};
}

std::optional<std::int32_t> BpeTokenizer::added_token_called(std::string_view text) const {
  for (const AddedToken& token : json_.added_tokens) {
    if (token.content == text) return token.id;
  }
  return {};
}

std::optional<std::int32_t> BpeTokenizer::token_called(std::string_view text) const {
  if (const auto added = added_token_called(text)) return added;
  for (const auto& [bytes, id] : json_.vocabulary.tokens) {
    if (bytes == text) return id;
  }
  return {};
}

bool BpeTokenizer::may_cut(std::string_view text, std::size_t at) const {
  return json_.pre_tokenizer.may_cut(text, at) && raw_tokens_.may_cut(text[at - 1], text[at]) &&
         normalized_tokens_.may_cut(text[at - 1], text[at]);
}

std::size_t BpeTokenizer::safe_cut(std::string_view text) const {
  for (std::size_t at = text.size(); at-- > 1;) {
    if (may_cut(text, at)) return at;
  }
  return 0;
}

}  // namespace krait
