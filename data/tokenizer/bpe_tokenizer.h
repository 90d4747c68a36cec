// Byte-level BPE, as a tokenizer.json of the `tokenizers` library describes it.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizer/tokenizer.h"
#include "data/tokenizer/tokenizer_json.h"

namespace krait {

/// Gives the ids that the library's Tokenizer gives with add_special_tokens false: added tokens
/// that occur in a text are found, special ones too. See data/tokenizer/tokenizer_json.h for what
/// is read.
///
/// Text that is not UTF-8: each maximal invalid part is read as U+FFFD (Unicode 15, section 3.9),
/// as by Python's decode(errors="replace").
///
/// encode() takes time n log n for any text, about 25 bytes of memory for each byte of its longest
/// pre-token, and may be called from several threads; each has a cache of 2 MiB for the words it
/// has seen, kept from call to call.
///
/// The identity is "bpe", the SHA-256 of the tokenizer.json, and the two tokens below.
class BpeTokenizer final : public Tokenizer {
 public:
  /// The tokens that a tokenizer.json does not name.
  struct Ends {
    std::optional<std::int32_t> end_of_document, prefix_token;
  };

  /// Throws BadData, naming `where`, for a definition that cannot be read and for ends that are not
  /// in the vocabulary.
  BpeTokenizer(std::string definition, std::string_view where, const Ends& ends);

  /// The highest id + 1.
  std::int64_t vocab_size() const override {
    return static_cast<std::int64_t>(json_.token_bytes.size());
  }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  /// The bytes of the tokens, special ones too; the library gives from_utf8_lossy of them. An id
  /// that no token has is skipped, as in the library, since a model may have a larger vocabulary.
  /// Throws (Contract) for a negative one.
  std::string decode(std::span<const std::int32_t> ids) const override;
  std::int32_t end_of_document() const override;
  std::int32_t prefix_token() const override {
    return ends_.prefix_token ? *ends_.prefix_token : end_of_document();
  }
  TokenizerIdentity identity() const override;
  std::string_view definition() const override { return definition_; }
  /// A place between a letter or number and a character of another class, or after a lone line end,
  /// where neither an added token nor a character that NFC moves can span it. 0 with a
  /// pre-tokenizer that does not cut.
  std::size_t safe_cut(std::string_view text) const override;

  /// The id of an added token by its text, and of any token by its bytes.
  std::optional<std::int32_t> added_token_called(std::string_view text) const;
  std::optional<std::int32_t> token_called(std::string_view text) const;
  /// Sets the tokens that the tokenizer.json does not name. To be called before the tokenizer is
  /// used.
  void set_ends(const Ends& ends) { ends_ = ends; }

 private:
  class Encoding;
  bool may_cut(std::string_view text, std::size_t at) const;
  std::unique_ptr<BpeEncoder> take_encoder() const;

  std::string definition_;
  TokenizerJson json_;
  BpeModel model_;
  AddedTokenFinder raw_tokens_, normalized_tokens_;  // found before normalisation, after it
  Ends ends_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<BpeEncoder>> encoders_;  // those that no call uses
};

/// Loads a tokenizer.json, or the one in a directory.
///
/// The token that ends a document is the one called `end_of_document`, if given; else the eos_token
/// of the tokenizer_config.json beside the file, if that names one; else the first usual name that
/// is an added token (<|endoftext|>, <|end_of_text|>, </s>, ...); else none. The prefix token is
/// the bos_token of the tokenizer_config.json or, without such a file, an added token with a usual
/// name for the beginning of a text; else the token that ends a document.
///
/// Throws MissingInput, Io, BadData, and Usage when no token is called `end_of_document`.
std::unique_ptr<Tokenizer> load_bpe_tokenizer(const std::filesystem::path& path,
                                              std::string_view end_of_document = {});

}  // namespace krait
