// From logits to a token.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace krait {

struct SamplingOptions {
  double temperature = 1;         // 0: always the most likely token
  std::int64_t top_k = 0;         // only the k most likely; 0: all
  double top_p = 1;               // only the most likely ones that reach this probability together
  double min_p = 0;               // only those at least min_p times as likely as the most likely
  double repetition_penalty = 1;  // above 1: tokens that were there already become less likely
};

/// Throws Usage when a value is out of range: temperature >= 0, top_k >= 0, 0 < top_p <= 1,
/// 0 <= min_p <= 1, repetition_penalty > 0.
void check_sampling(const SamplingOptions& options);

/// Divides the logits above 0 of the tokens that were `seen` by the penalty and multiplies the
/// others by it (Keskar et al. 2019, arXiv:1909.05858, as everybody has it since).
void penalise_repetition(std::span<double> logits, const std::vector<bool>& seen, double penalty);

/// The token that `uniform` in [0, 1) picks from softmax(logits / temperature), cut to the top_k
/// most likely, then, with what is left normalised, to the smallest set of most likely ones whose
/// probability is at least top_p (Holtzman et al. 2020, arXiv:1904.09751): the one that crosses it
/// is in; and to those at least min_p times as likely as the first (Nguyen et al. 2024,
/// arXiv:2407.01082). Of equal logits the lower id counts as the more likely. The penalty is not
/// applied here. A pure function; f64.
///
/// Throws NonFinite when a logit is not a finite number.
std::int32_t sample_token(std::span<const double> logits, const SamplingOptions& options,
                          double uniform);

}  // namespace krait
