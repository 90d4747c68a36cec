#include "data/lra/listops.h"

#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "core/error.h"
#include "data/lra/listops/generator.h"
#include "data/lra/listops/tsv.h"
#include "data/lra/sets.h"

namespace krait {
namespace fs = std::filesystem;

namespace {

constexpr std::array kFiles{"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"};
constexpr std::array<std::uint64_t, 3> kRows{96000, 2000, 2000};
constexpr std::uint64_t kReportRows = 500;

const char* file_of(Split split) {
  return kFiles.at(static_cast<std::size_t>(split));
}

LabelledSetDescription description() {
  LabelledSetDescription d{.task = "listops", .n_symbols = kListOpsSymbols};
  for (std::int32_t id = 0; id < kListOpsSymbols; ++id) d.symbols.emplace_back(listops_symbol(id));
  for (std::int32_t digit = 0; digit < 10; ++digit) d.classes.emplace_back(listops_symbol(digit));
  return d;
}

/// What the rows of all three sets have in common with those of the benchmark. The expected figures
/// are those of an independent generator, measured on 3000 rows (lengths, labels) and 4000 (the
/// oracles); so tolerances are four standard errors of both samples together.
class Statistics {
 public:
  void add(std::span<const std::int32_t> ids, std::int32_t value) {
    ++rows_;
    length_ += static_cast<double>(ids.size());
    ++labels_.at(static_cast<std::size_t>(value));
    for (std::size_t levels = 0; levels < right_.size(); ++levels) {
      if (listops_oracle(ids, static_cast<int>(levels)) == value) ++right_.at(levels);
    }
  }
  void add_facts(std::vector<LraFact>& facts) const {
    facts.push_back({.name = "mean length",
                     .expected = 1048,
                     .got = length_ / rows_,
                     .tolerance = tolerance(400, 3000)});
    constexpr std::array kLabels{.169, .092, .069, .075, .096, .088, .080, .074, .088, .168};
    for (std::size_t i = 0; i < kLabels.size(); ++i) {
      add_share(facts, str("share of label ", i), kLabels.at(i), labels_.at(i), 3000);
    }
    constexpr std::array kOracles{.366, .589, .733, .828};
    for (std::size_t i = 0; i < kOracles.size(); ++i) {
      add_share(facts, str("accuracy of the oracle of ", i, " levels"), kOracles.at(i),
                right_.at(i), 4000);
    }
  }

 private:
  double tolerance(double deviation, double measured_on) const {
    return 4 * deviation * std::sqrt(1 / rows_ + 1 / measured_on);
  }
  void add_share(std::vector<LraFact>& facts, std::string name, double expected, double count,
                 double measured_on) const {
    const double deviation = std::sqrt(expected * (1 - expected));
    facts.push_back({.name = std::move(name),
                     .expected = expected,
                     .got = count / rows_,
                     .tolerance = tolerance(deviation, measured_on)});
  }

  double rows_ = 0, length_ = 0;
  std::array<double, 10> labels_{};
  std::array<double, 4> right_{};
};

/// The sets, and what becomes of a row on the way into them.
class ListOpsSets {
 public:
  explicit ListOpsSets(const LraOptions& options)
      : options_(options), sets_(options, description()) {
    if (options.levels == 0) return;
    sets_.provenance.deviations.push_back(
        str("operators below the outer ", options.levels, " levels are replaced by their value"));
  }
  LraResult read();
  LraResult generate();

 private:
  void add(Split split, const ListOpsExpression& ids, std::int32_t target) {
    statistics_.add(ids, target);
    if (++done_ % kReportRows == 0) sets_.report(done_, total_);
    if (options_.levels == 0) return sets_.add(split, target, {ids});
    const ListOpsExpression outer = listops_truncated(ids, options_.levels);
    sets_.add(split, target, {outer});
  }
  void read_file(Split split);
  void check_target(const ListOpsRow& row, const LineReader& lines);
  LraResult finish() {
    statistics_.add_facts(sets_.provenance.facts);
    return sets_.finish();
  }

  const LraOptions& options_;
  LraSets sets_;
  Statistics statistics_;
  std::uint64_t done_ = 0, total_ = 0, wrong_ = 0;
};

void ListOpsSets::check_target(const ListOpsRow& row, const LineReader& lines) {
  const auto value = listops_value(row.expression);
  if (value == row.target || wrong_++ > 0) return;
  sets_.notes.push_back(str(lines.where(), ": the target ", row.target,
                            " is not the value of the expression, ", *value,
                            "; such targets were kept as they are."));
}

void ListOpsSets::read_file(Split split) {
  ListOpsTsvReader reader(sets_.read_from / file_of(split));
  while (const auto row = reader.next()) {
    check_target(*row, reader.lines());
    add(split, row->expression, row->target);
  }
  sets_.provenance.sources.push_back(
      {.name = file_of(split), .bytes = reader.lines().bytes(), .sha256 = reader.lines().sha256()});
  sets_.provenance.facts.push_back(
      {.name = str("rows of ", file_of(split)),
       .expected = static_cast<double>(kRows.at(static_cast<std::size_t>(split))),
       .got = static_cast<double>(sets_.n_examples(split))});
}

LraResult ListOpsSets::read() {
  sets_.read_from = find_raw(options_.raw, {".", "listops-1000"}, kFiles[0]);
  for (const Split split : kSplits) read_file(split);
  sets_.provenance.facts.push_back({.name = "targets that are not the value of their expression",
                                    .expected = 0,
                                    .got = static_cast<double>(wrong_)});
  return finish();
}

LraResult ListOpsSets::generate() {
  ListOpsGenerator generator(options_.seed);
  const auto counts = options_.counts.value_or(kRows);
  total_ = counts[0] + counts[1] + counts[2];
  fs::path raw;
  if (options_.write_raw) raw = sets_.make_raw_folder("listops-1000");
  std::vector<std::unique_ptr<ListOpsTsvWriter>> files;
  for (const Split split : kSplits) {
    if (options_.write_raw) {
      files.push_back(std::make_unique<ListOpsTsvWriter>(raw / file_of(split)));
    }
    for (std::uint64_t i = 0; i < counts.at(static_cast<std::size_t>(split)); ++i) {
      const ListOpsExpression ids = generator.next();
      const std::int32_t value = *listops_value(ids);
      add(split, ids, value);
      if (!files.empty()) files.back()->add(ids, value);
    }
  }
  const double kept = static_cast<double>(generator.kept());
  sets_.provenance.facts.push_back({.name = "share of candidates kept",
                                    .expected = 0.081,
                                    .got = kept / static_cast<double>(generator.drawn()),
                                    .tolerance = 4 * 0.081 * std::sqrt(1 / kept + 1. / 3000)});
  LraResult result = finish();
  for (const auto& file : files) file->commit();
  if (options_.write_raw) {
    write_file_atomic(raw / kRawProvenanceFile, result.provenance.json(std::nullopt) + "\n");
  }
  return result;
}

}  // namespace

LraResult make_listops_sets(const LraOptions& options) {
  KRAIT_CHECK(Usage, options.levels >= 0, "`levels` must be >= 0, got ", options.levels, ".");
  ListOpsSets sets(options);
  return options.raw.empty() ? sets.generate() : sets.read();
}

}  // namespace krait
