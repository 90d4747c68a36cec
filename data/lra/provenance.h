// What a task's sets say about where they come from.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/labelled_set/labelled_set.h"
#include "data/lra/task.h"

namespace krait {

/// A file that was read, or a folder: then the hash is over the name, size and contents of each of
/// its files, in the order of their names.
struct RawSource {
  std::string name;  // inside the folder of the raw data
  std::uint64_t files = 1, bytes = 0;
  std::string sha256;
};

/// A count or statistic and what it is in the release.
struct LraFact {
  std::string name;
  double expected = 0, got = 0;
  double tolerance = 0;  // 0: exact
  bool agrees() const;
};

struct LraProvenance {
  std::string tool;
  LraTask task = LraTask::ListOps;
  DataOrigin origin = DataOrigin::Official;
  std::vector<RawSource> sources;  // none for generated data
  std::uint64_t seed = 0;
  std::vector<std::pair<std::string, std::string>> rules;  // how examples were drawn or read
  std::vector<std::string> deviations;                     // from the benchmark: sentences
  std::vector<LraFact> facts;

  /// One JSON object: tool, task, origin, part (of one set), sources, seed, rules, deviations,
  /// facts.
  std::string json(std::optional<Split> part) const;
};

/// The origin that a provenance says, such as that of an open set.
DataOrigin origin_of(std::string_view provenance);

/// The file beside generated raw data that tells it from the release, and its contents: the
/// provenance. It stands in the same folder as basic_train.tsv or imgs/.
inline constexpr std::string_view kRawProvenanceFile = "krait_provenance.json";

}  // namespace krait
