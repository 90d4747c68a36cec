#include "train/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "core/error.h"

namespace krait {
namespace {

struct Token {
  std::int32_t id;
  double logit, weight;  // exp((logit - largest) / temperature)
};

bool is_likelier(const Token& a, const Token& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/// The tokens that may be picked. Of the 50,000 and more of a vocabulary few matter: what cannot is
/// left out in one pass, before exponentials and selections. Expected time is linear: nothing is
/// sorted but what is left, which is long where a model is not sure of itself.
class Candidates {
 public:
  Candidates(std::span<const double> logits, double largest, const SamplingOptions& o) {
    if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < logits.size()) {
      read_most_likely(logits, static_cast<std::size_t>(o.top_k));
    } else {
      // The slack is for roundings. top_p counts the probability of all.
      const double slack = 1e-6;
      read(logits, o.top_p < 1 || o.min_p == 0
                       ? -std::numeric_limits<double>::infinity()
                       : largest + o.temperature * (std::log(o.min_p) - slack));
    }
    for (Token& t : tokens_) t.weight = std::exp((t.logit - largest) / o.temperature);
    if (o.top_p < 1) cut_to_nucleus(o.top_p);
    if (o.min_p > 0) drop_below(o.min_p);
  }
  /// In the order of ids.
  std::vector<Token> take() {
    if (!std::ranges::is_sorted(tokens_, {}, &Token::id)) {
      std::ranges::sort(tokens_, {}, &Token::id);
    }
    return std::move(tokens_);
  }

 private:
  void read(std::span<const double> logits, double lowest) {
    tokens_.reserve(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] >= lowest) tokens_.push_back({static_cast<std::int32_t>(i), logits[i], 0});
    }
  }
  /// The `count` most likely: twice as many are collected, then cut, so that most are seen to be
  /// too small at once.
  void read_most_likely(std::span<const double> logits, std::size_t count) {
    tokens_.reserve(2 * count);
    double smallest = -std::numeric_limits<double>::infinity();  // of those known to be enough
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] <= smallest) continue;
      tokens_.push_back({static_cast<std::int32_t>(i), logits[i], 0});
      if (tokens_.size() < 2 * count) continue;
      cut_to(count);
      smallest = tokens_.back().logit;
    }
    if (tokens_.size() > count) cut_to(count);
  }
  /// Keeps the `count` most likely, the least likely of them last.
  void cut_to(std::size_t count) {
    put_first(0, count - 1, tokens_.size());
    tokens_.resize(count);
  }
  /// Keeps the most likely ones that reach the share `top_p` of the sum together.
  void cut_to_nucleus(double top_p) {
    const double total = sum(0, tokens_.size()), wanted = top_p * total;
    // All that are smaller than this come to at most half of what the nucleus leaves out.
    drop_below((total - wanted) / (2 * static_cast<double>(tokens_.size())));
    double reached = 0;
    std::size_t first = 0, last = tokens_.size() - 1;  // the one that crosses is in [first, last]
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
    tokens_.resize(first + 1);
  }
  void drop_below(double weight) {
    std::erase_if(tokens_, [&](const Token& t) { return t.weight < weight; });
  }
  double sum(std::size_t begin, std::size_t end) const {
    double total = 0;
    for (std::size_t i = begin; i < end; ++i) total += tokens_[i].weight;
    return total;
  }
  /// Of [begin, end), puts the most likely up to place `last` first, that one at its place.
  void put_first(std::size_t begin, std::size_t last, std::size_t end) {
    const auto at = [&](std::size_t i) { return tokens_.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(begin), at(last), at(end), is_likelier);
  }

  std::vector<Token> tokens_;
};

}  // namespace

void check_sampling(const SamplingOptions& o) {
  KRAIT_CHECK(Usage, o.temperature >= 0 && std::isfinite(o.temperature),
              "`temperature` must be 0 or more, got ", o.temperature, ".");
  KRAIT_CHECK(Usage, o.top_k >= 0, "`top_k` must be 0 (all) or more, got ", o.top_k, ".");
  KRAIT_CHECK(Usage, o.top_p > 0 && o.top_p <= 1, "`top_p` must be above 0 and at most 1, got ",
              o.top_p, ".");
  KRAIT_CHECK(Usage, o.min_p >= 0 && o.min_p <= 1, "`min_p` must be 0 to 1, got ", o.min_p, ".");
  KRAIT_CHECK(Usage, o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty),
              "`repetition_penalty` must be above 0, got ", o.repetition_penalty, ".");
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

  const std::vector<Token> tokens = Candidates(logits, *best, options).take();
  double total = 0;
  for (const Token& t : tokens) total += t.weight;
  const double threshold = uniform * total;
  double reached = 0;
  std::int32_t picked = tokens.front().id;
  for (const Token& t : tokens) {
    reached += t.weight;
    if (t.weight > 0) picked = t.id;  // the last possible one, should rounding never pass threshold
    if (reached > threshold) break;
  }
  return picked;
}

}  // namespace krait
