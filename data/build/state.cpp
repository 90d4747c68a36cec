#include "data/build/state.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>

#include "data/token_set/shard_list.h"
#include "data/token_set/token_set.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxStateBytes = std::size_t{1} << 30;

std::string dump(const Json& json) {
  // A path need not be UTF-8, JSON must be.
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const BuildState& state) {
  Json json{{"file", state.position.file},
            {"offset", state.position.offset},
            {"line", state.position.line},
            {"tokens", state.tokens},
            {"empty_documents", state.empty_documents},
            {"skipped_bytes", state.skipped_bytes},
            {"threshold", state.threshold},
            {"least", state.least},
            {"most", state.most},
            {"complete", state.complete}};
  json["skipped"] = Json::array();
  for (const SkippedFile& file : state.skipped) {
    json["skipped"].push_back({file.path.string(), file.reason});
  }
  for (const SetPart part : kSetParts) {
    Json& entry = json["parts"][name_of(part)];
    entry = {{"documents", state.of(part).documents}, {"shards", Json::array()}};
    for (const FinishedShard& shard : state.of(part).shards) {
      entry["shards"].push_back({shard.name, shard.content_sha256});
    }
  }
  return json;
}

BuildState from_json(const Json& json) {
  BuildState state;
  state.position = {json.at("file"), json.at("offset"), json.at("line")};
  state.tokens = json.at("tokens");
  state.empty_documents = json.at("empty_documents");
  state.skipped_bytes = json.at("skipped_bytes");
  state.threshold = json.at("threshold");
  state.least = json.at("least");
  state.most = json.at("most");
  state.complete = json.at("complete");
  for (const Json& file : json.at("skipped")) {
    state.skipped.push_back({file.at(0).get<std::string>(), file.at(1)});
  }
  for (const SetPart part : kSetParts) {
    const Json& entry = json.at("parts").at(std::string(name_of(part)));
    state.of(part).documents = entry.at("documents");
    for (const Json& shard : entry.at("shards")) {
      state.of(part).shards.push_back({shard.at(0), shard.at(1)});
    }
  }
  return state;
}

/// "seed is 3 there and 4 here": the first thing in which two identities differ.
std::string difference(const Json& there, const Json& here) {
  for (const auto& [key, value] : here.items()) {
    const Json other = there.is_object() && there.contains(key) ? there[key] : Json();
    if (other != value)
      return fmt::format("{} is {} there and {} here", key, other.dump(), value.dump());
  }
  return "the options differ";
}

void require_replaceable(const fs::path& folder) {
  KRAIT_CHECK(Usage, !path_exists(folder) || is_shard_folder(folder), "'", folder.string(),
              "' exists and is not a set of shards, so it is not replaced; choose another output.");
}

/// What a build that was killed can leave of its folder besides one with a lock.
bool is_absent_or_empty(const fs::path& folder) {
  std::error_code error;
  return !path_exists(folder) || (fs::is_empty(folder, error) && !error);
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw_io_error("put in place", to, error.value());
}

void remove_path(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw_io_error("remove", path, error.value());
}

}  // namespace

UnfinishedBuild::UnfinishedBuild(const fs::path& output, const Json& identity,
                                 const std::vector<TextSource>& sources)
    : output_(output),
      folder_(output / "unfinished-build"),
      identity_(identity.dump(-1, ' ', false, Json::error_handler_t::replace)),
      sources_(sources) {
  for (const SetPart part : kSetParts) require_replaceable(output_ / name_of(part));
  const fs::path state = folder_ / "state.json", lock = folder_ / "lock";
  KRAIT_CHECK(Usage, path_exists(lock) || is_absent_or_empty(folder_), "'", folder_.string(),
              "' exists but is not left from an interrupted build; move it away.");
  make_directories(folder_);
  lock_ = FileDescriptor(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock_) throw_io_error("open", lock, errno);
  KRAIT_CHECK(Io, ::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0, "another process is building in '",
              output_.string(), "'; wait for it, or choose another output.");
  for (const SetPart part : kSetParts) make_directories(folder(part));
  if (path_exists(state)) load(read_file(state, kMaxStateBytes));
  remove_leftovers();
}

UnfinishedBuild::~UnfinishedBuild() = default;

fs::path UnfinishedBuild::folder(SetPart part) const {
  return folder_ / name_of(part);
}

fs::path UnfinishedBuild::shard_path(SetPart part, std::uint64_t number) const {
  return folder(part) / fmt::format("{}-{:05}.h5", name_of(part), number);
}

void UnfinishedBuild::load(const std::string& text) {
  const std::string advice = fmt::format("; remove '{}' to start over.", folder_.string());
  const std::string where = fmt::format("'{}'", (folder_ / "state.json").string());
  std::string there, digest;
  try {
    const Json json = Json::parse(text);
    KRAIT_CHECK(BadData, json.at("format") == "krait-unfinished-build" && json.at("version") == 1,
                where, " is of another version of Krait", advice);
    there = json.at("identity");
    digest = json.at("sources");
    found_ = from_json(json.at("state"));
  } catch (const Json::exception&) {
    throw Error(ErrorKind::BadData, where + " is damaged" + advice);
  }
  KRAIT_CHECK(BadData, there == identity_, "'", folder_.string(),
              "' is an interrupted build with other options (",
              difference(Json::parse(there, nullptr, false), Json::parse(identity_)), ")", advice);
  KRAIT_CHECK(BadData, digest == sources_digest(found_->position),
              "the input files that the interrupted build in '", folder_.string(),
              "' read have changed since then", advice);
  for (const SetPart part : kSetParts) {
    const std::vector<FinishedShard>& shards = found_->of(part).shards;
    for (std::uint64_t i = 0; i < shards.size(); ++i) {
      const fs::path path = shard_path(part, i);
      if (found_->complete && !path_exists(path)) continue;  // in place already
      KRAIT_CHECK(BadData, TokenSet(path).info().content_sha256 == shards[i].content_sha256, "'",
                  path.string(), "' is not the shard that was written", advice);
    }
  }
}

void UnfinishedBuild::remove_leftovers() const {
  for (const SetPart part : kSetParts) {
    std::vector<fs::path> leftovers;
    for (const auto& entry : fs::directory_iterator(folder(part))) {
      const auto known = [&](const FinishedShard& s) { return s.name == entry.path().filename(); };
      const bool keep =
          found_ && (std::ranges::any_of(found_->of(part).shards, known) || found_->complete);
      if (!keep) leftovers.push_back(entry.path());
    }
    for (const fs::path& path : leftovers) remove_path(path);
  }
}

std::string UnfinishedBuild::sources_digest(const TextPosition& position) {
  if (position.file < digested_) {
    digest_ = Sha256();
    digested_ = 0;
  }
  for (; digested_ < std::min<std::uint64_t>(position.file, sources_.size()); ++digested_) {
    add_identity(digest_, sources_[digested_]);
  }
  if (position.offset == 0 || position.file >= sources_.size()) return digest_.hex();
  Sha256 with_current = digest_;
  add_identity(with_current, sources_[position.file]);
  return with_current.hex();
}

void UnfinishedBuild::save(const BuildState& state) {
  const Json json{{"format", "krait-unfinished-build"},
                  {"version", 1},
                  {"identity", identity_},
                  {"sources", sources_digest(state.position)},
                  {"state", to_json(state)}};
  write_file_atomic(folder_ / "state.json", dump(json) + "\n");
}

void UnfinishedBuild::clear() {
  found_.reset();
  remove_leftovers();
}

/// A kill at any moment leaves a folder that the next build takes for one of ours: what the state
/// names goes first, then the state, then the lock.
void UnfinishedBuild::remove() {
  const auto is_last = [](const fs::path& name) { return name == "state.json" || name == "lock"; };
  std::vector<fs::path> first;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (!is_last(entry.path().filename())) first.push_back(entry.path());
  }
  for (const fs::path& path : first) remove_path(path);
  remove_path(folder_ / "state.json");
  remove_path(folder_ / "lock");
  remove_path(folder_);
}

void UnfinishedBuild::publish(const BuildState& state) {
  for (const SetPart part : kSetParts) {
    if (state.of(part).shards.empty() || !path_exists(shard_path(part, 0)))
      continue;  // in place already
    write_shard_list(folder(part), state.of(part).shards);
    const fs::path target = output_ / name_of(part);
    require_replaceable(target);
    if (path_exists(target)) {
      const fs::path old = folder_ / ("old-" + std::string(name_of(part)));
      remove_path(old);
      rename_or_throw(target, old);
    }
    rename_or_throw(folder(part), target);
    fsync_directory(output_);
  }
  remove();
}

}  // namespace krait
