// Windows of tokens through a language model, many at once: what perplexities and tasks are made
// of.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "layers/models/language_model.h"
#include "train/evaluate/windows.h"

namespace krait {

/// The tokens of one window.
struct WindowTokens {
  std::vector<std::int32_t> tokens;   // x[begin, end)
  std::vector<std::int32_t> targets;  // x[scored, end), kIgnoreIndex where one does not count
  /// For each input, x[begin, end - 1): where it changes the state is reset. Empty: nowhere.
  std::vector<std::int32_t> sequence_ids;
};

/// What became of one window.
struct WindowLosses {
  std::size_t window = 0;                 // its number
  std::span<const std::int32_t> targets;  // as above
  std::span<const double> losses;         // -ln p(target | context); 0 for kIgnoreIndex
  std::span<const std::uint8_t> correct;  // 1 where the target is the likeliest token
};

struct WindowWork {
  std::span<const PerplexityWindow> windows;
  /// Called from several threads.
  std::function<WindowTokens(const PerplexityWindow&)> read;
  /// Called once for each window, one call at a time, in no promised order: sums must not depend on
  /// it (train/evaluate/exact_sum.h).
  std::function<void(const WindowLosses&)> visit;
};

struct WindowScoring {
  /// Windows computed side by side on a CPU; 0: as suits the threads.
  std::int64_t batch = 0;
  /// Inputs in one forward pass, padding included, unless one window alone has more; 0: a window at
  /// a time on a CPU, kGpuForwardTokens on a GPU.
  std::int64_t forward_tokens = 0;
};

/// Fills a large GPU, while the activations of a model of 7 billion parameters stay below 4 GiB.
inline constexpr std::int64_t kGpuForwardTokens = 16384;

/// Computes the losses of all windows, on the device of the model and in the current context.
///
/// A forward pass takes (rows, length) inputs: windows as long as possible alike, longest first,
/// padded at the end, where padding cannot reach what comes before it. A window that carries state
/// goes on in the row of the one before it; such chains advance together, the longest in the first
/// rows, so those that end leave from the end. The logits are computed for the targets alone.
///
/// Digits: how a matrix product is cut, and so rounded, depends on its shape, so the loss of a
/// window can depend, in its last bits, on what is computed in one pass with it. On a CPU a pass
/// has one row without padding, and passes run side by side on the threads: a loss depends on its
/// window alone. On a GPU the passes follow from the windows and forward_tokens alone: the same
/// work gives the same digits on the same GPU model, and `batch` has no meaning there.
///
/// Memory: the activations of one pass for each thread of a CPU, of one on a GPU.
void score_windows(const LanguageModel& model, const WindowWork& work,
                   const WindowScoring& scoring = {});

/// Windows that carry state, in order, from the one that starts without: numbers first to
/// first + count - 1.
struct WindowChain {
  std::size_t first = 0, count = 1;
  friend bool operator==(const WindowChain&, const WindowChain&) = default;
};
/// Chains whose windows go through the model together, one row each, by falling length.
using WindowGroup = std::vector<WindowChain>;
/// How score_windows groups: by falling count, then inputs, then number, as many chains as fit
/// into `forward_tokens`, at least one. 0: every chain by itself, in their order.
std::vector<WindowGroup> window_groups(std::span<const PerplexityWindow> windows,
                                       std::int64_t forward_tokens);

}  // namespace krait
