#include "data/text/encoder.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class TextEncoderTest : public ::testing::Test {
 protected:
  void write(std::string_view name, std::string_view text) {
    write_quickly(directory_ / name, text);
    inputs_.push_back(directory_ / name);
  }
  void start() {
    sources_ = find_text_sources(inputs_);
    encoder_.emplace(sources_, tokenizer_, TextEncoderOptions{.text_field = "text"},
                     TextPosition{});
  }
  /// All text up to the end or up to a failure, which is left for the next call of next().
  std::string read() {
    std::string text;
    try {
      for (auto pieces = encoder_->next(); !pieces.empty(); pieces = encoder_->next()) {
        for (const EncodedPiece& piece : pieces) text += tokenizer_.decode(piece.ids);
      }
    } catch (const Error&) {
    }
    return text;
  }
  void expect_failure(std::initializer_list<std::string_view> parts, ErrorKind kind) {
    for (int i = 0; i < 2; ++i) expect_error(kind, parts, [&] { encoder_->next(); });
  }

  TemporaryDirectory directory_;
  std::vector<std::filesystem::path> inputs_;
  std::vector<TextSource> sources_;
  ByteTokenizer tokenizer_;
  std::optional<TextEncoder> encoder_;
};

// More text than two batches at two threads, so that the reader has to wait for its consumer.
TEST_F(TextEncoderTest, GivesTheTextOfAllFilesInTheirOrder) {
  std::string all;
  for (int i = 0; i < 40; ++i) {
    const std::string text(std::size_t{1} << 19, static_cast<char>('a' + i % 26));
    write(str("file", 100 + i, ".txt"), text);
    all += text;
  }
  start();
  EXPECT_EQ(read(), all);
  EXPECT_TRUE(encoder_->next().empty());
}

TEST_F(TextEncoderTest, AFailureOfTheReaderComesAfterTheFilesBeforeIt) {
  write("a.txt", "first");
  write("b.txt", "second");
  write("c.txt", "gone");
  sources_ = find_text_sources(inputs_);
  std::filesystem::remove(directory_ / "c.txt");
  encoder_.emplace(sources_, tokenizer_, TextEncoderOptions{}, TextPosition{});
  EXPECT_EQ(read(), "firstsecond");
  expect_failure({"c.txt"}, ErrorKind::MissingInput);
}

TEST_F(TextEncoderTest, ALineWithoutTheFieldFailsAfterTheDocumentsBeforeIt) {
  write("a.jsonl",
        "{\"text\": \"one\"}\n{\"text\": \"two\"}\n{\"other\": 1}\n{\"text\": \"no\"}\n");
  start();
  EXPECT_EQ(read(), "onetwo");
  expect_failure({"a.jsonl:3"}, ErrorKind::BadData);
}

TEST_F(TextEncoderTest, StopsWhileItsReaderIsAhead) {
  for (int i = 0; i < 40; ++i) write(str(i, ".txt"), std::string(std::size_t{1} << 20, 'x'));
  for (int i = 0; i < 5; ++i) start();  // each replaces one that has read nothing or a part
  EXPECT_FALSE(encoder_->next().empty());
}

}  // namespace
}  // namespace krait
