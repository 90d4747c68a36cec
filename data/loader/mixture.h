// The text that names the sets that a run trains on.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/text_problem.h"

namespace krait {

/// A set, and its weight: its share of the samples is weight / sum of weights.
struct MixtureItem {
  std::string path;
  double weight = 1;
  friend bool operator==(const MixtureItem&, const MixtureItem&) = default;
};

/// Reads "PATH", or a mixture: "PATH:WEIGHT, PATH:WEIGHT, ...", blanks around commas and colons
/// allowed, weights in decimal and above 0. A path in a mixture must not have a comma, but may have
/// colons. Returns nothing for any other text, and `problem` says why.
std::optional<std::vector<MixtureItem>> parse_mixture(std::string_view text, TextProblem& problem);

/// The same, but throws BadConfig for any other text.
std::vector<MixtureItem> parse_mixture(std::string_view text);

}  // namespace krait
