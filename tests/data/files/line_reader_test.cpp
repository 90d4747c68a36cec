#include "data/files/line_reader.h"

#include <gtest/gtest.h>

#include "core/system/file.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(LineReader, EqualsASplitAtLineFeedsWhateverTheLengths) {
  const TemporaryDirectory directory;
  std::string text;
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 300; ++i) {
    expected.emplace_back(i * i * 7 % 40'000, static_cast<char>('a' + i % 26));
    text += expected.back() + "\n";
  }
  expected.emplace_back("without a line feed");
  text += expected.back();
  ASSERT_GT(text.size(), std::size_t{1} << 20);  // several pieces
  write_quickly(directory / "text", text);
  LineReader reader(directory / "text");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto line = reader.next();
    ASSERT_TRUE(line);
    ASSERT_EQ(*line, expected[i]);
    ASSERT_EQ(reader.number(), i + 1);
  }
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.bytes(), text.size());
  EXPECT_EQ(reader.sha256(), file_sha256(directory / "text"));
  EXPECT_EQ(reader.where(), (directory / "text").string() + ":301");
}

TEST(LineReader, AnEmptyFileHasNoLineAndAnEndlessLineIsRefused) {
  const TemporaryDirectory directory;
  write_quickly(directory / "empty", "");
  EXPECT_FALSE(LineReader(directory / "empty").next());
  write_quickly(directory / "endless", "short\n" + std::string((std::size_t{1} << 26) + 9, 'x'));
  LineReader reader(directory / "endless");
  EXPECT_EQ(reader.next(), "short");
  expect_error(ErrorKind::BadData, {"endless:2: ", "67108864 bytes"}, [&] { reader.next(); });
}

}  // namespace
}  // namespace krait
