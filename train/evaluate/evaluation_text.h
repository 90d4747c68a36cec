// The text that a model is evaluated on, from a file to tokens.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/names.h"
#include "data/tokenizer/tokenizer.h"
#include "train/evaluate/corpus.h"
#include "train/evaluate/text_statistics.h"

namespace krait {

/// What is done to a text before it is scored. Words and bytes are those of the text before.
enum class Detokenizer : std::uint8_t { None, Wikitext };
template <>
inline constexpr std::array<std::string_view, 2> kNames<Detokenizer>{"none", "wikitext"};

struct EvaluationTextOptions {
  std::string text_field = "text";  // of the objects of a JSONL file
  bool articles = false;  // documents are articles of WikiText (train/evaluate/wikitext.h)
  Detokenizer detokenizer = Detokenizer::None;
};

struct EvaluationText {
  std::string sha256;  // of the file
  Corpus corpus;
  TextStatistics statistics;
};

/// Reads a text file, one document, or a .jsonl file, a document a line, either of them compressed
/// or not (data/text/documents.h); each document is cut into articles if so wanted. Documents
/// without a character are left out.
///
/// Throws MissingInput, Io, and BadData when there is no text in it.
EvaluationText read_evaluation_text(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                    const EvaluationTextOptions& options = {});

}  // namespace krait
