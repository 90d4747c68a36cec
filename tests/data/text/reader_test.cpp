#include "data/text/reader.h"

#include <gtest/gtest.h>

#include "tests/data/files/compressed.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using Kind = TextPiece::Kind;

/// Cuts behind blanks only.
class Words final : public Tokenizer {
 public:
  std::int64_t vocab_size() const override { return 257; }
  std::vector<std::int32_t> encode(std::string_view text) const override {
    return ByteTokenizer().encode(text);
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    return ByteTokenizer().decode(ids);
  }
  std::int32_t end_of_document() const override { return 256; }
  TokenizerIdentity identity() const override { return ByteTokenizer().identity(); }
  std::size_t safe_cut(std::string_view text) const override { return text.rfind(' ') + 1; }
};

class TextReaderTest : public ::testing::Test {
 protected:
  void write(std::string_view name, std::string_view text) {
    write_quickly(directory_ / name, text);
    inputs_.push_back(directory_ / name);
  }
  struct Read {
    Kind kind;
    std::string text;
    TextPosition begin;
    std::uint64_t input_bytes;
    std::string reason;
  };
  std::vector<Read> read(TextReaderOptions options = {}, TextPosition start = {}) {
    const auto sources = find_text_sources(inputs_);
    const Words tokenizer;
    TextReader reader(sources, tokenizer, options, start);
    std::vector<Read> pieces;
    while (const auto piece = reader.next()) {
      pieces.push_back(
          {piece->kind, std::string(piece->text), piece->begin, piece->input_bytes, piece->reason});
    }
    return pieces;
  }
  TemporaryDirectory directory_;
  std::vector<std::filesystem::path> inputs_;
};

std::string words(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += "word" + std::to_string(i) + " ";
  return text;
}

TEST_F(TextReaderTest, ATextComesInPartsThatEndWhereItMayBeCut) {
  const std::string text = words(3 * TextReader::kPiece);
  write("a.txt", text);
  write("b.txt.gz", gzip(text));
  write("c.txt.zst", zstd(text));
  const std::vector<Read> pieces = read();
  for (std::uint64_t file = 0; file < 3; ++file) {
    std::string whole;
    for (const Read& piece : pieces) {
      if (piece.begin.file != file) continue;
      EXPECT_EQ(piece.begin.offset, whole.size());
      EXPECT_LE(piece.text.size(), TextReader::kPiece);
      EXPECT_EQ(piece.text.back(), ' ');
      whole += piece.text;
      EXPECT_EQ(piece.kind, whole.size() == text.size() ? Kind::LastPart : Kind::Part);
    }
    EXPECT_EQ(whole, text);
  }
  std::uint64_t total = 0;
  for (const auto& path : inputs_) total += std::filesystem::file_size(path);
  EXPECT_EQ(pieces.back().input_bytes, total);
}

TEST_F(TextReaderTest, JsonLinesComeWholeWithTheirPlaces) {
  std::string text;
  for (int i = 0; text.size() < 2'000'000; ++i) {
    text += "line " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 500), 'x');
    text += i % 7 == 0 ? "\n\n" : "\n";
  }
  text += "the last one does not end";
  write("a.jsonl", text);
  write("b.jsonl.gz", gzip(text));
  write("c.ndjson.zst", zstd(text));
  const std::vector<Read> pieces = read();
  for (std::uint64_t file = 0; file < 3; ++file) {
    std::string whole;
    for (const Read& piece : pieces) {
      if (piece.begin.file != file) continue;
      EXPECT_EQ(piece.kind, Kind::Lines);
      EXPECT_EQ(piece.begin.offset, whole.size());
      EXPECT_EQ(piece.begin.line, static_cast<std::uint64_t>(std::ranges::count(whole, '\n')));
      whole += piece.text;
      EXPECT_TRUE(whole.back() == '\n' || whole.size() == text.size());
    }
    EXPECT_EQ(whole, text);
  }
}

TEST_F(TextReaderTest, GoesOnFromAPlace) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "line " + std::to_string(i) + "\n";
  write("a.txt", "first");
  write("b.jsonl", text);
  write("c.jsonl.gz", gzip(text));
  write("d.txt", "last");
  const std::size_t offset = text.find("line 40000");
  for (const std::uint64_t file : {1, 2}) {
    const auto pieces = read({}, {.file = file, .offset = offset, .line = 40'000});
    EXPECT_EQ(pieces.front().begin, (TextPosition{file, offset, 40'000}));
    std::string rest;
    for (const Read& piece : pieces) {
      if (piece.begin.file == file) rest += piece.text;
    }
    EXPECT_EQ(rest, text.substr(offset));
    EXPECT_EQ(pieces.back().text, "last");
  }
  const auto at_end = read({}, {.file = 2, .offset = text.size(), .line = 50'000});
  ASSERT_EQ(at_end.size(), 1u);  // nothing is left of the file, and it was not empty
  EXPECT_EQ(at_end.front().text, "last");
  EXPECT_TRUE(read({}, {.file = 4}).empty());
}

TEST_F(TextReaderTest, WhatIsNoTextIsSkippedWithAReason) {
  write("nul.txt", std::string("a\0b", 3));
  write("late.txt.gz", gzip(words(600'000) + '\0'));
  write("empty.txt", "");
  write("empty.txt.zst", zstd(""));
  write("blank.jsonl", "\n  \t\r\n\n");
  write("blank.jsonl.gz", gzip(std::string(700'000, '\n')));
  std::vector<std::string> reasons;
  for (const Read& piece : read()) {
    if (piece.kind == Kind::Skipped) {
      reasons.push_back(std::to_string(piece.begin.file) + " " + piece.reason);
    } else {
      EXPECT_EQ(piece.begin.file, 1u);
      EXPECT_EQ(piece.kind, Kind::Part);  // void, since its file is skipped in the end
    }
  }
  const std::string nul = std::to_string(words(600'000).size());
  EXPECT_EQ(reasons,
            (std::vector<std::string>{"0 binary: NUL byte at 1", "1 binary: NUL byte at " + nul,
                                      "2 empty", "3 empty", "4 empty", "5 empty"}));
}

TEST_F(TextReaderTest, LinesAndUncuttableTextsUpToTheLimitAreRead) {
  const std::string line(700'000, 'x');
  write("a.jsonl", "short\n" + line + "\nshort\n");
  write("b.jsonl.gz", gzip(line));
  write("c.txt", "short " + line);
  write("d.txt.zst", zstd(line + " " + line));
  std::size_t bytes = 0;
  for (const Read& piece : read({.max_line_bytes = 700'001})) bytes += piece.text.size();
  EXPECT_EQ(bytes, 5 * line.size() + 20);
}

TEST_F(TextReaderTest, LongerOnesAreAnErrorWithTheirPlace) {
  const std::string line(700'000, 'x');
  const struct {
    const char* name;
    std::string bytes, message;
  } cases[] = {
      {"a.jsonl", "short\n\n" + line + "\nshort\n", "a.jsonl:3: the line is longer than 699999"},
      {"b.jsonl.gz", gzip("short\n" + line), "b.jsonl.gz:2: the line is longer than 699999"},
      {"c.txt", "short " + line + " ", "c.txt: has no place to cut within 699999"},
      {"d.txt.zst", zstd(line + " "), "d.txt.zst: has no place to cut within 699999"},
  };
  for (const auto& [name, bytes, message] : cases) {
    inputs_.clear();
    write(name, bytes);
    expect_error(ErrorKind::BadData, {message, "`max_line_bytes`"},
                 [&] { read({.max_line_bytes = 699'999}); });
  }
}

TEST_F(TextReaderTest, DamagedCompressionNamesTheFile) {
  const std::string bytes = gzip(words(600'000));
  write("a.txt.gz", bytes.substr(0, bytes.size() / 2));
  expect_error(ErrorKind::BadData, {"a.txt.gz': the gzip data end too early"}, [&] { read(); });
  inputs_.clear();
  write("b.jsonl.zst", "no such thing");
  expect_error(ErrorKind::BadData, {"b.jsonl.zst': is not Zstandard data"}, [&] { read(); });
}

TEST(TextSources, AreOfTheKindThatTheirNamesSay) {
  const TemporaryDirectory directory;
  for (const char* name : {"a.jsonl", "b.ndjson.gz", "c.jsonl.zst", "d.txt.gz", "e.md", "f.gz"}) {
    write_quickly(directory / name, "x");
  }
  const auto sources = find_text_sources({directory.path()});
  ASSERT_EQ(sources.size(), 6u);
  const bool jsonl[] = {true, true, true, false, false, false};
  const Compression compression[] = {Compression::None, Compression::Gzip, Compression::Zstd,
                                     Compression::Gzip, Compression::None, Compression::Gzip};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(sources[i].is_jsonl, jsonl[i]) << i;
    EXPECT_EQ(sources[i].compression, compression[i]) << i;
    EXPECT_EQ(sources[i].bytes, 1u);
  }
}

TEST(TextSources, AChangedFileHasAnotherIdentity) {
  const TemporaryDirectory directory;
  const auto identity = [&] {
    Sha256 hash;
    for (const TextSource& source : find_text_sources({directory / "a"})) {
      add_identity(hash, source);
    }
    return hash.hex();
  };
  write_quickly(directory / "a", "text");
  const std::string first = identity();
  EXPECT_EQ(identity(), first);
  const auto time = std::filesystem::last_write_time(directory / "a");
  std::filesystem::last_write_time(directory / "a", time + std::chrono::milliseconds(1));
  EXPECT_NE(identity(), first);
  std::filesystem::last_write_time(directory / "a", time);
  EXPECT_EQ(identity(), first);
}

}  // namespace
}  // namespace krait
