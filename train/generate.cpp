#include "train/generate.h"

#include <algorithm>
#include <utility>

#include "autograd/view.h"
#include "core/error.h"
#include "kernels/copy.h"
#include "train/utf8_stream.h"

namespace krait {
namespace {

/// A model in the middle of a text.
class Reader {
 public:
  explicit Reader(const MambaLM& model) : model_(model) {}

  /// Reads `ids`; the next logits are those of the token after them.
  void read(std::span<const std::int32_t> ids) {
    const auto length = static_cast<std::int64_t>(ids.size());
    const MambaHidden out =
        model_.forward(Tensor::from<std::int32_t>({1, length}, ids).to(model_.device()),
                       {.initial = state_.empty() ? nullptr : &state_, .want_final = true});
    state_ = out.final;
    last_hidden_ = slice(out.hidden, 1, length - 1, length);
  }
  /// Logits of the vocabulary, without its padding.
  std::vector<double> logits() const {
    const Tensor all = model_.logits(last_hidden_).value().to({});
    const Tensor wide = Tensor::empty(all.shape(), DType::F64);
    copy({.x = all, .y = wide}, {});
    const auto values = wide.span<double>();
    return {values.begin(), values.begin() + model_.config().vocab_size};
  }

 private:
  const MambaLM& model_;
  MambaState state_;
  Variable last_hidden_;
};

}  // namespace

GeneratedTokens generate_tokens(const MambaLM& model, std::span<const std::int32_t> prompt,
                                std::int32_t end_of_document, const GenerateOptions& options,
                                const OnToken& on_token) {
  KRAIT_CHECK(Usage, options.max_tokens >= 0, "--max-tokens must be 0 or more, got ",
              options.max_tokens, ".");
  check_sampling(options.sampling);
  KRAIT_REQUIRE(!prompt.empty() && options.prefill_length > 0,
                "[generate] the prompt and the prefill length must not be empty.");
  const NoGradScope no_grad;
  const RandomStream random{.seed = options.seed, .purpose = RandomPurpose::Sample};
  Reader reader(model);
  while (!prompt.empty()) {
    const auto chunk =
        prompt.first(std::min(prompt.size(), static_cast<std::size_t>(options.prefill_length)));
    reader.read(chunk);
    prompt = prompt.subspan(chunk.size());
  }

  GeneratedTokens result;
  while (static_cast<std::int64_t>(result.tokens.size()) < options.max_tokens) {
    if (!result.tokens.empty()) reader.read(std::span(result.tokens).last(1));
    const std::int32_t token =
        sample_token(reader.logits(), options.sampling, random.uniform(result.tokens.size()));
    if (token == end_of_document) {
      result.ended = true;
      break;
    }
    result.tokens.push_back(token);
    if (on_token) on_token(token);
  }
  return result;
}

GeneratedText generate(const MambaLM& model, const Tokenizer& tokenizer, std::string_view prompt,
                       const GenerateOptions& options, const OnText& on_text) {
  std::vector<std::int32_t> ids = tokenizer.encode(prompt);
  if (ids.empty()) ids.push_back(tokenizer.end_of_document());

  GeneratedText result;
  const auto add = [&](const std::string& text) {
    result.text += text;
    if (on_text && !text.empty()) on_text(text);
  };
  Utf8Stream stream;
  GeneratedTokens generated =
      generate_tokens(model, ids, tokenizer.end_of_document(), options, [&](std::int32_t token) {
        add(stream.push(tokenizer.decode({&token, 1})));
      });
  add(stream.finish());
  result.tokens = std::move(generated.tokens);
  result.ended = generated.ended;
  return result;
}

}  // namespace krait
