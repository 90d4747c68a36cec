// Writing text with a language model.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer.h"
#include "layers/mamba_lm.h"
#include "train/sampler.h"

namespace krait {

struct GenerateOptions {
  std::int64_t max_tokens = 256;
  SamplingOptions sampling;
  std::uint64_t seed = 0;
  std::int64_t prefill_length = 512;  // tokens of the prompt read at once: bounds the memory
};

/// Called with each new token.
using OnToken = std::function<void(std::int32_t token)>;
/// Called with each piece of new text, valid UTF-8, as soon as it is there.
using OnText = std::function<void(std::string_view text)>;

struct GeneratedTokens {
  std::vector<std::int32_t> tokens;
  bool ended = false;  // by an end-of-document token, which is not among them
};

/// Continues `prompt` (at least one token): it is read in chunks with carried state, and each new
/// token is one step with that state, so memory and the time of a token do not depend on the
/// length. New token i is picked with number i of the random stream (seed, Sample): the same seed
/// gives the same tokens. Ids of the padding of the vocabulary are never picked. Computes on the
/// model's device.
///
/// Throws Usage when an option is out of range, NonFinite when the model's logits are not numbers.
GeneratedTokens generate_tokens(const MambaLM& model, std::span<const std::int32_t> prompt,
                                std::int32_t end_of_document, const GenerateOptions& options,
                                const OnToken& on_token = {});

struct GeneratedText {
  std::string text;  // what came after the prompt, valid UTF-8
  std::vector<std::int32_t> tokens;
  bool ended = false;
};

/// Continues a text; an empty prompt starts a new document.
GeneratedText generate(const MambaLM& model, const Tokenizer& tokenizer, std::string_view prompt,
                       const GenerateOptions& options, const OnText& on_text = {});

}  // namespace krait
