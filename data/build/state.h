// The progress of a build in shards, from which it continues after an interruption.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/names.h"
#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/text/reader.h"
#include "data/text/skipped_file.h"
#include "data/token_set/shard_list.h"

namespace krait {

/// The sides of a split.
enum class SetPart : std::uint8_t { Train, Valid };
inline constexpr SetPart kSetParts[] = {SetPart::Valid, SetPart::Train};  // in order of commit
template <>
inline constexpr std::array<std::string_view, 2> kNames<SetPart>{"train", "valid"};

/// The state of a build between two documents: everything that the rest of it depends on.
struct BuildState {
  struct Part {
    std::uint64_t documents = 0;
    std::vector<FinishedShard> shards;
  };
  TextPosition position;  // of the next document
  std::uint64_t tokens = 0;
  std::uint64_t empty_documents = 0;
  std::vector<SkippedFile> skipped;
  std::uint64_t skipped_bytes = 0;
  double threshold = 0;        // documents whose number is below it are held out
  double least = 1, most = 0;  // numbers so far
  bool complete = false;       // all shards are finished; the folders may have to be put in place
  std::array<Part, 2> parts;

  Part& of(SetPart part) { return parts.at(static_cast<std::size_t>(part)); }
  const Part& of(SetPart part) const { return parts.at(static_cast<std::size_t>(part)); }
  /// Documents so far, without empty ones.
  std::uint64_t documents() const { return parts[0].documents + parts[1].documents; }
};

/// The folder OUTPUT/unfinished-build of a build in shards. It holds
///   state.json          the newest BuildState, and what it belongs to
///   train/, valid/      finished shards, as the folders OUTPUT/train and OUTPUT/valid will be
///   lock                held by the process that builds
/// Shards that are not in the state are left from an interruption and removed.
class UnfinishedBuild {
 public:
  /// Makes the folder, or opens an existing one. `identity` is a JSON object with everything that
  /// decides what the shards hold, except the contents of the sources. Throws Io, also when another
  /// process is building there; BadData when the folder is damaged, has another identity, or
  /// sources that it has read have changed; Usage when OUTPUT/train or OUTPUT/valid exists and is
  /// not a set of shards, so that it must not be replaced.
  UnfinishedBuild(const std::filesystem::path& output, const nlohmann::ordered_json& identity,
                  const std::vector<TextSource>& sources);
  ~UnfinishedBuild();
  UnfinishedBuild(const UnfinishedBuild&) = delete;
  UnfinishedBuild& operator=(const UnfinishedBuild&) = delete;

  const std::optional<BuildState>& found() const { return found_; }
  std::filesystem::path shard_path(SetPart part, std::uint64_t number) const;
  void save(const BuildState& state);
  /// Removes all shards: the build starts over.
  void clear();
  /// Removes the whole folder.
  void remove();
  /// Replaces OUTPUT/train and OUTPUT/valid by the folders of a complete state and removes this
  /// one. After an interruption it is called again.
  void publish(const BuildState& state);

 private:
  void load(const std::string& text);
  void remove_leftovers() const;
  std::string sources_digest(const TextPosition& position);
  std::filesystem::path folder(SetPart part) const;

  std::filesystem::path output_, folder_;
  std::string identity_;
  const std::vector<TextSource>& sources_;
  FileDescriptor lock_;
  std::optional<BuildState> found_;
  Sha256 digest_;  // of the sources before digested_
  std::uint64_t digested_ = 0;
};

}  // namespace krait
