#include "data/lra/pathfinder/metadata.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(PathfinderMetadata, LinesComeBack) {
  const TemporaryDirectory directory;
  const PathfinderRules rules = pathfinder_rules(32, 14);
  const std::string line = pathfinder_metadata_line(rules, 1, 12, 7, 1);
  EXPECT_EQ(line, "imgs/12 sample_7.png 7 1 1 14 4 2 0.5 1 1\n");
  write_quickly(directory / "12.npy", line + pathfinder_metadata_line(rules, 1, 12, 8, 0));
  EXPECT_EQ(
      read_pathfinder_metadata(directory / "12.npy"),
      (std::vector<PathfinderRecord>{{"imgs/12/sample_7.png", 1}, {"imgs/12/sample_8.png", 0}}));
}

TEST(PathfinderMetadata, ErrorsNameFileAndLine) {
  const TemporaryDirectory directory;
  const auto path = directory / "0.npy";
  const std::string good = "imgs/0 sample_0.png 0 1 1.0 14 4 2 0.5 1 1\n";
  const auto expect_refused = [&](const std::string& text, std::string_view where,
                                  std::string_view part) {
    write_quickly(path, text);
    expect_error(ErrorKind::BadData, {where, part}, [&] { read_pathfinder_metadata(path); });
  };
  expect_refused(good + "imgs/0 sample_1.png 1 0 1.0 14 4 2 0.5 1\n",
                 "0.npy:2: ", "11 columns between blanks, got 10");
  expect_refused(good + "imgs/0 sample_1.png 1 2 1.0 14 4 2 0.5 1 1\n",
                 "0.npy:2: ", "must be 0 or 1, got '2'");
  expect_refused("imgs/../.. passwd 1 1 1.0 14 4 2 0.5 1 1\n", "0.npy:1: ", "an image in imgs/");
  expect_refused("/etc passwd 1 1 1.0 14 4 2 0.5 1 1\n", "0.npy:1: ", "an image in imgs/");
  expect_refused("\x93NUMPY\x01 ...", "0.npy: ", "binary format");
}

}  // namespace
}  // namespace krait
