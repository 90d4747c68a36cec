// Text to token ids and back.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace krait {

/// What a token set and a checkpoint keep, so that neither is used with another tokenizer.
struct TokenizerIdentity {
  std::string name;
  std::string sha256;  // of the definition: two tokenizers with the same one give the same ids
  friend bool operator==(const TokenizerIdentity&, const TokenizerIdentity&) = default;

  /// {"name": ..., "sha256": ...}
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
  /// Throws (Contract) for an id outside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;
  /// The token that ends every document of a token set.
  virtual std::int32_t end_of_document() const = 0;
  virtual TokenizerIdentity identity() const = 0;
  /// A length n <= text.size() at which the text may be cut: the ids of the first n bytes, then
  /// those of the rest with whatever follows, are the ids of the whole. 0 when none is known. Lets
  /// a document of any size be encoded in constant memory.
  virtual std::size_t safe_cut(std::string_view text) const = 0;
};

/// Ids 0 to 255 are the bytes, 256 is <|endoftext|>. Any text, valid UTF-8 or not, comes back
/// exactly; "<|endoftext|>" in a text is thirteen bytes like any other.
class ByteTokenizer final : public Tokenizer {
 public:
  static constexpr std::int32_t kEndOfDocument = 256;

  std::int64_t vocab_size() const override { return 257; }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::int32_t end_of_document() const override { return kEndOfDocument; }
  TokenizerIdentity identity() const override;
  std::size_t safe_cut(std::string_view text) const override { return text.size(); }
};

/// For token sets of bare numbers, such as those of random tokens: a text is ids in decimal,
/// separated by blanks and line ends. Id vocab_size - 1 ends a document and cannot stand in a text.
/// The identity's name is "numbers-" and the size.
class NumberTokenizer final : public Tokenizer {
 public:
  /// Throws Usage unless 2 <= vocab_size < 2^31.
  explicit NumberTokenizer(std::int64_t vocab_size);

  std::int64_t vocab_size() const override { return vocab_size_; }
  /// Throws BadData for a word that is no such id.
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

/// The tokenizer that a user names: "byte". Throws Usage for any other name.
std::unique_ptr<Tokenizer> make_tokenizer(std::string_view spec);
/// The tokenizer that a token set or checkpoint was made with. Throws BadData when this build has
/// no tokenizer of that name and definition.
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerIdentity& identity);

}  // namespace krait
