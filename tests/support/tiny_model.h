// Small random models for the tests of evaluation and generation.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"
#include "layers/models/language_model.h"

namespace krait {

/// A padded vocabulary of 24 for 19 tokens. The embedding is wider than in training, so that
/// predictions are uneven and depend on the context.
inline ModelConfig tiny_config(DType dtype) {
  return {.d_model = 20,
          .n_layer = 2,
          .vocab_size = 19,
          .mamba1 = {.d_state = 5, .d_conv = 3},
          .initializer_range = 0.3,
          .dtype = dtype};
}

inline void initialise_tiny(const LanguageModel& model) {
  model.initialise(7);
}

/// `n` tokens in [0, bound).
inline std::vector<std::int32_t> random_tokens(std::size_t n, std::uint32_t bound,
                                               std::uint64_t seed) {
  std::vector<std::int32_t> ids(n);
  const RandomStream random{.seed = seed};
  for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<std::int32_t>(random.bits(i)[0] % bound);
  return ids;
}

/// ln softmax(logits of the last of `context`), by a forward pass over just that, in f64.
inline std::vector<double> next_log_probabilities(const LanguageModel& model,
                                                  std::span<const std::int32_t> context) {
  const NoGradScope no_grad;
  const Tensor ids =
      Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(context.size())}, context);
  const Tensor logits = model.logits(model.forward(ids).hidden).value();
  const auto last = logits.span<double>().last(static_cast<std::size_t>(logits.size(-1)));
  double sum = 0;
  for (const double s : last) sum += std::exp(s);
  std::vector<double> result(last.begin(), last.end());
  for (double& s : result) s -= std::log(sum);
  return result;
}

}  // namespace krait
