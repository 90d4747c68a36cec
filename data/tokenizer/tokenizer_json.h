// Reads the tokenizer.json of the `tokenizers` library.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/bpe_model.h"
#include "data/tokenizer/pre_tokenizer.h"

namespace krait {

/// The contents of a tokenizer.json of a byte-level BPE.
struct TokenizerJson {
  BpeVocabulary vocabulary;
  /// By id: the bytes that a token, added ones included, decodes to; empty where no token has the
  /// id.
  std::vector<std::string> token_bytes;
  std::vector<AddedToken> added_tokens;  // the special ones first, in order, then the others
  bool nfc = false;                      // whether text is normalised
  PreTokenizer pre_tokenizer;
};

/// These parts are read, as in GPT-2, GPT-NeoX-20B and Llama 3:
///
///   model           BPE; merges as "a b" or ["a", "b"]; ignore_merges. unk_token, fuse_unk and
///                   byte_fallback where the vocabulary has all 256 bytes, so that they do nothing
///   normalizer      null, NFC, a Sequence of those
///   pre_tokenizer   ByteLevel, or a Sequence of at most one Split with a known pattern (see
///                   PreTokenPattern) that keeps all text, and a ByteLevel; one of them cuts
///   decoder         ByteLevel
///   added_tokens    all flags; their ids must be those that the library gives
///
/// post_processor, truncation and padding are ignored: they add and remove tokens for programs that
/// use the tokenizer, which encode() does not do. Throws BadData for everything else, and for a
/// damaged file, naming `where` and the field.
TokenizerJson parse_tokenizer_json(std::string_view text, std::string_view where);

}  // namespace krait
