#include "data/build/build.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "core/random.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

using Texts = std::vector<std::string>;

class BuildTest : public ::testing::Test {
 protected:
  BuildOptions options(std::initializer_list<std::string_view> inputs) {
    BuildOptions chosen{.output = directory_ / "out"};
    for (const std::string_view input : inputs) chosen.inputs.push_back(directory_ / input);
    return chosen;
  }
  void write(std::string_view name, std::string_view text) {
    write_quickly(directory_ / name, text);
  }
  BuildResult build(const BuildOptions& chosen) {
    return build_token_sets(chosen, ByteTokenizer());
  }
  // The documents of a set, decoded; the set is verified too.
  Texts documents(std::string_view name) {
    const TokenSet set(directory_ / "out" / name);
    set.verify();
    Texts texts;
    for (std::size_t i = 0; i < set.n_documents(); ++i) {
      const auto first = set.document_offsets()[i];
      std::vector<std::int32_t> ids(set.document_offsets()[i + 1] - first - 1);
      set.copy(first, ids);
      texts.push_back(ByteTokenizer().decode(ids));
    }
    return texts;
  }
  TemporaryDirectory directory_;
};

TEST_F(BuildTest, FilesAreDocumentsInTheOrderGiven) {
  write("b.txt", "second\n");
  write("a.txt", "first \xff\xfe not UTF-8");
  const BuildResult result = build(options({"b.txt", "a.txt"}));
  EXPECT_EQ(documents("train.h5"), (Texts{"second\n", "first \xff\xfe not UTF-8"}));
  EXPECT_EQ(result.train.n_documents, 2u);
  EXPECT_FALSE(result.valid);
  EXPECT_EQ(result.split, SplitRule::None);
  EXPECT_FALSE(fs::exists(directory_ / "out/valid.h5"));
}

TEST_F(BuildTest, FoldersAreWalkedInTheOrderOfPathsWithoutHiddenNames) {
  for (const char* name : {"in/z.txt", "in/a/2.txt", "in/a/10.txt", "in/b.txt"}) write(name, name);
  write("in/.hidden", "no");
  write("in/.git/config", "no");
  fs::create_symlink("nowhere", directory_ / "in/dangling");
  fs::create_directory_symlink("..", directory_ / "in/loop");
  build(options({"in"}));
  EXPECT_EQ(documents("train.h5"), (Texts{"in/a/10.txt", "in/a/2.txt", "in/b.txt", "in/z.txt"}));
}

TEST_F(BuildTest, BinaryAndEmptyFilesAreSkippedAndNamed) {
  write("in/a.txt", "text");
  write("in/b.bin", std::string("late NUL ") + std::string(100'000, 'x') + '\0');
  write("in/c.txt", "");
  const BuildResult result = build(options({"in"}));
  EXPECT_EQ(documents("train.h5"), (Texts{"text"}));
  ASSERT_EQ(result.skipped.size(), 2u);
  EXPECT_EQ(result.skipped[0].path.filename(), "b.bin");
  EXPECT_EQ(result.skipped[0].reason, "binary: NUL byte at 100009");
  EXPECT_EQ(result.skipped[1].path.filename(), "c.txt");
  EXPECT_EQ(result.skipped[1].reason, "empty");
}

TEST_F(BuildTest, JsonLinesAreDocuments) {
  write("in.jsonl",
        "{\"text\": \"one\\nline\", \"id\": 3}\r\n"
        "\n"
        "{\"meta\": {\"text\": \"not this\", \"l\": [1, [2]]}, \"text\": \"tw\\u00f6\"}\n"
        "{\"text\": \"\"}\n"
        "  \t\n"
        "{\"text\": \"nul \\u0000 inside\"}");  // no newline at the end
  const BuildResult result = build(options({"in.jsonl"}));
  EXPECT_EQ(documents("train.h5"),
            (Texts{"one\nline", "tw\xc3\xb6", std::string("nul \0 inside", 12)}));
  EXPECT_EQ(result.empty_documents, 1u);
  BuildOptions other = options({"in.jsonl"});
  other.text_field = "id";
  expect_error(ErrorKind::BadData, {"in.jsonl:1: ", "'id' that is not a string"},
               [&] { build(other); });
}

TEST_F(BuildTest, AMalformedLineIsAnErrorWithFileAndLineAndNothingIsWritten) {
  const std::pair<const char*, const char*> lines[] = {
      {"{\"text\": \"unfinished", "not valid JSON"},
      {"{\"text\": \"x\"} trailing", "not valid JSON"},
      {"plain text", "not valid JSON"},
      {"{\"text\": \"bad \xff utf-8\"}", "not valid JSON"},
      {"[\"text\"]", "not a JSON object"},
      {"\"text\"", "not a JSON object"},
      {"{}", "has no field 'text'"},
      {"{\"Text\": \"x\"}", "has no field 'text'"},
      {"{\"text\": null}", "not a string"},
      {"{\"text\": {\"text\": \"x\"}}", "not a string"},
      {"{\"text\": \"x\", \"text\": \"y\"}", "twice"},
  };
  for (const auto& [line, why] : lines) {
    write("in.jsonl", str("{\"text\": \"good\"}\n\n", line, "\n"));
    expect_error(ErrorKind::BadData, {"in.jsonl:3: ", why}, [&] { build(options({"in.jsonl"})); });
    EXPECT_FALSE(fs::exists(directory_ / "out/train.h5"));
  }
  write("deep.jsonl", "{\"a\": " + std::string(1'000'000, '['));
  expect_error(ErrorKind::BadData, {"deep.jsonl:1: "}, [&] { build(options({"deep.jsonl"})); });
}

TEST_F(BuildTest, LargeFilesAreEncodedPieceByPieceWithoutChange) {
  std::string text;
  const RandomStream random{.seed = 31};
  for (std::uint64_t i = 0; text.size() < 5'000'000; ++i) {
    text += std::to_string(random.bits64(i)) + "\n";
  }
  write("large.txt", text);
  BuildOptions chosen = options({"large.txt"});
  std::vector<BuildProgress> reports;
  chosen.progress = [&](const BuildProgress& progress) { reports.push_back(progress); };
  build(chosen);
  EXPECT_EQ(documents("train.h5"), (Texts{text}));
  ASSERT_EQ(reports.size(), 2u);  // after 4 MiB and at the end
  EXPECT_EQ(reports.front().bytes_total, text.size());
  EXPECT_LT(reports.front().bytes_done, text.size());
  EXPECT_EQ(reports.back().bytes_done, text.size());
  EXPECT_EQ(reports.back().tokens, text.size() + 1);
  EXPECT_EQ(reports.back().documents, 1u);
}

std::string numbered_lines(int first, int end) {
  std::string lines;
  for (int i = first; i < end; ++i) lines += str("{\"text\": \"", i, "\"}\n");
  return lines;
}

TEST_F(BuildTest, HeldOutDocumentsDependOnSeedAndIndexOnly) {
  write("in.jsonl", numbered_lines(0, 2000));
  BuildOptions chosen = options({"in.jsonl"});
  chosen.held_out = 0.1;
  chosen.seed = 5;
  const BuildResult result = build(chosen);
  EXPECT_EQ(result.split, SplitRule::ByDocument);
  const Texts train = documents("train.h5"), valid = documents("valid.h5");
  EXPECT_EQ(train.size() + valid.size(), 2000u);
  EXPECT_NEAR(static_cast<double>(valid.size()), 200, 54);  // four standard deviations
  std::set<std::string> all(train.begin(), train.end());
  all.insert(valid.begin(), valid.end());
  EXPECT_EQ(all.size(), 2000u);

  // More documents after these, in other files: the choice among these is the same.
  write("more.jsonl", numbered_lines(2000, 2500));
  chosen.inputs.push_back(directory_ / "more.jsonl");
  build(chosen);
  const Texts longer = documents("valid.h5");
  EXPECT_GT(longer.size(), valid.size());
  EXPECT_TRUE(std::equal(valid.begin(), valid.end(), longer.begin()));
  chosen.seed = 6;
  build(chosen);
  EXPECT_NE(documents("valid.h5"), longer);
}

TEST_F(BuildTest, BothPartsGetADocumentHoweverFewThereAre) {
  for (const int count : {2, 3, 5}) {
    write("in.jsonl", "{\"text\": \"\"}\n" + numbered_lines(0, count) + "{\"text\": \"\"}\n");
    for (const double fraction : {0.001, 0.5, 0.999}) {
      for (std::uint64_t seed = 0; seed < 3; ++seed) {
        BuildOptions chosen = options({"in.jsonl"});
        chosen.held_out = fraction;
        chosen.seed = seed;
        build(chosen);
        const std::size_t train = documents("train.h5").size(),
                          valid = documents("valid.h5").size();
        EXPECT_EQ(train + valid, static_cast<std::size_t>(count));
        EXPECT_GE(valid, 1u);
        EXPECT_GE(train, 1u);
        EXPECT_TRUE(fraction == 0.5 || std::min(train, valid) == 1) << train << " and " << valid;
      }
    }
  }
}

TEST_F(BuildTest, OneDocumentIsSplitByPositionAtALineAndSaysSo) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += str("line ", i, "\n");
  write("one.txt", text);
  BuildOptions chosen = options({"one.txt"});
  chosen.held_out = 0.1;
  const BuildResult result = build(chosen);
  EXPECT_EQ(result.split, SplitRule::ByPosition);
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes[0].find("only one document"), std::string::npos);
  const Texts train = documents("train.h5"), valid = documents("valid.h5");
  ASSERT_EQ(train.size(), 1u);
  ASSERT_EQ(valid.size(), 1u);
  EXPECT_EQ(train[0] + valid[0], text);
  EXPECT_EQ(train[0].back(), '\n');
  EXPECT_NEAR(static_cast<double>(valid[0].size()), 0.1 * static_cast<double>(text.size()), 10);
}

TEST_F(BuildTest, ASplitByPositionNeverCutsACharacter) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "\xe2\x82\xac";  // three bytes, no line ends
  write("one.txt", text);
  for (const double fraction : {0.1, 0.1001, 0.1002, 0.5}) {
    BuildOptions chosen = options({"one.txt"});
    chosen.held_out = fraction;
    build(chosen);
    EXPECT_EQ(documents("train.h5")[0].size() % 3, 0u);
    EXPECT_EQ(documents("train.h5")[0] + documents("valid.h5")[0], text);
  }
}

TEST_F(BuildTest, ProvenanceRecordsWhereTheTextIsFrom) {
  write("in/a.txt", "aaaa");
  write("in/b.txt", "bbb");
  write("in/c.bin", std::string(3, '\0'));
  BuildOptions chosen = options({"in"});
  chosen.held_out = 0.25;
  chosen.seed = 9;
  chosen.tool = "krait 1.2.3";
  const BuildResult result = build(chosen);
  const auto json = nlohmann::json::parse(result.valid->provenance);
  EXPECT_EQ(json["tool"], "krait 1.2.3");
  EXPECT_EQ(json["sources"], nlohmann::json::array({(directory_ / "in").string()}));
  EXPECT_EQ(json["files"], 2);
  EXPECT_EQ(json["documents"], 2);
  EXPECT_EQ(json["input_bytes"], 7);
  EXPECT_EQ(json["skipped_files"], 1);
  EXPECT_EQ(json["split"]["rule"], "document");
  EXPECT_EQ(json["split"]["part"], "valid");
  EXPECT_EQ(json["split"]["fraction"], 0.25);
  EXPECT_EQ(json["split"]["seed"], 9);
  EXPECT_EQ(nlohmann::json::parse(result.train.provenance)["split"]["part"], "train");
}

TEST_F(BuildTest, EqualInputMakesEqualFiles) {
  write("in.jsonl", numbered_lines(0, 100));
  BuildOptions chosen = options({"in.jsonl"});
  chosen.held_out = 0.2;
  build(chosen);
  const auto hashes = [&] {
    return file_sha256(directory_ / "out/train.h5") + file_sha256(directory_ / "out/valid.h5");
  };
  const std::string first = hashes();
  build(chosen);
  EXPECT_EQ(hashes(), first);
}

TEST_F(BuildTest, WithoutAHeldOutPartTheOutputMayBeOneFile) {
  write("a.txt", "text");
  BuildOptions chosen = options({"a.txt"});
  chosen.output = directory_ / "out/set.h5";
  build(chosen);
  EXPECT_EQ(documents("set.h5"), (Texts{"text"}));
  chosen.held_out = 0.5;
  expect_error(ErrorKind::Usage, {"set.h5' is one file", "folder"}, [&] { build(chosen); });
}

TEST_F(BuildTest, AnOlderHeldOutSetBesideIsPointedOut) {
  write("in.jsonl", numbered_lines(0, 10));
  BuildOptions chosen = options({"in.jsonl"});
  chosen.held_out = 0.3;
  EXPECT_TRUE(build(chosen).notes.empty());
  chosen.held_out = 0;
  const BuildResult result = build(chosen);
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes[0].find("valid.h5' is left from an earlier build"), std::string::npos);
}

TEST_F(BuildTest, WrongInputIsOneClearError) {
  write("empty.txt", "");
  write("short.txt", "x");
  expect_error(ErrorKind::MissingInput, {"absent.txt'"}, [&] { build(options({"absent.txt"})); });
  expect_error(ErrorKind::BadData, {"no text in '", "empty.txt'"},
               [&] { build(options({"empty.txt"})); });
  expect_error(ErrorKind::Usage, {"at least one"}, [&] { build(options({})); });
  BuildOptions chosen = options({"short.txt"});
  chosen.held_out = 0.5;
  expect_error(ErrorKind::BadData, {"short.txt'", "too short to hold out 0.5"},
               [&] { build(chosen); });
  for (const double fraction : {-0.1, 1.0, std::nan("")}) {
    chosen.held_out = fraction;
    expect_error(ErrorKind::Usage, {"held-out fraction"}, [&] { build(chosen); });
  }
  chosen = options({"short.txt"});
  chosen.output = directory_ / "empty.txt" / "out";
  expect_error(ErrorKind::MissingInput, {"empty.txt/out'", "Not a directory"},
               [&] { build(chosen); });
}

TEST_F(BuildTest, AFullDiskKeepsBothOldSets) {
  write("in.jsonl", numbered_lines(0, 10));
  BuildOptions chosen = options({"in.jsonl"});
  chosen.held_out = 0.3;
  build(chosen);
  const Texts train = documents("train.h5"), valid = documents("valid.h5");
  write("large.txt", std::string(2'000'000, 'x'));
  chosen.inputs = {directory_ / "large.txt"};
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1'500'000, .rlim_max = limit.rlim_max};  // not all fits
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorKind::Io, {"out/", "File too large"}, [&] { build(chosen); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(documents("train.h5"), train);
  EXPECT_EQ(documents("valid.h5"), valid);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_ / "out"), fs::directory_iterator()), 2);
}

}  // namespace
}  // namespace krait
