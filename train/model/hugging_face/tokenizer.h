// Tokenizers of published models.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/tokenizer/tokenizer.h"

namespace krait {

/// The tokenizer.json of ByteTokenizer: a byte-level BPE without merges whose ids are the bytes.
/// <|endoftext|>, 256, is in its vocabulary and not among the added tokens, so that no text becomes
/// it.
std::string byte_tokenizer_json();

/// The tokenizer in a published directory: ByteTokenizer for the text above, so that what Krait
/// exported comes back as what it was, else that of the file.
std::unique_ptr<Tokenizer> load_hugging_face_tokenizer(const std::filesystem::path& file);

/// The tokens at the ends of a text, as far as the tokenizer has them.
struct TokenizerEnds {
  std::optional<std::int32_t> end_of_document;
  std::optional<std::int32_t> prefix_token = {};  // empty: the first token follows end_of_document
};
TokenizerEnds tokenizer_ends(const Tokenizer& tokenizer);

struct TokenizerFiles {
  std::string tokenizer_json, tokenizer_config_json;
};
/// The files from which transformers' AutoTokenizer makes a tokenizer that gives the same ids. Its
/// eos_token is the end-of-document token, its bos_token the prefix token.
/// Empty for a NumberTokenizer, which has no counterpart.
std::optional<TokenizerFiles> tokenizer_files(const Tokenizer& tokenizer);

}  // namespace krait
