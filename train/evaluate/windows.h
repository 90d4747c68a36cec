// Which tokens a model sees when it is asked for the probability of which.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace krait {

/// How a sequence x of a prefix token and n tokens of text is cut for a model. Whatever the
/// protocol, each of the n tokens is scored exactly once (but see drop_last); they differ in the
/// context that it gets.
enum class PerplexityProtocol : std::uint8_t {
  Blocks,    // disjoint windows of L inputs, as in training
  Document,  // the same windows, but state is carried from one to the next: context without limit
  Sliding,   // windows of L tokens, each S after the last; only what is new in one is scored. The
             // definition of Hugging Face's guide "Perplexity of fixed-length models"
  LmEval,    // lm-evaluation-harness' rolling windows: disjoint windows of L inputs with one token
             // of context, but the last one gets as much context as fills it up to L inputs
};
template <>
inline constexpr std::array<std::string_view, 4> kNames<PerplexityProtocol>{"blocks", "document",
                                                                            "sliding", "lm-eval"};

/// Rises when a protocol comes to give other figures for the same model and text.
inline constexpr int kPerplexityVersion = 1;

/// The model reads x[begin, end - 1) and x[scored, end) are the targets that count: input i has the
/// target i + 1, and those before `scored` are context only.
struct PerplexityWindow {
  std::uint64_t begin = 0;
  std::uint64_t scored = 0;
  std::uint64_t end = 0;
  bool carries = false;  // starts with the state that the window before it ended with
  friend bool operator==(const PerplexityWindow&, const PerplexityWindow&) = default;
};

struct PerplexityWindowing {
  PerplexityProtocol protocol = PerplexityProtocol::Blocks;
  std::uint64_t length = 0;  // L
  std::uint64_t stride = 0;  // S, 1 to L - 1; Sliding only
  /// Blocks only: x[0] is not read, x[1] is context only, and what fills no whole window is left
  /// out. So the blocks of the WikiText-103 recipe (HazyResearch/safari, drop_last) are cut.
  bool drop_last = false;
};

/// Throws Usage when the length or the stride is out of range, or drop_last is for another
/// protocol.
void check_windowing(const PerplexityWindowing& windowing);

/// The windows of a sequence of a prefix token and `n_tokens` tokens, in order; none for 0.
std::vector<PerplexityWindow> perplexity_windows(const PerplexityWindowing& windowing,
                                                 std::uint64_t n_tokens);

}  // namespace krait
