#include "data/train_tokenizer.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/bpe_trainer.h"
#include "data/text_documents.h"
#include "data/utf8.h"
#include "data/word_counts.h"

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
void write_tokenizer(const TrainedBpe& bpe, const Style& style, TrainedTokenizer& result) {
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
  result.json = json.dump(2) + "\n";
  result.vocab_size = next;
}

}  // namespace

TrainedTokenizer train_tokenizer(const TrainTokenizerOptions& options) {
  KRAIT_CHECK(Usage, !options.inputs.empty(), "name at least one text file, folder or JSONL file.");
  Style style = style_of(options.style);
  if (options.special_tokens) style.special_tokens = *options.special_tokens;
  check_special_tokens(style.special_tokens);

  const std::vector<TextSource> sources = find_text_sources(options.inputs);
  std::uint64_t total = 0;
  for (const TextSource& source : sources) total += source.bytes;
  TrainedTokenizer result;
  WordCounter counter({.pattern = style.pattern}, style.nfc);
  for (const TextSource& source : sources) {
    const auto skipped = visit_documents(source, options.text_field,
                                         [&](std::string_view text, std::uint64_t bytes) {
                                           if (!text.empty()) ++result.documents;
                                           counter.add(text);
                                           if (options.reading)
                                             options.reading(result.bytes + bytes, total);
                                         });
    if (skipped) result.skipped.push_back({source.path, *skipped});
    result.bytes += source.bytes;
  }
  KRAIT_CHECK(BadData, result.documents > 0, "there is no text in '",
              options.inputs.front().string(), "'; check the input.");
  const std::vector<WordCount> words = counter.take();
  const int runs = style.runs_of_blanks ? kLongestRun - kShortestRun + 1 : 0;
  const TrainedBpe bpe = train_bpe(words, {.vocab_size = options.vocab_size - runs,
                                           .min_frequency = options.min_frequency,
                                           .special_tokens = style.special_tokens,
                                           .progress = options.merging});
  result.different_words = words.size();
  write_tokenizer(bpe, style, result);
  return result;
}

}  // namespace krait
