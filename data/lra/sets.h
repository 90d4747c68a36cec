// The three sets of a task while they are made.
#pragma once
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/labelled_set/labelled_set.h"
#include "data/labelled_set/writer.h"
#include "data/lra/options.h"
#include "data/lra/provenance.h"
#include "data/lra/result.h"

namespace krait {

class LraSets {
 public:
  LraSets(const LraOptions& options, const LabelledSetDescription& description);

  void add(Split split, std::int32_t label,
           std::initializer_list<std::span<const std::int32_t>> inputs);
  std::uint64_t n_examples(Split split) const;
  /// Tells the user how far it is; `total` 0 where nobody knows.
  void report(std::uint64_t done, std::uint64_t total) const;
  /// To be filled in before finish(), except for the origin.
  LraProvenance provenance;
  /// Where the examples were read from; empty for generated ones.
  std::filesystem::path read_from;
  std::vector<std::string> notes;

  /// Generated raw files go here; the folder is made.
  std::filesystem::path make_raw_folder(const std::filesystem::path& layout) const;
  /// Decides on the origin: data that was read is official when all facts agree. Puts all three
  /// sets in place, or leaves the old ones when one cannot be written.
  LraResult finish();

 private:
  void decide_origin();

  const LraOptions& options_;
  std::vector<LabelledSetWriter> writers_;  // in the order of kSplits
};

/// Which of `size` examples validate: `held_out` of them, a function of the seed.
class HeldOut {
 public:
  HeldOut(std::uint64_t seed, std::uint64_t size, std::uint64_t held_out);
  bool operator()(std::uint64_t example) const { return permutation_(example) < held_out_; }

 private:
  Permutation permutation_;
  std::uint64_t held_out_;
};

/// The first of the folders `places` in RAW that has `file`; "." is RAW itself. Throws
/// MissingInput, naming all of them.
std::filesystem::path find_raw(const std::filesystem::path& raw,
                               std::initializer_list<const char*> places, const char* file);

}  // namespace krait
