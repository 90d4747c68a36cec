#include "train/record/json_lines.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/random.h"

namespace krait {
namespace {

using nlohmann::json;

class JsonLinesTest : public testing::Test {
 protected:
  JsonLinesTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(testing::TempDir()) /
            (std::string("krait_metrics_") + test->name() + std::to_string(getpid()));
    std::filesystem::remove(path_);
  }
  ~JsonLinesTest() override { std::filesystem::remove(path_); }

  void write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  std::string text() const { return read_file(path_); }

  std::filesystem::path path_;
};

TEST_F(JsonLinesTest, WritesOneObjectALineInTheOrderOfAdding) {
  JsonLines log(path_);
  log.write({.step = 1, .values = {{"loss", 2.5}, {"tokens", std::int64_t{4096}}}});
  log.write(Record{.step = 2}.add("note", "a \"b\"\n\xff"));
  log.sync();
  EXPECT_EQ(text(),
            "{\"step\":1,\"loss\":2.5,\"tokens\":4096}\n"
            "{\"step\":2,\"note\":\"a \\\"b\\\"\\n\xef\xbf\xbd\"}\n");
}

TEST_F(JsonLinesTest, DoublesComeBackToTheBit) {
  const RandomStream random{.seed = 7};
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const double value = std::ldexp(random.uniform(i) - 0.5, static_cast<int>(i) - 1000);
    const json record = json::parse(to_json({.values = {{"x", value}}}));
    EXPECT_EQ(record["x"].get<double>(), value);
  }
}

TEST_F(JsonLinesTest, NonFiniteNumbersAreStrings) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_json({.values = {{"a", std::nan("")}, {"b", infinity}, {"c", -infinity}}}),
            "{\"step\":0,\"a\":\"nan\",\"b\":\"inf\",\"c\":\"-inf\"}");
}

TEST_F(JsonLinesTest, OpeningAgainAppends) {
  JsonLines(path_).write({.step = 1});
  JsonLines(path_).write({.step = 2});
  EXPECT_EQ(text(), "{\"step\":1}\n{\"step\":2}\n");
}

TEST_F(JsonLinesTest, TruncationKeepsTheStepsUpToTheResumedOne) {
  write("{\"step\":1}\n{\"step\":2}\n{\"eval_loss\":1,\"step\":2}\n{\"step\":3}\n{\"step\":4}\n");
  EXPECT_EQ(truncate_json_lines_after(path_, 2), 2);
  EXPECT_EQ(text(), "{\"step\":1}\n{\"step\":2}\n{\"eval_loss\":1,\"step\":2}\n");
  EXPECT_EQ(truncate_json_lines_after(path_, 2), 0);
  EXPECT_EQ(truncate_json_lines_after(path_, 0), 3);
  EXPECT_EQ(text(), "");
}

TEST_F(JsonLinesTest, TruncationDropsATornLastLineWhereverItWasTorn) {
  const std::string whole = "{\"step\":1,\"loss\":2}\n";
  const std::string second = "{\"step\":2,\"loss\":3}\n";
  for (std::size_t length = 1; length < second.size(); ++length) {
    write(whole + second.substr(0, length));
    EXPECT_EQ(truncate_json_lines_after(path_, 5), 1) << length;
    EXPECT_EQ(text(), whole);
  }
  write(whole + std::string(4096, '\0'));  // what a power failure leaves of a block
  EXPECT_EQ(truncate_json_lines_after(path_, 5), 1);
  EXPECT_EQ(text(), whole);
}

TEST_F(JsonLinesTest, TruncationOfAFileWithNothingToDropLeavesItUntouched) {
  write("{\"step\":1}\n");
  const auto before = std::filesystem::last_write_time(path_);
  std::filesystem::last_write_time(path_, before - std::chrono::hours(1));
  EXPECT_EQ(truncate_json_lines_after(path_, 1), 0);
  EXPECT_EQ(std::filesystem::last_write_time(path_), before - std::chrono::hours(1));
}

TEST_F(JsonLinesTest, ABrokenLineInTheMiddleIsAnErrorThatNamesItAndChangesNothing) {
  for (const char* broken : {"{\"step\":", "[]", "{\"loss\":1}", "{\"step\":1.5}", ""}) {
    const std::string before = std::string("{\"step\":1}\n") + broken + "\n{\"step\":3}\n";
    write(before);
    try {
      truncate_json_lines_after(path_, 1);
      ADD_FAILURE() << broken;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadData);
      EXPECT_NE(std::string(error.what()).find(path_.string() + ":2:"), std::string::npos);
    }
    EXPECT_EQ(text(), before);
  }
}

TEST_F(JsonLinesTest, NoFileIsAnEmptyLog) {
  EXPECT_EQ(truncate_json_lines_after(path_, 3), 0);
}

TEST_F(JsonLinesTest, AFullDiskAndABadPathAreIoErrors) {
  JsonLines full("/dev/full");
  EXPECT_THROW(full.write({.step = 1}), Error);
  EXPECT_THROW(JsonLines(path_ / "no" / "folder"), Error);
}

}  // namespace
}  // namespace krait
