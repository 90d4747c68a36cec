// Random expressions of ListOps.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "data/lra/listops/expression.h"

namespace krait {

/// How expressions are drawn (google-research/long-range-arena, data/listops.py). A node at depth
/// d, the root having 1, is an operator with `operator_probability` when d < max_depth, else a
/// digit, uniform. An operator is uniform among MIN, MAX, MED and SM and has 2 to max_arguments
/// arguments, uniform. An expression is kept when min_length < tokens < max_length.
struct ListOpsRules {
  int max_depth = 10;
  int max_arguments = 10;
  double operator_probability = 0.25;
  std::size_t min_length = 500, max_length = 2000;
};

/// Candidate number `candidate` of a seed: a pure function. Nothing when it is not kept.
std::optional<ListOpsExpression> draw_listops(const ListOpsRules& rules, std::uint64_t seed,
                                              std::uint64_t candidate);

/// The candidates of a seed that are kept, in order and each expression once. Candidates are drawn
/// in parallel; the result does not depend on the number of threads. Memory: some MiB, and some 64
/// bytes for each expression so far.
class ListOpsGenerator {
 public:
  explicit ListOpsGenerator(std::uint64_t seed, const ListOpsRules& rules = {});
  ListOpsExpression next();
  /// Candidates drawn for the expressions that were handed out, and how many of them were kept.
  std::uint64_t drawn() const { return drawn_; }
  std::uint64_t kept() const { return kept_; }

 private:
  struct Kept {
    ListOpsExpression expression;
    std::uint64_t candidate;
  };
  void draw_more();

  std::uint64_t seed_;
  ListOpsRules rules_;
  std::uint64_t next_candidate_ = 0, drawn_ = 0, kept_ = 0;
  std::deque<Kept> ready_;
  std::set<std::string> seen_;  // hashes
};

}  // namespace krait
