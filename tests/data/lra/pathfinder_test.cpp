// make_lra_sets for Pathfinder and PathX.
#include "data/lra/pathfinder.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/system/file.h"
#include "core/system/parallel.h"
#include "data/lra/make.h"
#include "data/lra/pathfinder/generator.h"
#include "data/lra/png.h"
#include "tests/data/labelled_set/sample_sets.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

Examples all_of(const LraResult& result) {
  Examples examples;
  for (const LabelledSetInfo& info : result.sets) {
    const Examples part = all_examples(LabelledSet(info.path));
    examples.insert(examples.end(), part.begin(), part.end());
  }
  std::ranges::sort(examples, {}, &Example::inputs);
  return examples;
}

LraOptions small(const fs::path& output) {
  return {.task = LraTask::Pathfinder, .output = output, .seed = 5, .counts = {{30, 6, 6}}};
}

TEST(MakePathfinderSets, AreTheImagesOfTheGeneratorByAnyNumberOfThreads) {
  const TemporaryDirectory directory;
  const int before = thread_count();
  set_thread_count(1);
  const LraResult one = make_lra_sets(small(directory / "one"));
  set_thread_count(3);
  make_lra_sets(small(directory / "three"));
  set_thread_count(before);
  for (const char* file : {"train.h5", "valid.h5", "test.h5"}) {
    EXPECT_EQ(file_sha256(directory / "one" / file), file_sha256(directory / "three" / file));
  }
  const PathfinderGenerator generator(pathfinder_rules(32, 14));
  const Examples test = all_examples(LabelledSet(one.sets[2].path));
  ASSERT_EQ(test.size(), 6u);
  EXPECT_TRUE(std::ranges::equal(test[2].inputs[0], generator.draw(5, 38).pixels));
  EXPECT_EQ(test[2].label, generator.draw(5, 38).label);
  EXPECT_EQ(one.provenance.origin, DataOrigin::Regenerated);
  EXPECT_TRUE(one.provenance.deviations.empty());
}

TEST(MakePathfinderSets, TheFilesOfTheReleaseReadBackAsTheyWere) {
  const TemporaryDirectory directory;
  LraOptions options = small(directory / "made");
  options.write_raw = true;
  options.contour_length = 9;
  const LraResult made = make_lra_sets(options);
  EXPECT_EQ(made.provenance.deviations.size(), 1u);
  const fs::path raw = directory / "made" / "raw", set = raw / "pathfinder32/curv_contour_length_9";
  EXPECT_TRUE(fs::exists(set / "imgs/0/sample_41.png"));
  for (const fs::path& from : {raw, raw / "pathfinder32", set}) {
    const LraResult read = make_lra_sets({.task = LraTask::Pathfinder,
                                          .output = directory / "read",
                                          .raw = from,
                                          .contour_length = 9});
    EXPECT_EQ(all_of(read), all_of(made));
    EXPECT_EQ(read.sets[1].n_examples, 4u);  // a tenth
    EXPECT_EQ(read.provenance.origin, DataOrigin::Regenerated);
  }
  fs::remove(set / kRawProvenanceFile);
  const LraResult part = make_lra_sets(
      {.task = LraTask::Pathfinder, .output = directory / "part", .raw = set, .contour_length = 9});
  EXPECT_EQ(part.provenance.origin, DataOrigin::Subset);
}

/// A folder in the layout of the release that may be spoilt.
class PathfinderRelease : public ::testing::Test {
 protected:
  PathfinderRelease() {
    LraOptions options = small(directory_ / "made");
    options.write_raw = true;
    make_lra_sets(options);
    fs::remove(set_ / kRawProvenanceFile);
  }
  LraResult read() const {
    return make_lra_sets({.task = LraTask::Pathfinder, .output = directory_ / "out", .raw = set_});
  }
  TemporaryDirectory directory_;
  fs::path set_ = directory_ / "made/raw/pathfinder32/curv_contour_length_14";
};

TEST_F(PathfinderRelease, AMissingOrWrongImageIsNamed) {
  fs::remove(set_ / "imgs/0/sample_3.png");
  expect_error(ErrorKind::MissingInput, {"imgs/0/sample_3.png'"}, [&] { read(); });
  write_quickly(set_ / "imgs/0/sample_3.png", "");
  expect_error(ErrorKind::BadData, {"imgs/0/sample_3.png'", "is not a PNG image"}, [&] { read(); });
  write_quickly(set_ / "imgs/0/sample_3.png",
                encode_png({.height = 16, .width = 32, .pixels = std::vector<std::uint8_t>(512)}));
  expect_error(ErrorKind::BadData, {"sample_3.png'", "32 x 32 pixels, got 16 x 32"},
               [&] { read(); });
  write_quickly(set_ / "metadata/notes.txt", "");
  expect_error(ErrorKind::BadData, {"notes.txt'", "<batch>.npy"}, [&] { read(); });
  expect_error(ErrorKind::MissingInput, {"curv_contour_length_9/metadata'"}, [&] {
    make_lra_sets({.task = LraTask::Pathfinder,
                   .output = directory_ / "out",
                   .raw = directory_ / "made",
                   .contour_length = 9});
  });
}

TEST_F(PathfinderRelease, LabelsThatDoNotBelongToTheImagesAreSaid) {
  std::string lines = read_file(set_ / "metadata/0.npy"), turned;
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = lines.find('\n', at);
    std::string line = lines.substr(at, end - at);
    const std::size_t label = line.find(' ', line.find(".png ") + 5) + 1;
    line[label] = line[label] == '0' ? '1' : '0';
    turned += line + "\n";
    at = end + 1;
  }
  write_quickly(set_ / "metadata/0.npy", turned);
  const LraResult result = read();
  EXPECT_EQ(result.provenance.origin, DataOrigin::Subset);
  EXPECT_TRUE(std::ranges::any_of(result.notes, [](const std::string& note) {
    return note.starts_with("share of labels that a flood fill finds");
  }));
}

TEST(MakePathfinderSets, TheFaultyCopyOfPathfinder128IsRefused) {
  const TemporaryDirectory directory;
  const fs::path outer = directory / "lra_release/pathfinder128/curv_contour_length_14";
  write_quickly(outer / "metadata/0.npy", "");
  fs::create_directories(directory / "lra_release/lra_release/pathfinder128");
  const LraOptions options{
      .task = LraTask::PathX, .output = directory / "out", .raw = directory / "lra_release"};
  expect_error(ErrorKind::BadData,
               {"faulty copy of pathfinder128", "lra_release/lra_release/pathfinder128'"},
               [&] { make_lra_sets(options); });
  fs::remove_all(directory / "lra_release/lra_release");
  expect_error(ErrorKind::BadData, {"metadata' names no image"}, [&] { make_lra_sets(options); });
}

TEST(MakePathfinderSets, PathXIsNotStored) {
  const TemporaryDirectory directory;
  expect_error(ErrorKind::Usage, {"drawn while a model trains"},
               [&] { make_lra_sets({.task = LraTask::PathX, .output = directory / "out"}); });
}

}  // namespace
}  // namespace krait
