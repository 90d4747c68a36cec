// The files that a build writes: one per part, or shards.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/build/options.h"
#include "data/build/state.h"
#include "data/token_set/token_set.h"
#include "data/token_set/writer.h"

namespace krait {

/// The provenance of a part, or of its shard of that number.
using PartProvenance = std::function<std::string(SetPart part, std::optional<std::uint64_t> shard)>;

/// Destroyed before finish() has returned, it leaves only finished shards behind.
class BuildOutput {
 public:
  BuildOutput(const BuildOptions& options, const Tokenizer& tokenizer,
              const std::vector<TextSource>& sources, PartProvenance provenance);
  ~BuildOutput();
  BuildOutput(const BuildOutput&) = delete;
  BuildOutput& operator=(const BuildOutput&) = delete;

  /// The state from which an interrupted build in shards continues.
  std::optional<BuildState> found() const;
  /// The writer of a part's current file or shard, opened if necessary.
  TokenSetWriter& writer(SetPart part);
  /// Finishes the shards of both parts and saves the state, if the training shard is full.
  void document_done(BuildState& state);
  /// Forgets everything that was written. `state` must be that of a new build.
  void start_over(const BuildState& state);
  /// Puts the sets in place.
  void finish(BuildState& state);
  /// The path of a finished part.
  std::filesystem::path path_of(SetPart part) const;

 private:
  bool is_one_file() const { return options_.output.extension() == ".h5"; }
  bool prepare(SetPart part, std::optional<std::uint64_t> shard);
  void finish_shard(BuildState& state);

  const BuildOptions& options_;
  const Tokenizer& tokenizer_;
  PartProvenance provenance_;
  std::filesystem::path folder_;
  bool made_folder_ = false, finished_ = false, saved_ = false;
  std::optional<UnfinishedBuild> unfinished_;
  std::array<std::uint64_t, 2> n_shards_{};
  std::array<std::optional<TokenSetWriter>, 2> writers_;
};

}  // namespace krait
