#include "data/lra/retrieval.h"

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "data/files/line_reader.h"
#include "data/lra/sets.h"
#include "data/lra/text_alphabet.h"

namespace krait {
namespace fs = std::filesystem;

namespace {

constexpr std::array kFiles{"new_aan_pairs.train.tsv", "new_aan_pairs.eval.tsv",
                            "new_aan_pairs.test.tsv"};
constexpr std::array kRows{147086, 18090, 17437};
constexpr std::int64_t kMaxLength = 4000;  // of the benchmark
constexpr std::uint64_t kLeastSeen = 15;   // of a character that is a symbol
constexpr std::uint64_t kReportRows = 200;

/// A row: label, id 1, id 2, text 1, text 2 between tabs, with nothing quoted.
struct Pair {
  std::int32_t label = 0;
  std::string_view first, second;
};

Pair parse_pair(std::string_view line, const LineReader& lines) {
  std::array<std::string_view, 5> columns;
  std::size_t n = 0;
  if (line.ends_with('\r')) line.remove_suffix(1);
  for (std::size_t at = 0; at <= line.size(); ++n) {
    const std::size_t end = std::min(line.find('\t', at), line.size());
    if (n < columns.size()) columns.at(n) = line.substr(at, end - at);
    at = end + 1;
  }
  KRAIT_CHECK(BadData, n == columns.size(), lines.where(),
              ": a row must have 5 columns (label, two ids, two texts) between tabs, got ", n, ".");
  const std::string_view label = columns[0];
  const bool one = label == "1" || label == "1.0";
  KRAIT_CHECK(BadData, one || label == "0" || label == "0.0", lines.where(),
              ": the label must be 0 or 1, got '", label.substr(0, 20), "'.");
  return {.label = one ? 1 : 0, .first = columns[3], .second = columns[4]};
}

class RetrievalSets {
 public:
  explicit RetrievalSets(const LraOptions& options)
      : options_(options),
        folder_(find_raw(options.raw, {".", "tsv_data", "lra_release/tsv_data"}, kFiles[0])),
        max_length_(options.max_length > 0 ? options.max_length : kMaxLength) {}
  LraResult make();

 private:
  TextAlphabet alphabet() const;
  void read(Split split, LraSets& sets);
  std::vector<std::int32_t> encode(std::string_view text);

  const LraOptions& options_;
  fs::path folder_;
  std::int64_t max_length_;
  TextAlphabet alphabet_;
  std::uint64_t done_ = 0, empty_ = 0;
};

TextAlphabet RetrievalSets::alphabet() const {
  if (options_.units == TextUnits::Bytes) return TextAlphabet::of_bytes();
  CharacterCounts counts;
  LineReader lines(folder_ / kFiles[0]);
  while (const auto line = lines.next()) {
    const Pair pair = parse_pair(*line, lines);
    counts.add(pair.first);
    counts.add(pair.second);
  }
  return TextAlphabet::of_characters(counts.frequent(kLeastSeen));
}

std::vector<std::int32_t> RetrievalSets::encode(std::string_view text) {
  if (text.empty()) {
    ++empty_;
    text = " ";
  }
  return alphabet_.encode(text, static_cast<std::size_t>(max_length_));
}

void RetrievalSets::read(Split split, LraSets& sets) {
  const char* name = kFiles.at(static_cast<std::size_t>(split));
  LineReader lines(folder_ / name);
  double positive = 0;
  while (const auto line = lines.next()) {
    const Pair pair = parse_pair(*line, lines);
    const auto first = encode(pair.first), second = encode(pair.second);
    sets.add(split, pair.label, {first, second});
    positive += pair.label;
    if (++done_ % kReportRows == 0) sets.report(done_, 0);
  }
  LraProvenance& p = sets.provenance;
  p.sources.push_back({.name = name, .bytes = lines.bytes(), .sha256 = lines.sha256()});
  const auto rows = static_cast<double>(sets.n_examples(split));
  p.facts.push_back({.name = str("rows of ", name),
                     .expected = static_cast<double>(kRows.at(static_cast<std::size_t>(split))),
                     .got = rows});
  p.facts.push_back({.name = str("share of positive rows of ", name),
                     .expected = 0.5,
                     .got = rows > 0 ? positive / rows : 0,
                     .tolerance = 0.02});
}

LraResult RetrievalSets::make() {
  alphabet_ = alphabet();
  LraSets sets(options_, {.task = "retrieval",
                          .n_symbols = alphabet_.n_symbols(),
                          .symbols = alphabet_.symbols(),
                          .classes = {"unrelated", "linked by a citation"},
                          .inputs_per_example = 2});
  sets.read_from = folder_;
  sets.provenance.rules = {{"units", std::string(name_of(options_.units))},
                           {"max_length", str(max_length_)}};
  for (const Split split : kSplits) read(split, sets);
  if (empty_ > 0) sets.notes.push_back(str(empty_, " empty texts became one blank each."));
  return sets.finish();
}

}  // namespace

LraResult make_retrieval_sets(const LraOptions& options) {
  return RetrievalSets(options).make();
}

}  // namespace krait
