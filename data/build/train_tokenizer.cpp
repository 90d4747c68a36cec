#include "data/build/train_tokenizer.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/text/encoder.h"
#include "data/text/source.h"
#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/bpe_trainer.h"
#include "data/tokenizer/word_counts.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

using Json = nlohmann::ordered_json;

/// Runs of blanks that GPT-NeoX-20B has as tokens.
constexpr int kShortestRun = 2, kLongestRun = 24;

struct Style {
  bool nfc = false;
  PreTokenPattern pattern = PreTokenPattern::Gpt2;
  bool ignore_merges = false;
  bool runs_of_blanks = false;
  std::vector<std::string> special_tokens;
};

Style style_of(TokenizerStyle style) {
  switch (style) {
    case TokenizerStyle::Gpt2:
      break;
    case TokenizerStyle::GptNeox:
      return {
          .nfc = true, .runs_of_blanks = true, .special_tokens = {"<|endoftext|>", "<|padding|>"}};
    case TokenizerStyle::Llama3:
      return {.pattern = PreTokenPattern::Llama3,
              .ignore_merges = true,
              .special_tokens = {"<|begin_of_text|>", "<|end_of_text|>"}};
  }
  return {.special_tokens = {"<|endoftext|>"}};
}

void check_special_tokens(const std::vector<std::string>& tokens) {
  std::string buffer;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string& token = tokens[i];
    KRAIT_CHECK(Usage, !token.empty() && repaired_utf8(token, buffer).data() == token.data(),
                "a special token must be UTF-8 and not empty, got '", token, "'.");
    KRAIT_CHECK(Usage, std::count(tokens.begin(), tokens.end(), token) == 1, "the special token '",
                token, "' is named twice.");
  }
}

Json added_token(const std::string& content, std::int64_t id, bool special) {
  return {{"id", id},        {"content", content},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", !special}, {"special", special}};
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json pre_tokenizer_json(PreTokenPattern pattern) {
  if (pattern == PreTokenPattern::Gpt2) return byte_level(true);
  const Json split{{"type", "Split"},
                   {"pattern", {{"Regex", regex_of(pattern)}}},
                   {"behavior", "Isolated"},
                   {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(false)})}};
}

Json model_json(const TrainedBpe& bpe, bool ignore_merges) {
  Json::object_t vocab;  // filled without looking for each key in those before
  for (std::size_t id = 0; id < bpe.tokens.size(); ++id) vocab.emplace_back(bpe.tokens[id], id);
  Json merges = Json::array();
  for (const auto& [left, right] : bpe.merges) {
    merges.push_back(bpe.tokens[static_cast<std::size_t>(left)] + " " +
                     bpe.tokens[static_cast<std::size_t>(right)]);
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", ignore_merges},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

/// The file, and the size of the vocabulary with what is added to the trained one.
TrainedTokenizer write_tokenizer(const TrainedBpe& bpe, const Style& style) {
  auto next = static_cast<std::int64_t>(bpe.tokens.size());
  Json added = Json::array();
  for (std::size_t i = 0; i < style.special_tokens.size(); ++i) {
    added.push_back(added_token(style.special_tokens[i], static_cast<std::int64_t>(i), true));
  }
  for (int run = kLongestRun; style.runs_of_blanks && run >= kShortestRun; --run) {
    added.push_back(added_token(std::string(static_cast<std::size_t>(run), ' '), next++, false));
  }
  const Json json{{"version", "1.0"},
                  {"truncation", nullptr},
                  {"padding", nullptr},
                  {"added_tokens", std::move(added)},
                  {"normalizer", style.nfc ? Json{{"type", "NFC"}} : Json()},
                  {"pre_tokenizer", pre_tokenizer_json(style.pattern)},
                  {"post_processor", nullptr},
                  {"decoder", byte_level(true)},
                  {"model", model_json(bpe, style.ignore_merges)}};
  return {.json = json.dump(2) + "\n", .vocab_size = next};
}

/// Knows where a text may be cut, without a vocabulary.
BpeTokenizer cutter_of(const Style& style) {
  const TrainedBpe bytes = train_bpe({}, {.vocab_size = 256});
  const Style bare{.nfc = style.nfc, .pattern = style.pattern};
  return BpeTokenizer(write_tokenizer(bytes, bare).json, "a tokenizer of bytes", {});
}

/// Counts the words of all documents.
class Reading {
 public:
  Reading(const TrainTokenizerOptions& options, const Style& style)
      : options_(options),
        sources_(find_text_sources(options.inputs)),
        cutter_(cutter_of(style)),
        counter_({.pattern = style.pattern}, style.nfc) {}

  std::vector<WordCount> run(TrainedTokenizer& report) {
    for (const TextSource& source : sources_) report.input_bytes += source.bytes;
    TextReader reader(sources_, cutter_, {.max_line_bytes = options_.max_line_bytes}, {});
    while (const auto piece = reader.next()) {
      add(*piece, report);
      if (options_.reading) options_.reading(piece->input_bytes, report.input_bytes);
    }
    KRAIT_CHECK(BadData, report.documents > 0, "there is no text in '",
                options_.inputs.front().string(), "'; check the input.");
    std::vector<WordCount> words = counter_.take();
    report.different_words = words.size();
    return words;
  }

 private:
  void add(const TextPiece& piece, TrainedTokenizer& report) {
    const TextSource& source = sources_[piece.begin.file];
    const auto end_document = [&] {
      counter_.end_document();
      ++report.documents;
    };
    switch (piece.kind) {
      case TextPiece::Kind::Lines:
        return visit_lines(piece, source, options_.text_field,
                           [&](const std::string& text, const TextPosition&) {
                             if (text.empty()) return;
                             counter_.add(text);
                             end_document();
                           });
      case TextPiece::Kind::Part:
        return counter_.add(piece.text);
      case TextPiece::Kind::LastPart:
        counter_.add(piece.text);
        return end_document();
      case TextPiece::Kind::Skipped:
        counter_.drop_document();
        report.skipped.push_back({source.path, piece.reason});
    }
  }

  const TrainTokenizerOptions& options_;
  std::vector<TextSource> sources_;
  BpeTokenizer cutter_;
  WordCounter counter_;
};

}  // namespace

TrainedTokenizer train_tokenizer(const TrainTokenizerOptions& options) {
  KRAIT_CHECK(Usage, !options.inputs.empty(), "name at least one text file, folder or JSONL file.");
  Style style = style_of(options.style);
  if (options.special_tokens) style.special_tokens = *options.special_tokens;
  check_special_tokens(style.special_tokens);
  TrainedTokenizer report;
  const std::vector<WordCount> words = Reading(options, style).run(report);
  const int runs = style.runs_of_blanks ? kLongestRun - kShortestRun + 1 : 0;
  const TrainedBpe bpe = train_bpe(words, {.vocab_size = options.vocab_size - runs,
                                           .min_frequency = options.min_frequency,
                                           .special_tokens = style.special_tokens,
                                           .progress = options.merging});
  TrainedTokenizer written = write_tokenizer(bpe, style);
  report.json = std::move(written.json);
  report.vocab_size = written.vocab_size;
  return report;
}

}  // namespace krait
