// Writing text with a language model.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "data/tokenizer/tokenizer.h"
#include "layers/models/language_model.h"
#include "train/generate/sampler.h"

namespace krait {

struct GenerateOptions {
  std::int64_t max_tokens = 256;
  SamplingOptions sampling;
  std::uint64_t seed = 0;
  std::vector<std::string> stop;      // a text ends before the first of these strings
  std::int64_t batch = 8;             // prompts that are continued side by side
  std::int64_t prefill_length = 512;  // tokens of a prompt read at once: bounds the memory
};

/// Throws Usage when an option is out of range.
void check_generate(const GenerateOptions& options);

/// Why a text ended: it had max_tokens, the model ended the document, or a stop string came.
enum class FinishReason : std::uint8_t { Length, EndOfDocument, StopString };
template <>
inline constexpr std::array<std::string_view, 3> kNames<FinishReason>{"length", "end_of_document",
                                                                      "stop"};

struct GeneratedTokens {
  std::vector<std::int32_t> tokens;  // without the end-of-document token
  FinishReason finish = FinishReason::Length;
};

using TokenIds = std::vector<std::int32_t>;
/// Called with each new token of prompt number `prompt`; false ends that text.
using OnToken = std::function<bool(std::size_t prompt, std::int32_t token)>;

/// Continues each of the prompts (at least one token each): it is read in chunks with carried
/// state, and each new token is one step with that state, so memory and the time of a token do not
/// depend on the length. `options.batch` texts advance side by side; when one ends the next prompt
/// takes its place. New token i of prompt p is picked with number i of the random stream (seed,
/// Sample, p): the same seed gives the same tokens. Ids of the padding of the vocabulary are never
/// picked. Computes on the model's device.
///
/// Throws Usage when an option is out of range, NonFinite when the model's logits are not numbers.
std::vector<GeneratedTokens> generate_tokens(const LanguageModel& model,
                                             std::span<const TokenIds> prompts,
                                             std::int32_t end_of_document,
                                             const GenerateOptions& options,
                                             const OnToken& on_token = {});

struct GeneratedText {
  std::string text;  // what came after the prompt, valid UTF-8, without the stop string
  std::vector<std::int32_t> tokens;
  FinishReason finish = FinishReason::Length;
};

/// Called with each piece of new text of prompt number `prompt`, valid UTF-8, as soon as it is sure
/// to stay.
using OnText = std::function<void(std::size_t prompt, std::string_view text)>;

/// Continues texts; an empty prompt starts a new document.
std::vector<GeneratedText> generate(const LanguageModel& model, const Tokenizer& tokenizer,
                                    std::span<const std::string> prompts,
                                    const GenerateOptions& options, const OnText& on_text = {});

}  // namespace krait
