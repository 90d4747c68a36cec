// Builds at scale: compression, threads, shards and interruptions.
#include <csignal>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "core/random.h"
#include "core/system/parallel.h"
#include "data/build/build.h"
#include "tests/data/files/compressed.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

/// Every file below a folder, with its hash.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[fs::relative(entry.path(), folder).string()] = file_sha256(entry.path());
  }
  return files;
}

/// Documents of very different lengths.
std::string json_lines(int first, int end) {
  std::string lines;
  const RandomStream random{.seed = 77};
  for (int i = first; i < end; ++i) {
    const std::uint64_t draw = random.bits64(static_cast<std::uint64_t>(i));
    const std::size_t length = draw % 40 == 0 ? draw % 30'000 : draw % 200;
    std::string text = i % 13 == 5 ? "" : str("document ", i, " ");
    if (!text.empty()) text += std::string(length, static_cast<char>('a' + i % 26));
    lines += nlohmann::json{{"id", i}, {"text", text}}.dump() + (i % 17 == 3 ? "\n\n" : "\n");
  }
  return lines;
}

class BuildShards : public ::testing::Test {
 protected:
  BuildShards() {
    write("in/a.jsonl", json_lines(0, 1500));
    write("in/b.txt", std::string(50'000, 'b') + "\n");
    write("in/c.jsonl.gz", gzip(json_lines(1500, 2200)) + gzip(json_lines(2200, 3000)));
    write("in/d.txt.zst", zstd(std::string(700'000, 'd')));
    write("in/e.bin", std::string(10, '\0'));
    write("in/f.jsonl.zst", zstd(json_lines(3000, 4000)));
    write("in/g.txt", "");
  }
  void write(std::string_view name, std::string_view text) {
    write_quickly(directory_ / name, text);
  }
  BuildOptions options(std::string_view output, std::uint64_t shard_tokens = 100'000) const {
    return {.inputs = {directory_ / "in"},
            .output = directory_ / output,
            .held_out = 0.05,
            .seed = 3,
            .shard_tokens = shard_tokens};
  }
  static BuildResult build(const BuildOptions& chosen) {
    return build_token_sets(chosen, ByteTokenizer());
  }
  /// Builds until document `stop_at` has been read, then fails like a full disk.
  void build_until_full(const BuildOptions& chosen, std::uint64_t bytes) const {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = bytes, .rlim_max = limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    expect_error(ErrorKind::Io, {"File too large"}, [&] { build(chosen); });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    std::signal(SIGXFSZ, handler);
  }
  std::vector<std::int32_t> tokens(const fs::path& set) const {
    const TokenSet open(set);
    std::vector<std::int32_t> all(open.n_tokens());
    open.copy(0, all);
    return all;
  }
  TemporaryDirectory directory_;
};

TEST_F(BuildShards, EqualBytesComeFromAnyNumberOfThreads) {
  const int before = thread_count();
  std::map<std::string, std::string> expected;
  for (const int threads : {1, 2, 5}) {
    set_thread_count(threads);
    for (const std::uint64_t shard_tokens : {0, 100'000}) {
      const std::string out = str("out", threads, "-", shard_tokens);
      build(options(out, shard_tokens));
      std::map<std::string, std::string> got = contents(directory_ / out);
      for (auto& [name, hash] : got) {
        const auto [known, inserted] = expected.emplace(str(shard_tokens, "/", name), hash);
        EXPECT_EQ(hash, known->second) << name << " with " << threads << " threads";
        EXPECT_EQ(inserted, threads == 1);
      }
    }
  }
  set_thread_count(before);
}

TEST_F(BuildShards, ShardsHoldTheTokensOfOneFileAndEndWithDocuments) {
  const BuildResult whole = build(options("whole", 0));
  const BuildResult shards = build(options("shards"));
  for (const char* part : {"train", "valid"}) {
    const fs::path folder = directory_ / "shards" / part;
    const TokenSet set(folder), one(directory_ / "whole" / (std::string(part) + ".h5"));
    EXPECT_EQ(tokens(folder), tokens(one.info().path));
    EXPECT_TRUE(std::ranges::equal(set.document_offsets(), one.document_offsets()));
    set.verify();
    EXPECT_EQ(set.info().longest_document, one.info().longest_document);
    EXPECT_EQ(set.info().tokenizer, one.info().tokenizer);
  }
  ASSERT_GE(shards.train.n_shards, 5u);
  EXPECT_EQ(shards.train.n_documents, whole.train.n_documents);
  EXPECT_EQ(shards.train.path, directory_ / "shards/train");
  EXPECT_EQ(shards.skipped.size(), 2u);
  EXPECT_EQ(shards.empty_documents, whole.empty_documents);
  EXPECT_FALSE(fs::exists(directory_ / "shards/unfinished-build"));
  for (std::uint64_t i = 0; i < shards.train.n_shards; ++i) {
    const std::string number = std::to_string(100'000 + i).substr(1);
    const TokenSet shard(directory_ / ("shards/train/train-" + number + ".h5"));
    if (i + 1 < shards.train.n_shards) {
      EXPECT_GE(shard.n_tokens(), 100'000u);
      const auto offsets = shard.document_offsets();
      EXPECT_LT(offsets[offsets.size() - 2], 100'000u);  // the last document was needed
    }
    EXPECT_EQ(nlohmann::json::parse(shard.info().provenance)["shard"], i);
  }
}

TEST_F(BuildShards, TheDocumentsAreThoseOfTheSameFilesDecompressed) {
  build(options("packed", 0));
  fs::remove_all(directory_ / "in");
  write("in/a.jsonl", json_lines(0, 1500));
  write("in/b.txt", std::string(50'000, 'b') + "\n");
  write("in/c.jsonl", json_lines(1500, 3000));
  write("in/d.txt", std::string(700'000, 'd'));
  write("in/f.jsonl", json_lines(3000, 4000));
  build(options("plain", 0));
  for (const char* name : {"train.h5", "valid.h5"}) {
    EXPECT_EQ(tokens(directory_ / "packed" / name), tokens(directory_ / "plain" / name));
  }
}

TEST_F(BuildShards, ABinaryTextFileLeavesNothingEvenWhenItShowsLate) {
  // More than a block of tokens, so that a block on the disk has to be taken back.
  write("in/b2.txt.gz", gzip(std::string(1'300'000, 'z') + '\0'));
  const BuildResult result = build(options("out", 0));
  EXPECT_EQ(result.skipped.size(), 3u);
  EXPECT_EQ(result.skipped.front().reason, "binary: NUL byte at 1300000");
  fs::remove(directory_ / "in/b2.txt.gz");
  build(options("without", 0));
  for (const char* name : {"train.h5", "valid.h5"}) {
    const TokenSet set(directory_ / "out" / name);
    set.verify();
    EXPECT_EQ(tokens(set.info().path), tokens(directory_ / "without" / name));
  }
}

TEST_F(BuildShards, AFullDiskLeavesAStateThatTheNextBuildGoesOnFrom) {
  build(options("straight"));
  build_until_full(options("out"), 500'000);  // the 700,000 letters d do not fit
  EXPECT_FALSE(fs::exists(directory_ / "out/train"));
  EXPECT_TRUE(fs::exists(directory_ / "out/unfinished-build/train/train-00000.h5"));
  const auto time = fs::last_write_time(directory_ / "out/unfinished-build/train/train-00000.h5");
  const BuildResult result = build(options("out"));
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes.front().find("shards of an interrupted build"), std::string::npos);
  EXPECT_EQ(fs::last_write_time(directory_ / "out/train/train-00000.h5"), time);  // not made again
  EXPECT_EQ(contents(directory_ / "out"), contents(directory_ / "straight"));
  EXPECT_EQ(result.skipped.size(), 2u);
  EXPECT_EQ(result.train.n_documents + result.valid->n_documents + result.empty_documents, 4002u);
}

TEST_F(BuildShards, AMalformedLineCanBeCorrectedInAFileThatIsNotReadYet) {
  build(options("straight"));
  write("in/f.jsonl.zst", zstd("{\"text\": 3}"));
  expect_error(ErrorKind::BadData, {"f.jsonl.zst:1: ", "not a string"},
               [&] { build(options("out")); });
  EXPECT_TRUE(fs::exists(directory_ / "out/unfinished-build/state.json"));
  write("in/f.jsonl.zst", zstd(json_lines(3000, 4000)));
  build(options("out"));
  EXPECT_EQ(contents(directory_ / "out"), contents(directory_ / "straight"));
}

TEST_F(BuildShards, AnErrorBeforeTheFirstShardLeavesNothing) {
  write("in/a.jsonl", "{");
  for (const std::uint64_t shard_tokens : {0, 100'000}) {
    expect_error(ErrorKind::BadData, {"a.jsonl:1: "}, [&] { build(options("out", shard_tokens)); });
    EXPECT_FALSE(fs::exists(directory_ / "out"));
  }
}

TEST_F(BuildShards, GoesOnOnlyWithTheSameOptionsAndFiles) {
  build_until_full(options("out"), 500'000);
  BuildOptions other = options("out");
  other.seed = 4;
  expect_error(ErrorKind::BadData,
               {"unfinished-build' is an interrupted build with other options (seed is 3 there and "
                "4 here)",
                "remove"},
               [&] { build(other); });
  const auto time = fs::last_write_time(directory_ / "in/a.jsonl");
  fs::last_write_time(directory_ / "in/a.jsonl", time + std::chrono::seconds(1));
  expect_error(ErrorKind::BadData, {"have changed since", "remove"},
               [&] { build(options("out")); });
  fs::last_write_time(directory_ / "in/a.jsonl", time);
  const fs::path shard = directory_ / "out/unfinished-build/train/train-00000.h5";
  fs::copy_file(directory_ / "out/unfinished-build/train/train-00001.h5", shard,
                fs::copy_options::overwrite_existing);
  expect_error(ErrorKind::BadData, {"train-00000.h5' is not the shard that was written"},
               [&] { build(options("out")); });
  write("out/unfinished-build/state.json", "{}");
  expect_error(ErrorKind::BadData, {"state.json' is damaged", "remove"},
               [&] { build(options("out")); });
}

TEST_F(BuildShards, ANewBuildReplacesTheOldSetAndNothingElse) {
  build(options("out", 30'000));
  build(options("out"));
  build(options("straight"));
  EXPECT_EQ(contents(directory_ / "out"), contents(directory_ / "straight"));
  write("mine/train/notes.txt", "not to be lost");
  expect_error(ErrorKind::Usage, {"mine/train' exists and is not a set of shards"},
               [&] { build(options("mine")); });
  EXPECT_TRUE(fs::exists(directory_ / "mine/train/notes.txt"));
  write("other/unfinished-build/x", "not to be lost");
  expect_error(ErrorKind::Usage, {"is not left from an interrupted build"},
               [&] { build(options("other")); });
}

// What builds leave that were killed as they began or as they cleaned up.
TEST_F(BuildShards, TheRestsOfABuildThatWasKilledAreTaken) {
  build(options("straight"));
  fs::create_directories(directory_ / "begun/unfinished-build");
  write("locked/unfinished-build/lock", "");
  write("cleaning/unfinished-build/lock", "");
  write("cleaning/unfinished-build/old-train/train-00000.h5", "of the set that was replaced");
  for (const char* output : {"begun", "locked", "cleaning"}) {
    build(options(output));
    EXPECT_EQ(contents(directory_ / output), contents(directory_ / "straight")) << output;
  }
}

TEST_F(BuildShards, FewDocumentsAreSplitAsWithoutShards) {
  fs::remove_all(directory_ / "in");
  for (const int documents : {1, 2, 3}) {
    std::string lines;
    for (int i = 0; i < documents; ++i) lines += str("{\"text\": \"", i, "\\nline\\nmore\"}\n");
    write("in/a.jsonl.gz", gzip(lines));
    for (const double fraction : {0.01, 0.5, 0.99}) {
      BuildOptions whole = options("whole", 0), shards = options("shards", 1);
      whole.held_out = shards.held_out = fraction;
      const BuildResult one = build(whole), many = build(shards);
      EXPECT_EQ(many.split, one.split);
      ASSERT_TRUE(many.valid && one.valid);
      EXPECT_EQ(tokens(many.train.path), tokens(one.train.path)) << documents << ", " << fraction;
      EXPECT_EQ(tokens(many.valid->path), tokens(one.valid->path));
      EXPECT_EQ(many.train.n_shards, std::max(1u, static_cast<unsigned>(many.train.n_documents)));
    }
  }
}

TEST_F(BuildShards, OneCompressedTextIsSplitByPosition) {
  fs::remove_all(directory_ / "in");
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += str("line ", i, "\n");
  write("in/a.txt.gz", gzip(text));
  build(options("packed", 0));
  fs::rename(directory_ / "packed", directory_ / "p");
  BuildOptions small = options("packed", 0);
  small.max_line_bytes = text.size() - 1;
  expect_error(ErrorKind::BadData, {"a.txt.gz: is the only document", "`max_line_bytes`"},
               [&] { build(small); });
  fs::remove_all(directory_ / "in");
  write("in/a.txt", text);
  build(options("plain", 0));
  for (const char* name : {"train.h5", "valid.h5"}) {
    EXPECT_EQ(tokens(directory_ / "p" / name), tokens(directory_ / "plain" / name));
  }
}

TEST_F(BuildShards, ADecompressionBombIsAnErrorThatTakesLittleMemory) {
  const auto peak_kib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  fs::remove_all(directory_ / "in");
  std::string bomb;
  const std::string part = gzip("x" + std::string(std::size_t{1} << 26, 'x'));  // 64 MiB in 65 KB
  for (int i = 0; i < 64; ++i) bomb += part;
  write("in/bomb.jsonl.gz", "");
  write_quickly(directory_ / "in/bomb.jsonl.gz", gzip("{\"text\": \"") + bomb);
  const auto before = peak_kib();
  BuildOptions chosen = options("out", 0);
  chosen.max_line_bytes = std::uint64_t{1} << 24;
  expect_error(ErrorKind::BadData, {"bomb.jsonl.gz:1: the line is longer than 16777216 bytes"},
               [&] { build(chosen); });
  EXPECT_LT(peak_kib() - before, 100 << 10);  // of 4 GiB
}

TEST_F(BuildShards, OneFileOrShardsIsADecision) {
  BuildOptions chosen = options("set.h5");
  chosen.held_out = 0;
  expect_error(ErrorKind::Usage, {"set.h5' is one file, but shards need a folder"},
               [&] { build(chosen); });
}

}  // namespace
}  // namespace krait
