#include "train/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/error.h"

namespace krait {
namespace {

/// All ids, or the `count` most likely in order. Without a cut their order does not matter.
std::vector<std::int32_t> candidates(std::span<const double> logits, std::size_t count,
                                     bool ordered) {
  std::vector<std::int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  if (!ordered) return ids;
  const auto more_likely = [&](std::int32_t a, std::int32_t b) {
    const double sa = logits[static_cast<std::size_t>(a)], sb = logits[static_cast<std::size_t>(b)];
    return sa > sb || (sa == sb && a < b);
  };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    more_likely);
  ids.resize(count);
  return ids;
}

/// How many of the leading weights reach the share `top_p` of their sum.
std::size_t nucleus(const std::vector<double>& weights, double top_p) {
  const double wanted = top_p * std::accumulate(weights.begin(), weights.end(), 0.0);
  double reached = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    reached += weights[i];
    if (reached >= wanted) return i + 1;
  }
  return weights.size();
}

}  // namespace

void check_sampling(const SamplingOptions& o) {
  KRAIT_CHECK(Usage, o.temperature >= 0 && std::isfinite(o.temperature),
              "--temperature must be 0 or more, got ", o.temperature, ".");
  KRAIT_CHECK(Usage, o.top_k >= 0, "--top-k must be 0 (all) or more, got ", o.top_k, ".");
  KRAIT_CHECK(Usage, o.top_p > 0 && o.top_p <= 1, "--top-p must be above 0 and at most 1, got ",
              o.top_p, ".");
}

std::int32_t sample_token(std::span<const double> logits, const SamplingOptions& options,
                          double uniform) {
  check_sampling(options);
  KRAIT_REQUIRE(!logits.empty(), "[sample_token] needs at least one logit.");
  KRAIT_CHECK(NonFinite, std::ranges::all_of(logits, [](double s) { return std::isfinite(s); }),
              "the model gives logits that are not numbers; its training went wrong: use an "
              "earlier checkpoint.");
  const auto best = std::ranges::max_element(logits);  // the first of equals
  if (options.temperature == 0) return static_cast<std::int32_t>(best - logits.begin());

  const auto top_k = static_cast<std::size_t>(options.top_k);
  const std::size_t count = top_k > 0 ? std::min(top_k, logits.size()) : logits.size();
  const auto ids = candidates(logits, count, count < logits.size() || options.top_p < 1);
  std::vector<double> weights;
  weights.reserve(count);
  for (const std::int32_t id : ids) {
    weights.push_back(
        std::exp((logits[static_cast<std::size_t>(id)] - *best) / options.temperature));
  }
  if (options.top_p < 1) weights.resize(nucleus(weights, options.top_p));

  const double threshold = uniform * std::accumulate(weights.begin(), weights.end(), 0.0);
  double reached = 0;
  std::size_t picked = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    reached += weights[i];
    if (weights[i] > 0) picked = i;  // the last possible one, should rounding never pass threshold
    if (reached > threshold) break;
  }
  return ids[picked];
}

}  // namespace krait
