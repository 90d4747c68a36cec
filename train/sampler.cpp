#include "train/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "core/error.h"

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

/// Puts the `count` most likely ids first, in order.
void order_first(std::span<const double> logits, std::size_t count, Ids& ids) {
  const auto more_likely = [&](std::int32_t a, std::int32_t b) {
    const double sa = logits[static_cast<std::size_t>(a)], sb = logits[static_cast<std::size_t>(b)];
    return sa > sb || (sa == sb && a < b);
  };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    more_likely);
}

/// Cuts `ids` to the most likely ones whose weights reach the share `top_p` of the sum. Orders a
/// few at first, since of a vocabulary few are likely.
void cut_to_nucleus(std::span<const double> logits, const std::vector<double>& weights,
                    double top_p, Ids& ids) {
  const auto weight = [&](std::int32_t id) { return weights[static_cast<std::size_t>(id)]; };
  double wanted = 0;
  for (const std::int32_t id : ids) wanted += weight(id);
  wanted *= top_p;
  for (std::size_t count = 0; count < ids.size();) {
    count = std::min(ids.size(), std::max<std::size_t>(8 * count, 64));
    order_first(logits, count, ids);
    double reached = 0;
    for (std::size_t i = 0; i < count; ++i) {
      reached += weight(ids[i]);
      if (reached < wanted) continue;
      ids.resize(i + 1);
      return;
    }
  }
}

/// The ids that the options leave, whose weights are exp((logit - largest) / temperature).
Ids candidates(std::span<const double> logits, const std::vector<double>& weights,
               const SamplingOptions& o) {
  Ids ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  if (const auto top_k = static_cast<std::size_t>(o.top_k); top_k > 0 && top_k < ids.size()) {
    order_first(logits, top_k, ids);
    ids.resize(top_k);
  }
  if (o.top_p < 1) cut_to_nucleus(logits, weights, o.top_p, ids);
  std::erase_if(ids,
                [&](std::int32_t id) { return weights[static_cast<std::size_t>(id)] < o.min_p; });
  return ids;
}

}  // namespace

void check_sampling(const SamplingOptions& o) {
  KRAIT_CHECK(Usage, o.temperature >= 0 && std::isfinite(o.temperature),
              "--temperature must be 0 or more, got ", o.temperature, ".");
  KRAIT_CHECK(Usage, o.top_k >= 0, "--top-k must be 0 (all) or more, got ", o.top_k, ".");
  KRAIT_CHECK(Usage, o.top_p > 0 && o.top_p <= 1, "--top-p must be above 0 and at most 1, got ",
              o.top_p, ".");
  KRAIT_CHECK(Usage, o.min_p >= 0 && o.min_p <= 1, "--min-p must be 0 to 1, got ", o.min_p, ".");
  KRAIT_CHECK(Usage, o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty),
              "--repetition-penalty must be above 0, got ", o.repetition_penalty, ".");
}

void penalise_repetition(std::span<double> logits, const std::vector<bool>& seen, double penalty) {
  KRAIT_REQUIRE(seen.size() == logits.size(), "[penalise_repetition] needs a mark for each of ",
                logits.size(), " logits, got ", seen.size(), ".");
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (seen[i]) logits[i] *= logits[i] > 0 ? 1 / penalty : penalty;
  }
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

  std::vector<double> weights(logits.size());
  std::ranges::transform(logits, weights.begin(),
                         [&](double s) { return std::exp((s - *best) / options.temperature); });
  const Ids ids = candidates(logits, weights, options);
  const auto weight = [&](std::int32_t id) { return weights[static_cast<std::size_t>(id)]; };
  double total = 0;
  for (const std::int32_t id : ids) total += weight(id);
  const double threshold = uniform * total;
  double reached = 0;
  std::int32_t picked = ids.front();
  for (const std::int32_t id : ids) {
    reached += weight(id);
    if (weight(id) > 0) picked = id;  // the last possible one, should rounding never pass threshold
    if (reached > threshold) break;
  }
  return picked;
}

}  // namespace krait
