#include "data/files/byte_stream.h"

#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"
#include "tests/data/files/compressed.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

/// The two formats have one set of tests.
struct Format {
  const char* name;
  const char* extension;
  std::string (*compress)(std::string_view text);
  std::unique_ptr<ByteStream> (*decompress)(std::unique_ptr<ByteStream>, std::string);
};
std::string zstd_frame(std::string_view text) {
  return zstd(text);
}
const Format kFormats[] = {{"gzip", ".gz", gzip, decompress_gzip},
                           {"Zstandard", ".zst", zstd_frame, decompress_zstd}};

class Compressed : public ::testing::TestWithParam<Format> {
 protected:
  static std::string decompressed(std::string_view bytes, std::size_t most_in = ~std::size_t{0},
                                  std::size_t piece = 1000) {
    const auto stream =
        GetParam().decompress(std::make_unique<MemoryStream>(bytes, most_in), "'a.gz'");
    std::string text;
    std::vector<std::byte> buffer(piece);
    while (const std::size_t n = stream->read(buffer)) {
      text.append(reinterpret_cast<const char*>(buffer.data()), n);
    }
    EXPECT_EQ(stream->read(buffer), 0u);
    EXPECT_EQ(stream->source_bytes(), bytes.size());
    return text;
  }
  static std::string compress(std::string_view text) { return GetParam().compress(text); }
};
INSTANTIATE_TEST_SUITE_P(Formats, Compressed, ::testing::ValuesIn(kFormats),
                         [](const auto& format) { return std::string(format.param.name); });

std::string noisy_text(std::size_t size) {
  std::string text;
  const RandomStream random{.seed = 8};
  for (std::uint64_t i = 0; text.size() < size; ++i) {
    text += std::to_string(random.bits64(i) % 1000) + (i % 9 == 0 ? "\n" : " words ");
  }
  return text;
}

TEST_P(Compressed, TextComesBackInPiecesOfAnySize) {
  const std::string text = noisy_text(300'000), bytes = compress(text);
  for (const std::size_t in : {std::size_t{1}, std::size_t{777}, ~std::size_t{0}}) {
    for (const std::size_t out : {std::size_t{1}, std::size_t{4096}, std::size_t{1} << 20}) {
      EXPECT_EQ(decompressed(bytes, in, out), text) << in << ", " << out;
    }
  }
}

TEST_P(Compressed, SeveralOnesFollowEachOther) {
  const std::string one = noisy_text(70'000);
  EXPECT_EQ(decompressed(compress(one) + compress("") + compress("two") + compress("")),
            one + "two");
  EXPECT_EQ(decompressed(compress("one") + compress("two"), 1, 1), "onetwo");
  EXPECT_EQ(decompressed(compress("")), "");
}

TEST_P(Compressed, EveryTruncationIsAnErrorThatNamesTheFile) {
  const std::string bytes = compress(noisy_text(500)) + compress("more");
  const std::size_t first = compress(noisy_text(500)).size();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    if (size == first) continue;  // that is the first one, whole
    expect_error(ErrorKind::BadData, {"'a.gz': the ", GetParam().name, "end too early"},
                 [&] { decompressed(bytes.substr(0, size)); });
  }
}

TEST_P(Compressed, DamageIsAnError) {
  const std::string text = noisy_text(2000), good = compress(text);
  int harmless = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    try {
      const std::string result = decompressed(bad);
      EXPECT_EQ(result, text) << at;  // such as the time in a gzip header
      ++harmless;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadData);
      EXPECT_TRUE(std::string_view(error.what()).starts_with("'a.gz': ")) << error.what();
    }
  }
  EXPECT_LT(harmless, 12);
}

TEST_P(Compressed, OtherBytesAreRefused) {
  const std::string good = compress("text");
  for (const std::string& bytes : {std::string("plain text, nothing else"), good + "rest",
                                   std::string(100, '\0'), good + good.substr(0, 3) + "x"}) {
    expect_error(ErrorKind::BadData, {"'a.gz': ", "again"}, [&] { decompressed(bytes); });
  }
}

TEST_P(Compressed, FilesAreReadFromTheDisk) {
  const TemporaryDirectory directory;
  const auto path = directory / (std::string("t.txt") + GetParam().extension);
  write_quickly(path, compress("text"));
  const auto stream = open_stream(path, compression_of(path));
  std::byte buffer[10];
  EXPECT_EQ(stream->read(buffer), 4u);
  EXPECT_EQ(stream->read(buffer), 0u);
  expect_error(ErrorKind::MissingInput, {"absent"},
               [&] { open_stream(directory / "absent", Compression::Gzip); });
}

TEST(Gzip, ZerosBehindTheEndArePadding) {
  const auto read = [](const std::string& bytes) {
    const auto stream = decompress_gzip(std::make_unique<MemoryStream>(bytes, 3), "'a'");
    std::byte buffer[100];
    std::size_t n = 0;
    while (const std::size_t more = stream->read(buffer)) n += more;
    return n;
  };
  EXPECT_EQ(read(gzip("text") + std::string(1000, '\0')), 4u);
  expect_error(ErrorKind::BadData, {"other bytes follow"},
               [&] { read(gzip("text") + std::string(10, '\0') + gzip("text")); });
}

TEST(Zstd, SkippableFramesAreSkipped) {
  const std::string skippable(
      "\x50\x2a\x4d\x18\x03\x00\x00\x00"
      "abc",
      11);
  const auto stream =
      decompress_zstd(std::make_unique<MemoryStream>(skippable + zstd("text") + skippable), "'a'");
  std::byte buffer[100];
  EXPECT_EQ(stream->read(buffer), 4u);
  EXPECT_EQ(stream->read(buffer), 0u);
}

// A file chooses the window, and with it the memory, unless it is limited.
TEST(Zstd, AWindowOfMoreThan128MiBIsRefused) {
  const auto read = [](int window_log) {
    const auto stream =
        decompress_zstd(std::make_unique<MemoryStream>(zstd(noisy_text(1000), window_log)), "'a'");
    std::byte buffer[100];
    return stream->read(buffer);
  };
  EXPECT_GT(read(27), 0u);
  expect_error(ErrorKind::BadData, {"more than 128 MiB", "long mode"}, [&] { read(28); });
}

TEST(Compression, FollowsFromTheName) {
  EXPECT_EQ(compression_of("a/b.jsonl.gz"), Compression::Gzip);
  EXPECT_EQ(compression_of("a.gz/b.zst"), Compression::Zstd);
  EXPECT_EQ(compression_of("a.gz/b.jsonl"), Compression::None);
  EXPECT_EQ(compression_of(".gz"), Compression::None);
}

}  // namespace
}  // namespace krait
