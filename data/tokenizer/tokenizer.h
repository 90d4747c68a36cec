// Converts text to token ids and back.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// The identity that a token set and a checkpoint keep, so that neither is used with another
/// tokenizer. Together with the definition it gives the tokenizer.
struct TokenizerIdentity {
  std::string name;
  std::string sha256;  // of the definition: two tokenizers with the same one give the same ids
  /// Set if the definition does not fix them (a tokenizer.json does not): the token that ends a
  /// document, and the one from which a text's first token is predicted.
  std::optional<std::int32_t> end_of_document = {}, prefix_token = {};
  /// Whether both make the same token sets, which do not depend on the prefix token.
  friend bool operator==(const TokenizerIdentity& a, const TokenizerIdentity& b) {
    return a.name == b.name && a.sha256 == b.sha256 && a.end_of_document == b.end_of_document;
  }

  /// {"name": ..., "sha256": ...}, and end_of_document and prefix_token where they are set.
  std::string json() const;
  /// Throws BadData, naming `where`, unless `text` is such an object.
  static TokenizerIdentity from_json(std::string_view text, std::string_view where);
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids are 0 <= id < vocab_size().
  virtual std::int64_t vocab_size() const = 0;
  /// The ids of a text, without an end-of-document token.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  /// Throws (Contract) for an id outside the vocabulary, unless the tokenizer says otherwise.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  /// The token that ends every document of a token set. Throws Usage, saying what to do, when the
  /// tokenizer has none.
  virtual std::int32_t end_of_document() const = 0;
  /// The token from which the first token of a text is predicted: the tokenizer's begin-of-text
  /// token when it declares one, else end_of_document().
  virtual std::int32_t prefix_token() const { return end_of_document(); }
  virtual TokenizerIdentity identity() const = 0;
  /// The text of the tokenizer.json that it was made from, whose SHA-256 is identity().sha256;
  /// empty for the tokenizers that need none. Lives as long as the tokenizer.
  virtual std::string_view definition() const { return {}; }
  /// A length n <= text.size() at which the text may be cut: the ids of the first n bytes, followed
  /// by those of the rest and of any following text, are the ids of the whole. 0 when none is
  /// known. It allows a document of any size to be encoded in constant memory.
  virtual std::size_t safe_cut(std::string_view text) const = 0;
};

/// Ids 0 to 255 are the bytes, 256 is <|endoftext|>. Any text, valid UTF-8 or not, comes back
/// exactly; "<|endoftext|>" in a text is thirteen bytes like any other.
class ByteTokenizer final : public Tokenizer {
 public:
  static constexpr std::string_view kName = "byte";
  static constexpr std::int32_t kEndOfDocument = 256;
  static constexpr std::string_view kEndOfDocumentText = "<|endoftext|>";

  std::int64_t vocab_size() const override { return 257; }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::int32_t end_of_document() const override { return kEndOfDocument; }
  TokenizerIdentity identity() const override;
  std::size_t safe_cut(std::string_view text) const override { return text.size(); }
};

/// For token sets whose tokens are plain numbers, such as random ones: a text is ids in decimal,
/// separated by blanks and line ends. Id vocab_size - 1 ends a document and cannot occur in a text.
/// The identity's name is "numbers-" and the size.
class NumberTokenizer final : public Tokenizer {
 public:
  /// Throws Usage unless 2 <= vocab_size < 2^31.
  explicit NumberTokenizer(std::int64_t vocab_size);

  std::int64_t vocab_size() const override { return vocab_size_; }
  /// Throws BadData for a word that is not such an id.
  std::vector<std::int32_t> encode(std::string_view text) const override;
  /// A blank before each id, so that pieces can be put together: " 17 4".
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::int32_t end_of_document() const override {
    return static_cast<std::int32_t>(vocab_size_ - 1);
  }
  TokenizerIdentity identity() const override;
  std::size_t safe_cut(std::string_view text) const override;

 private:
  std::int64_t vocab_size_;
};

/// The tokenizer of that name, if it needs no definition; else null.
std::unique_ptr<Tokenizer> plain_tokenizer(std::string_view name);

/// The largest size of a tokenizer.json in bytes: twice that of the largest known one.
inline constexpr std::size_t kMaxTokenizerBytes = std::size_t{64} << 20;
/// The name in the identity of every tokenizer that comes from a tokenizer.json.
inline constexpr std::string_view kBpeTokenizerName = "bpe";

}  // namespace krait
