// From logits to a token.
#pragma once
#include <cstdint>
#include <span>

namespace krait {

struct SamplingOptions {
  double temperature = 1;  // 0: always the most likely token
  std::int64_t top_k = 0;  // only the k most likely; 0: all
  double top_p = 1;        // only the most likely ones that reach this probability together
};

/// Throws Usage when a value is out of range: temperature >= 0, top_k >= 0, 0 < top_p <= 1.
void check_sampling(const SamplingOptions& options);

/// The token that `uniform` in [0, 1) picks from softmax(logits / temperature), cut to the top_k
/// most likely, then, with what is left normalised, to the smallest set of most likely ones whose
/// probability is at least top_p (Holtzman et al. 2020, arXiv:1904.09751): the one that crosses it
/// is in. Of equal logits the lower id counts as the more likely. A pure function; f64.
///
/// Throws NonFinite when a logit is not a finite number.
std::int32_t sample_token(std::span<const double> logits, const SamplingOptions& options,
                          double uniform);

}  // namespace krait
