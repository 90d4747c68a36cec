#include "train/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "core/error.h"

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

/// Cuts a vocabulary to the tokens that may be picked. Expected time is linear: few models are so
/// sure of themselves that a sort of the most likely ones would be short.
class Candidates {
 public:
  /// Weights are exp((logit - largest) / temperature).
  Candidates(std::span<const double> logits, const std::vector<double>& weights)
      : logits_(logits), weights_(weights), ids_(logits.size()) {
    std::iota(ids_.begin(), ids_.end(), 0);
  }
  /// Keeps the `count` most likely.
  void cut_to(std::size_t count) {
    if (count >= ids_.size()) return;
    put_first(0, count - 1, ids_.size());
    ids_.resize(count);
  }
  /// Keeps the most likely ones that reach the share `top_p` of the sum together.
  void cut_to_nucleus(double top_p) {
    const double wanted = top_p * sum(0, ids_.size());
    double reached = 0;
    std::size_t first = 0, last = ids_.size() - 1;  // the one that crosses it is in [first, last]
    while (first < last) {
      const std::size_t middle = first + (last - first) / 2;
      put_first(first, middle, last + 1);
      const double part = sum(first, middle + 1);
      if (reached + part >= wanted) {
        last = middle;
      } else {
        reached += part;
        first = middle + 1;
      }
    }
    ids_.resize(first + 1);
  }
  void drop_below(double weight) {
    std::erase_if(ids_, [&](std::int32_t id) { return weight_of(id) < weight; });
  }
  /// What is left, in the order of ids.
  Ids take() {
    std::ranges::sort(ids_);
    return std::move(ids_);
  }

 private:
  double weight_of(std::int32_t id) const { return weights_[static_cast<std::size_t>(id)]; }
  double sum(std::size_t begin, std::size_t end) const {
    double total = 0;
    for (std::size_t i = begin; i < end; ++i) total += weight_of(ids_[i]);
    return total;
  }
  /// Of [begin, end), puts the most likely up to place `last` first, that one at its place.
  void put_first(std::size_t begin, std::size_t last, std::size_t end) {
    const auto at = [&](std::size_t i) { return ids_.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(begin), at(last), at(end), [&](std::int32_t a, std::int32_t b) {
      const double sa = logits_[static_cast<std::size_t>(a)];
      const double sb = logits_[static_cast<std::size_t>(b)];
      return sa > sb || (sa == sb && a < b);
    });
  }

  std::span<const double> logits_;
  const std::vector<double>& weights_;
  Ids ids_;
};

Ids candidates(std::span<const double> logits, const std::vector<double>& weights,
               const SamplingOptions& o) {
  Candidates left(logits, weights);
  if (o.top_k > 0) left.cut_to(static_cast<std::size_t>(o.top_k));
  if (o.top_p < 1) left.cut_to_nucleus(o.top_p);
  if (o.min_p > 0) left.drop_below(o.min_p);
  return left.take();
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
