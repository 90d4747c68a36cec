// Trains a byte-level BPE tokenizer on text and gives its tokenizer.json.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "data/text/skipped_file.h"

namespace krait {

/// The published tokenizer whose rules the new one follows.
enum class TokenizerStyle : std::uint8_t {
  Gpt2,     // no normalisation, GPT-2's pattern; <|endoftext|> ends a document
  GptNeox,  // NFC, GPT-2's pattern, and runs of 2 to 24 blanks as tokens; the same, <|padding|>
  Llama3,   // Llama 3's pattern; <|begin_of_text|>, <|end_of_text|>
};
template <>
inline constexpr std::array<std::string_view, 3> kNames<TokenizerStyle>{"gpt2", "gpt-neox",
                                                                        "llama3"};

struct TrainTokenizerOptions {
  std::vector<std::filesystem::path> inputs;  // see BuildOptions
  std::string text_field = "text";            // of a JSONL object
  /// The longest JSONL line, and the longest stretch of a text that has no place to cut.
  std::uint64_t max_line_bytes = std::uint64_t{1} << 27;
  TokenizerStyle style = TokenizerStyle::Gpt2;
  std::int64_t vocab_size = 0;  // all tokens, the special ones and runs of blanks included
  std::uint64_t min_frequency = 2;
  /// Default: those of the style. They get the first ids.
  std::optional<std::vector<std::string>> special_tokens;
  /// Called from time to time, on the calling thread: bytes read, then tokens found.
  std::function<void(std::uint64_t bytes, std::uint64_t total)> reading;
  std::function<void(std::int64_t tokens)> merging;
};

struct TrainedTokenizer {
  std::string json;             // the tokenizer.json, which the `tokenizers` library loads too
  std::int64_t vocab_size = 0;  // less than asked for when the text has no more frequent pairs
  std::uint64_t documents = 0, different_words = 0;
  std::uint64_t input_bytes = 0;  // of the files on the disk
  std::vector<SkippedFile> skipped;
};

/// The same text gives the same tokenizer, with any number of threads. See
/// data/tokenizer/bpe_trainer.h for the rule and data/tokenizer/word_counts.h for the memory.
/// Throws Usage, MissingInput, Io and BadData as build_token_sets does, and Usage for a vocabulary
/// that is too small, or special tokens that are empty, named twice or not UTF-8.
TrainedTokenizer train_tokenizer(const TrainTokenizerOptions& options);

}  // namespace krait
