#include "train/generate/generate.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/unicode/utf8_stream.h"
#include "train/generate/decoder.h"
#include "train/generate/stop_strings.h"

namespace krait {
namespace {

/// The texts that a decoder's rows are at.
class Generation {
 public:
  Generation(const MambaLM& model, std::span<const TokenIds> prompts, std::int32_t end_of_document,
             const GenerateOptions& options, const OnToken& on_token)
      : vocab_size_(static_cast<std::size_t>(model.config().vocab_size)),
        prompts_(prompts),
        end_of_document_(end_of_document),
        options_(options),
        on_token_(on_token),
        decoder_(model, std::min(options.batch, static_cast<std::int64_t>(prompts.size())),
                 options.prefill_length),
        rows_(static_cast<std::size_t>(decoder_.rows())),
        results_(prompts.size()) {}

  std::vector<GeneratedTokens> run() {
    std::vector<std::int32_t> next(rows_.size());
    for (std::size_t row = 0; row < rows_.size(); ++row) start_next(row);
    for (;;) {
      bool any = false;
      for (std::size_t row = 0; row < rows_.size(); ++row) any |= advance(row, next[row]);
      if (!any) return std::move(results_);
      decoder_.step(next);
    }
  }

 private:
  struct Row {
    std::size_t prompt = 0;
    bool busy = false;
    std::vector<bool> seen;  // ids of the prompt and of the text; empty without a penalty
  };

  /// Gives the row the next prompt, if there is one.
  void start_next(std::size_t row) {
    Row& r = rows_[row];
    r.busy = started_ < prompts_.size();
    if (!r.busy) return;
    r.prompt = started_++;
    const TokenIds& prompt = prompts_[r.prompt];
    KRAIT_REQUIRE(!prompt.empty(), "[generate] prompt ", r.prompt, " is empty.");
    decoder_.start(static_cast<std::int64_t>(row), prompt);
    if (options_.sampling.repetition_penalty == 1) return;
    r.seen.assign(vocab_size_, false);
    for (const std::int32_t id : prompt) {  // padding of the vocabulary cannot come again
      if (static_cast<std::size_t>(id) < vocab_size_) r.seen[static_cast<std::size_t>(id)] = true;
    }
  }

  /// Picks the row's next token, of the next prompts if texts end here. Whether there is one.
  bool advance(std::size_t row, std::int32_t& next) {
    Row& r = rows_[row];
    for (; r.busy; start_next(row)) {
      GeneratedTokens& result = results_[r.prompt];
      if (static_cast<std::int64_t>(result.tokens.size()) >= options_.max_tokens) continue;
      next = pick(row);
      if (next == end_of_document_) {
        result.finish = FinishReason::EndOfDocument;
        continue;
      }
      result.tokens.push_back(next);
      if (!r.seen.empty()) r.seen[static_cast<std::size_t>(next)] = true;
      if (on_token_ && !on_token_(r.prompt, next)) {
        result.finish = FinishReason::StopString;
        continue;
      }
      if (static_cast<std::int64_t>(result.tokens.size()) < options_.max_tokens) return true;
    }
    return false;
  }

  std::int32_t pick(std::size_t row) {
    const Row& r = rows_[row];
    std::vector<double> logits = decoder_.logits(static_cast<std::int64_t>(row));
    const SamplingOptions& sampling = options_.sampling;
    if (!r.seen.empty()) penalise_repetition(logits, r.seen, sampling.repetition_penalty);
    const RandomStream random{.seed = options_.seed,
                              .purpose = RandomPurpose::Sample,
                              .stream = static_cast<std::uint32_t>(r.prompt)};
    return sample_token(logits, sampling, random.uniform(results_[r.prompt].tokens.size()));
  }

  std::size_t vocab_size_;
  std::span<const TokenIds> prompts_;
  std::int32_t end_of_document_;
  const GenerateOptions& options_;
  const OnToken& on_token_;
  Decoder decoder_;
  std::vector<Row> rows_;
  std::size_t started_ = 0;  // prompts that a row has had
  std::vector<GeneratedTokens> results_;
};

/// From the tokens of one text to its pieces.
struct TextStream {
  explicit TextStream(const std::vector<std::string>& stop) : stops(stop) {}
  Utf8Stream characters;
  StopStrings stops;
};

}  // namespace

void check_generate(const GenerateOptions& o) {
  KRAIT_CHECK(Usage, o.max_tokens >= 0, "`max_tokens` must be 0 or more, got ", o.max_tokens, ".");
  KRAIT_CHECK(Usage, o.batch >= 1, "`batch` must be at least 1, got ", o.batch, ".");
  check_sampling(o.sampling);
}

std::vector<GeneratedTokens> generate_tokens(const MambaLM& model,
                                             std::span<const TokenIds> prompts,
                                             std::int32_t end_of_document,
                                             const GenerateOptions& options,
                                             const OnToken& on_token) {
  check_generate(options);
  if (prompts.empty()) return {};
  return Generation(model, prompts, end_of_document, options, on_token).run();
}

std::vector<GeneratedText> generate(const MambaLM& model, const Tokenizer& tokenizer,
                                    std::span<const std::string> prompts,
                                    const GenerateOptions& options, const OnText& on_text) {
  std::vector<TokenIds> ids;
  for (const std::string& prompt : prompts) {
    ids.push_back(tokenizer.encode(prompt));
    if (ids.back().empty()) ids.back().push_back(tokenizer.prefix_token());
  }
  std::vector<GeneratedText> results(prompts.size());
  std::vector<TextStream> streams(prompts.size(), TextStream(options.stop));
  const auto add = [&](std::size_t prompt, const std::string& text) {
    results[prompt].text += text;
    if (on_text && !text.empty()) on_text(prompt, text);
  };
  const auto on_token = [&](std::size_t prompt, std::int32_t token) {
    TextStream& s = streams[prompt];
    add(prompt, s.stops.push(s.characters.push(tokenizer.decode({&token, 1}))));
    return !s.stops.found();
  };
  auto generated = generate_tokens(model, ids, tokenizer.end_of_document(), options, on_token);
  for (std::size_t i = 0; i < results.size(); ++i) {
    TextStream& s = streams[i];
    add(i, s.stops.push(s.characters.finish()) + s.stops.finish());
    results[i].tokens = std::move(generated[i].tokens);
    results[i].finish = s.stops.found() ? FinishReason::StopString : generated[i].finish;
  }
  return results;
}

}  // namespace krait
