#include "data/lra/sets.h"

#include <algorithm>
#include <utility>

#include "core/system/file.h"

namespace krait {
namespace fs = std::filesystem;

LraSets::LraSets(const LraOptions& options, const LabelledSetDescription& description)
    : options_(options) {
  provenance.tool = options.tool;
  provenance.task = options.task;
  provenance.seed = options.seed;
  for (const Split split : kSplits) {
    writers_.emplace_back(labelled_set_path(options.output, split), description);
  }
}

void LraSets::add(Split split, std::int32_t label,
                  std::initializer_list<std::span<const std::int32_t>> inputs) {
  writers_[static_cast<std::size_t>(split)].add(label, inputs);
}

std::uint64_t LraSets::n_examples(Split split) const {
  return writers_[static_cast<std::size_t>(split)].n_examples();
}

void LraSets::report(std::uint64_t done, std::uint64_t total) const {
  if (options_.progress) options_.progress(done, total);
}

fs::path LraSets::make_raw_folder(const fs::path& layout) const {
  const fs::path folder = options_.output / "raw" / layout;
  make_directories(folder);
  return folder;
}

void LraSets::decide_origin() {
  if (read_from.empty() || path_exists(read_from / kRawProvenanceFile)) {
    provenance.origin = DataOrigin::Regenerated;
  } else {
    const bool all = std::ranges::all_of(provenance.facts, &LraFact::agrees);
    provenance.origin = all ? DataOrigin::Official : DataOrigin::Subset;
  }
  for (const LraFact& fact : provenance.facts) {
    if (fact.agrees()) continue;
    notes.push_back(str(fact.name, ": ", fact.got, ", in the benchmark ", fact.expected, "."));
  }
}

LraResult LraSets::finish() {
  decide_origin();
  for (const Split split : kSplits) {
    writers_[static_cast<std::size_t>(split)].prepare(provenance.json(split));
  }
  for (LabelledSetWriter& writer : writers_) writer.commit();
  LraResult result{.sets = {}, .provenance = std::move(provenance), .notes = std::move(notes)};
  for (const Split split : kSplits) {
    result.sets.at(static_cast<std::size_t>(split)) =
        LabelledSet(labelled_set_path(options_.output, split)).info();
  }
  return result;
}

HeldOut::HeldOut(std::uint64_t seed, std::uint64_t size, std::uint64_t held_out)
    : permutation_(
          size, {.seed = seed, .purpose = RandomPurpose::Shuffle, .stream = stream_of("held out")}),
      held_out_(held_out) {}

fs::path find_raw(const fs::path& raw, std::initializer_list<const char*> places,
                  const char* file) {
  std::string tried;
  for (const char* place : places) {
    const fs::path folder = (raw / place).lexically_normal();
    if (path_exists(folder / file)) return folder;
    tried += str(tried.empty() ? "" : ", ", "'", (folder / file).string(), "'");
  }
  KRAIT_CHECK(MissingInput, false, "there is no ", tried,
              "; name the folder that holds the released files.");
}

}  // namespace krait
