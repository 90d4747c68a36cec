#include "data/lra/listops/tsv.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(ListOpsTsv, RowsComeBackFromTheFile) {
  const TemporaryDirectory directory;
  const auto path = directory / "basic_train.tsv";
  ListOpsTsvWriter writer(path);
  writer.add(ListOpsExpression{kMax, 3, 8, kClose}, 8);
  writer.add(ListOpsExpression{5}, 5);
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.commit();
  EXPECT_EQ(read_file(path), "Source\tTarget\r\n( ( ( [MAX 3 ) 8 ) ] )\t8\r\n5\t5\r\n");
  ListOpsTsvReader reader(path);
  EXPECT_EQ(reader.next()->expression, (ListOpsExpression{kMax, 3, 8, kClose}));
  EXPECT_EQ(reader.next()->target, 5);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.lines().sha256(), file_sha256(path));
}

TEST(ListOpsTsv, ErrorsNameFileAndLine) {
  const TemporaryDirectory directory;
  const auto path = directory / "basic_val.tsv";
  const auto expect_refused = [&](std::string_view rows, std::string_view part) {
    write_quickly(path, str("Source\tTarget\r\n7\t7\r\n", rows));
    expect_error(ErrorKind::BadData, {"basic_val.tsv:3: ", part}, [&] {
      ListOpsTsvReader reader(path);
      while (reader.next()) {
      }
    });
  };
  expect_refused("[MAX 3 8 ]\r\n", "a tab and its value");
  expect_refused("[MAX 3 8 ]\t8\t1\n", "a tab and its value");
  expect_refused("[MAX 3 8 ]\t10\n", "must be a digit, got '10'");
  expect_refused("[MAX 3 8 ]\t\n", "must be a digit, got ''");
  expect_refused("[MAX 3 8\t8\n", "do not form one expression");
  expect_refused("[MAX 3 8 ] 4\t8", "do not form one expression");
  expect_refused("\n", "a tab and its value");
  write_quickly(path, "1\t2\n");
  expect_error(ErrorKind::BadData, {"basic_val.tsv:1: ", "Source<tab>Target"},
               [&] { ListOpsTsvReader reader(path); });
  expect_error(ErrorKind::MissingInput, {"none.tsv"},
               [&] { ListOpsTsvReader reader(directory / "none.tsv"); });
}

}  // namespace
}  // namespace krait
