#include "data/lra/make.h"

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "core/system/file.h"
#include "core/system/parallel.h"
#include "data/lra/image.h"
#include "data/lra/listops/expression.h"
#include "tests/data/labelled_set/sample_sets.h"
#include "tests/data/lra/raw_data.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

Examples examples_of(const LraResult& result, Split split) {
  return all_examples(LabelledSet(result.sets.at(static_cast<std::size_t>(split)).path));
}

std::string text_of(const std::vector<std::int32_t>& ids) {
  return {ids.begin(), ids.end()};
}

std::size_t count_of(const LraResult& result, Split split) {
  return result.sets.at(static_cast<std::size_t>(split)).n_examples;
}

// --- ListOps

LraOptions small_listops(const TemporaryDirectory& directory, const char* name) {
  return {.output = directory / name, .seed = 3, .counts = {{20, 4, 6}}};
}

TEST(MakeLraSets, ListOpsIsGeneratedWithTheSameBytesByAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const int before = thread_count();
  set_thread_count(1);
  const LraResult one = make_lra_sets(small_listops(directory, "one"));
  set_thread_count(3);
  make_lra_sets(small_listops(directory, "three"));
  set_thread_count(before);
  for (const char* file : {"train.h5", "valid.h5", "test.h5"}) {
    EXPECT_EQ(file_sha256(directory / "one" / file), file_sha256(directory / "three" / file));
  }
  EXPECT_EQ(one.provenance.origin, DataOrigin::Regenerated);
  EXPECT_EQ(count_of(one, Split::Train), 20u);
  EXPECT_EQ(count_of(one, Split::Test), 6u);
  for (const Example& example : examples_of(one, Split::Train)) {
    EXPECT_EQ(listops_value(example.inputs[0]), example.label);
  }
  const auto provenance = nlohmann::json::parse(one.sets[1].provenance);
  EXPECT_EQ(provenance["part"], "valid");
  EXPECT_EQ(provenance["origin"], "regenerated");
  EXPECT_EQ(provenance["seed"], 3);
  EXPECT_EQ(origin_of(one.sets[1].provenance), DataOrigin::Regenerated);
}

TEST(MakeLraSets, ListOpsInTheFilesOfTheReleaseReadsBackAsItWas) {
  const TemporaryDirectory directory;
  LraOptions options = small_listops(directory, "made");
  options.write_raw = true;
  const LraResult made = make_lra_sets(options);
  const fs::path raw = directory / "made" / "raw";
  const LraResult read = make_lra_sets({.output = directory / "read", .raw = raw});
  for (const Split split : kSplits) {
    EXPECT_EQ(examples_of(read, split), examples_of(made, split));
  }
  EXPECT_EQ(read.provenance.origin, DataOrigin::Regenerated);
  // Without the file that says so it looks like a part of the release.
  fs::remove(raw / "listops-1000" / kRawProvenanceFile);
  const LraResult part = make_lra_sets({.output = directory / "part", .raw = raw / "listops-1000"});
  EXPECT_EQ(part.provenance.origin, DataOrigin::Subset);
  EXPECT_EQ(part.provenance.sources.at(0).sha256,
            file_sha256(raw / "listops-1000" / "basic_train.tsv"));
  EXPECT_NE(std::ranges::find_if(part.notes,
                                 [](const std::string& note) {
                                   return note ==
                                          "rows of basic_train.tsv: 20, in the benchmark 96000.";
                                 }),
            part.notes.end());
}

TEST(MakeLraSets, ListOpsOfFewLevelsIsShortAndDeclared) {
  const TemporaryDirectory directory;
  LraOptions options = small_listops(directory, "short");
  options.levels = 2;
  const LraResult result = make_lra_sets(options);
  EXPECT_LT(result.sets[0].longest_input, 150u);
  for (const Example& example : examples_of(result, Split::Valid)) {
    EXPECT_LE(listops_height(example.inputs[0]), 2);
    EXPECT_EQ(listops_value(example.inputs[0]), example.label);
  }
  ASSERT_EQ(result.provenance.deviations.size(), 1u);
  EXPECT_NE(result.sets[0].provenance.find("below the outer 2 levels"), std::string::npos);
}

TEST(MakeLraSets, AWrongTargetIsKeptAndSaid) {
  const TemporaryDirectory directory;
  for (const char* file : {"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"}) {
    write_quickly(directory / "raw" / file, "Source\tTarget\r\n[MAX 3 8 ]\t7\r\n");
  }
  const LraResult result = make_lra_sets({.output = directory / "out", .raw = directory / "raw"});
  EXPECT_EQ(examples_of(result, Split::Train)[0].label, 7);
  EXPECT_NE(result.notes.at(0).find("basic_train.tsv:2: the target 7"), std::string::npos);
}

// --- Text

void write_reviews(const fs::path& folder) {
  for (const char* part : {"train", "test"}) {
    for (int i = 0; i < 20; ++i) {
      const bool positive = i % 2 == 1;
      const std::string name = str(i, "_", positive ? 7 + i % 4 : 1 + i % 4, ".txt");
      write_quickly(folder / part / (positive ? "pos" : "neg") / name,
                    str(part, " review ", i, positive ? " caf\xc3\xa9" : " <br />"));
    }
  }
}

TEST(MakeLraSets, TextHoldsReviewsOutOfTheTrainingSetOrTakesTheTestSet) {
  const TemporaryDirectory directory;
  write_reviews(directory / "aclImdb");
  LraOptions options{
      .task = LraTask::Text, .output = directory / "out", .raw = directory.path(), .seed = 1};
  const LraResult held_out = make_lra_sets(options);
  EXPECT_EQ(count_of(held_out, Split::Train), 18u);
  EXPECT_EQ(count_of(held_out, Split::Valid), 2u);
  EXPECT_EQ(held_out.provenance.origin, DataOrigin::Subset);
  EXPECT_EQ(held_out.provenance.deviations.size(), 1u);
  std::vector<std::string> seen;
  for (const Split split : {Split::Train, Split::Valid}) {
    for (const Example& example : examples_of(held_out, split)) {
      seen.push_back(text_of(example.inputs[0]));
      EXPECT_EQ(example.label == 1, seen.back().ends_with("\xc3\xa9"));
    }
  }
  std::ranges::sort(seen);
  EXPECT_EQ(seen.size(), 20u);
  EXPECT_EQ(std::ranges::unique(seen).begin(), seen.end());

  options.validation = TextValidation::TestSet;
  const LraResult copied = make_lra_sets(options);
  EXPECT_EQ(count_of(copied, Split::Train), 20u);
  EXPECT_EQ(examples_of(copied, Split::Valid), examples_of(copied, Split::Test));
  EXPECT_TRUE(copied.provenance.deviations.empty());
}

TEST(MakeLraSets, TextInCharactersHasThoseThatAreFrequent) {
  const TemporaryDirectory directory;
  write_reviews(directory / "raw");
  const LraResult result = make_lra_sets({.task = LraTask::Text,
                                          .output = directory / "out",
                                          .raw = directory / "raw",
                                          .max_length = 7,
                                          .units = TextUnits::Characters});
  const LabelledSetDescription& d = result.sets[0].description;
  // In 20 reviews "r" and "e" come often, "f" (in 10) does not.
  EXPECT_NE(std::ranges::find(d.symbols, "r"), d.symbols.end());
  EXPECT_EQ(std::ranges::find(d.symbols, "f"), d.symbols.end());
  EXPECT_EQ(std::ssize(d.symbols), d.n_symbols);
  EXPECT_EQ(result.sets[0].longest_input, 7u);
}

TEST(MakeLraSets, TextNamesTheFileThatIsWrong) {
  const TemporaryDirectory directory;
  const LraOptions options{
      .task = LraTask::Text, .output = directory / "out", .raw = directory / "raw"};
  const auto expect_refused = [&](const fs::path& file, std::string_view text,
                                  std::string_view part) {
    write_reviews(directory / "raw");
    write_quickly(directory / "raw" / file, text);
    expect_error(ErrorKind::BadData, {file.string() + "'", part}, [&] { make_lra_sets(options); });
    fs::remove_all(directory / "raw");
  };
  expect_refused("train/pos/9.txt", "x", "must be named <id>_<rating>.txt");
  expect_refused("train/pos/30_3.txt", "x", "7 to 10 in pos");
  expect_refused("test/neg/30_7.txt", "x", "1 to 4 in neg");
  expect_refused("test/neg/30_1.dat", "x", "must be named <id>_<rating>.txt");
  expect_refused("test/neg/30_1.txt", "", "is empty");
  expect_error(ErrorKind::MissingInput, {"raw/train'", "raw/aclImdb/train'"},
               [&] { make_lra_sets(options); });
  EXPECT_FALSE(fs::exists(directory / "out" / "train.h5"));
}

// --- Retrieval

void write_pairs(const fs::path& folder, std::string_view more = "") {
  write_quickly(folder / "new_aan_pairs.train.tsv",
                str("1.0\tA1\tB2\tfirst \"text\tsecond text\n0\tA1\tC3\tone\t\n", more));
  write_quickly(folder / "new_aan_pairs.eval.tsv", "0.0\tx\ty\tan\teval\r\n");
  write_quickly(folder / "new_aan_pairs.test.tsv", "1\tx\ty\ta test\tpair\n");
}

TEST(MakeLraSets, RetrievalReadsPairsWithoutQuoting) {
  const TemporaryDirectory directory;
  write_pairs(directory / "tsv_data");
  const LraResult result = make_lra_sets({.task = LraTask::Retrieval,
                                          .output = directory / "out",
                                          .raw = directory.path(),
                                          .max_length = 8});
  const Examples train = examples_of(result, Split::Train);
  ASSERT_EQ(train.size(), 2u);
  EXPECT_EQ(train[0].label, 1);
  EXPECT_EQ(text_of(train[0].inputs[0]), "first \"t");  // cut at 8
  EXPECT_EQ(text_of(train[0].inputs[1]), "second t");
  EXPECT_EQ(text_of(train[1].inputs[1]), " ");
  EXPECT_EQ(text_of(examples_of(result, Split::Valid)[0].inputs[1]), "eval");
  EXPECT_NE(std::ranges::find(result.notes, "1 empty texts became one blank each."),
            result.notes.end());
  EXPECT_EQ(result.provenance.origin, DataOrigin::Subset);
}

TEST(MakeLraSets, RetrievalNamesFileAndLine) {
  const TemporaryDirectory directory;
  const LraOptions options{
      .task = LraTask::Retrieval, .output = directory / "out", .raw = directory / "raw"};
  const auto expect_refused = [&](std::string_view row, std::string_view part) {
    write_pairs(directory / "raw", row);
    expect_error(ErrorKind::BadData, {"new_aan_pairs.train.tsv:3: ", part},
                 [&] { make_lra_sets(options); });
  };
  expect_refused("1\ta\tb\ttext\n", "5 columns (label, two ids, two texts) between tabs, got 4");
  expect_refused("1\ta\tb\ttext\ttext\t\n", "got 6");
  expect_refused("2\ta\tb\ttext\ttext\n", "must be 0 or 1, got '2'");
  expect_refused("\n", "got 1");
  fs::remove(directory / "raw" / "new_aan_pairs.eval.tsv");
  write_pairs(directory / "raw");
  fs::remove(directory / "raw" / "new_aan_pairs.eval.tsv");
  expect_error(ErrorKind::MissingInput, {"new_aan_pairs.eval.tsv"},
               [&] { make_lra_sets(options); });
}

// --- Image

void write_batches(const fs::path& folder, int records) {
  const RandomStream random{.seed = 2};
  std::uint64_t at = 0;
  for (const char* file : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    std::string bytes;
    for (int i = 0; i < records; ++i) {
      bytes += static_cast<char>(i % 10);
      for (int k = 0; k < 3072; ++k) bytes += static_cast<char>(random.bits(at++)[0]);
    }
    write_quickly(folder / file, bytes);
  }
}

TEST(GreyLevel, KeepsGreyAndEqualsTheFormula) {
  for (int level = 0; level < 256; ++level) {
    const auto v = static_cast<std::uint8_t>(level);
    EXPECT_EQ(grey_level(v, v, v), level);
  }
  EXPECT_EQ(grey_level(255, 0, 0), 76);
  EXPECT_EQ(grey_level(0, 255, 0), 150);
  EXPECT_EQ(grey_level(0, 0, 255), 29);
}

TEST(MakeLraSets, ImageTurnsRecordsIntoGreyImages) {
  const TemporaryDirectory directory;
  write_batches(directory / "raw", 10);
  const LraResult result = make_lra_sets(
      {.task = LraTask::Image, .output = directory / "out", .raw = directory / "raw"});
  EXPECT_EQ(count_of(result, Split::Train) + count_of(result, Split::Valid), 50u);
  EXPECT_EQ(count_of(result, Split::Test), 10u);
  const Examples test = examples_of(result, Split::Test);
  const std::string bytes = read_file(directory / "raw" / "test_batch.bin");
  const auto* record = reinterpret_cast<const std::uint8_t*>(bytes.data()) + 3 * 3073;
  EXPECT_EQ(test[3].label, record[0]);
  for (std::size_t i : {0u, 31u, 1023u}) {
    EXPECT_EQ(test[3].inputs[0][i], grey_level(record[1 + i], record[1025 + i], record[2049 + i]));
  }
  EXPECT_EQ(result.sets[0].description.height, 32);
  EXPECT_EQ(result.provenance.origin, DataOrigin::Subset);
}

TEST(MakeLraSets, ImageNamesTheRecordThatIsWrong) {
  const TemporaryDirectory directory;
  const LraOptions options{
      .task = LraTask::Image, .output = directory / "out", .raw = directory / "raw"};
  write_batches(directory / "raw", 2);
  std::string bytes = read_file(directory / "raw" / "data_batch_2.bin");
  bytes[3073] = 10;
  write_quickly(directory / "raw" / "data_batch_2.bin", bytes);
  expect_error(ErrorKind::BadData, {"data_batch_2.bin'", "record 1 must be 0 to 9, got 10"},
               [&] { make_lra_sets(options); });
  bytes.pop_back();
  write_quickly(directory / "raw" / "data_batch_2.bin", bytes);
  expect_error(ErrorKind::BadData, {"data_batch_2.bin'", "records of 3073 bytes", "6145"},
               [&] { make_lra_sets(options); });
}

TEST(MakeLraSets, OptionsThatDoNotFitTheTaskAreUsageErrors) {
  const TemporaryDirectory directory;
  expect_error(ErrorKind::Usage, {"text cannot be generated"},
               [&] { make_lra_sets({.task = LraTask::Text, .output = directory / "out"}); });
  expect_error(ErrorKind::Usage, {"for generated data"}, [&] {
    make_lra_sets({.output = directory / "out", .raw = directory.path(), .write_raw = true});
  });
  expect_error(ErrorKind::Usage, {"at least one example"}, [&] {
    make_lra_sets({.output = directory / "out", .counts = {{1, 0, 1}}});
  });
}

// --- The published data

void expect_official(const LraOptions& options) {
  const LraResult result = make_lra_sets(options);
  for (const LraFact& fact : result.provenance.facts) {
    std::cout << fact.name << ": " << std::setprecision(12) << fact.got << "\n";
    EXPECT_TRUE(fact.agrees()) << fact.name << ": " << fact.got << ", expected " << fact.expected;
  }
  EXPECT_EQ(result.provenance.origin, DataOrigin::Official);
  for (const LabelledSetInfo& info : result.sets) LabelledSet(info.path).verify();
}

TEST(PublishedData, TextIsTheWholeRelease) {
  KRAIT_RAW_DATA_OR_SKIP(raw);
  const TemporaryDirectory directory;
  expect_official({.task = LraTask::Text, .output = directory / "bytes", .raw = raw});
  expect_official({.task = LraTask::Text,
                   .output = directory / "characters",
                   .raw = raw,
                   .units = TextUnits::Characters});
}

TEST(PublishedData, ImageIsTheWholeRelease) {
  KRAIT_RAW_DATA_OR_SKIP(raw);
  const TemporaryDirectory directory;
  expect_official({.task = LraTask::Image, .output = directory / "out", .raw = raw});
}

TEST(PublishedData, RetrievalIsTheSubsetOfRealPapers) {
  KRAIT_RAW_DATA_OR_SKIP(raw);
  const TemporaryDirectory directory;
  const LraResult result =
      make_lra_sets({.task = LraTask::Retrieval, .output = directory / "out", .raw = raw});
  EXPECT_EQ(result.provenance.origin, DataOrigin::Subset);
  EXPECT_EQ(count_of(result, Split::Train), 16584u);
  EXPECT_EQ(count_of(result, Split::Valid), 2072u);
  EXPECT_EQ(count_of(result, Split::Test), 2072u);
  for (const LraFact& fact : result.provenance.facts) {
    if (!fact.name.starts_with("share")) continue;
    EXPECT_TRUE(fact.agrees()) << fact.name << ": " << fact.got;
  }
  for (const LabelledSetInfo& info : result.sets) LabelledSet(info.path).verify();
}

}  // namespace
}  // namespace krait
