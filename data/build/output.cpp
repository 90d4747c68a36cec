#include "data/build/output.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "data/token_set/writer.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t at(SetPart part) {
  return static_cast<std::size_t>(part);
}

/// All that decides what shards hold, apart from the sources.
nlohmann::ordered_json identity(const BuildOptions& o, const Tokenizer& tokenizer) {
  nlohmann::ordered_json json{{"tool", o.tool},
                              {"tokenizer", tokenizer.identity().json()},
                              {"sources", nlohmann::ordered_json::array()},
                              {"text_field", o.text_field},
                              {"held_out", o.held_out},
                              {"seed", o.seed},
                              {"shard_tokens", o.shard_tokens}};
  for (const fs::path& input : o.inputs) json["sources"].push_back(input.string());
  return json;
}

}  // namespace

BuildOutput::BuildOutput(const BuildOptions& options, const Tokenizer& tokenizer,
                         const std::vector<TextSource>& sources, PartProvenance provenance)
    : options_(options),
      tokenizer_(tokenizer),
      provenance_(std::move(provenance)),
      folder_(is_one_file() ? options.output.parent_path() : options.output) {
  std::error_code error;
  if (!folder_.empty()) made_folder_ = fs::create_directories(folder_, error);
  if (error) throw_io_error("make the folder", folder_, error.value());
  if (options.shard_tokens == 0) return;
  unfinished_.emplace(folder_, identity(options, tokenizer), sources);
  if (!unfinished_->found()) return;
  saved_ = true;
  for (const SetPart part : kSetParts) {
    n_shards_[at(part)] = unfinished_->found()->of(part).shards.size();
  }
}

BuildOutput::~BuildOutput() {
  if (finished_) return;
  for (auto& writer : writers_) writer.reset();
  try {
    if (unfinished_ && !saved_) unfinished_->remove();
  } catch (const Error&) {  // the error that ended the build says more
  }
  std::error_code ignored;
  if (made_folder_) fs::remove(folder_, ignored);  // nothing happens unless it is empty
}

std::optional<BuildState> BuildOutput::found() const {
  return unfinished_ ? unfinished_->found() : std::nullopt;
}

fs::path BuildOutput::path_of(SetPart part) const {
  if (is_one_file()) return options_.output;
  return folder_ / (std::string(name_of(part)) + (unfinished_ ? "" : ".h5"));
}

TokenSetWriter& BuildOutput::writer(SetPart part) {
  std::optional<TokenSetWriter>& open = writers_[at(part)];
  if (!open) {
    open.emplace(unfinished_ ? unfinished_->shard_path(part, n_shards_[at(part)]) : path_of(part),
                 tokenizer_);
  }
  return *open;
}

/// Whether there was anything to prepare.
bool BuildOutput::prepare(SetPart part, std::optional<std::uint64_t> shard) {
  std::optional<TokenSetWriter>& open = writers_[at(part)];
  if (!open || open->n_documents() == 0) return false;
  open->prepare(provenance_(part, shard));
  return true;
}

void BuildOutput::document_done(BuildState& state) {
  const auto& train = writers_[at(SetPart::Train)];
  const bool full = train && train->n_tokens() >= options_.shard_tokens;
  if (unfinished_ && full) finish_shard(state);
}

void BuildOutput::finish_shard(BuildState& state) {
  for (const SetPart part : kSetParts) {
    std::uint64_t& number = n_shards_[at(part)];
    if (!prepare(part, number)) continue;
    const fs::path path = unfinished_->shard_path(part, number);
    TokenSetWriter& writer = *writers_[at(part)];
    writer.commit();
    state.of(part).shards.push_back({path.filename(), writer.content_sha256()});
    writers_[at(part)].reset();
    ++number;
  }
  unfinished_->save(state);
  saved_ = true;
}

void BuildOutput::start_over(const BuildState& state) {
  for (auto& writer : writers_) writer.reset();
  n_shards_ = {};
  if (!unfinished_) return;
  unfinished_->save(state);  // first, so that a state never names shards that are gone
  saved_ = true;
  unfinished_->clear();
}

void BuildOutput::finish(BuildState& state) {
  if (unfinished_) {
    if (!state.complete) {
      state.complete = true;
      finish_shard(state);
    }
    unfinished_->publish(state);
  } else {
    bool prepared[2] = {};
    for (const SetPart part : kSetParts) prepared[at(part)] = prepare(part, std::nullopt);
    for (const SetPart part : kSetParts) {
      if (prepared[at(part)]) writers_[at(part)]->commit();
    }
  }
  finished_ = true;
}

}  // namespace krait
