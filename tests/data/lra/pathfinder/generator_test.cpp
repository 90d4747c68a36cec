#include "data/lra/pathfinder/generator.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "data/lra/pathfinder/flood_fill.h"
#include "data/lra/pathfinder/samples.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(PathfinderRules, AreThoseOfTheBenchmark) {
  EXPECT_EQ(pathfinder_rules(32, 14).n_distractors, 5);
  EXPECT_EQ(pathfinder_rules(64, 14).n_distractors, 5);
  EXPECT_EQ(pathfinder_rules(128, 14).n_distractors, 8);
  EXPECT_EQ(pathfinder_rules(32, 14).distractor_length, 4);
  EXPECT_EQ(pathfinder_rules(128, 6).distractor_length, 2);
  expect_error(ErrorKind::Usage, {"32, 64 or 128, got 48"}, [] { pathfinder_rules(48, 14); });
  expect_error(ErrorKind::Usage, {"6, 9 or 14, got 10"}, [] { pathfinder_rules(32, 10); });
}

TEST(PathfinderGenerator, AnImageIsAFunctionOfSeedAndIndex) {
  const PathfinderGenerator generator(pathfinder_rules(32, 14)), other(generator.rules());
  const PathfinderImage image = generator.draw(4, 9);
  generator.draw(4, 10);
  EXPECT_EQ(generator.draw(4, 9).pixels, image.pixels);
  EXPECT_EQ(other.draw(4, 9).pixels, image.pixels);
  EXPECT_NE(generator.draw(5, 9).pixels, image.pixels);
  EXPECT_NE(generator.draw(4, 8).pixels, image.pixels);
}

// How often `pattern`, a rectangle of rows of equal length, is in an image, within one level.
int count_pattern(const std::vector<std::uint8_t>& pixels, std::size_t side,
                  const std::vector<std::vector<int>>& pattern) {
  int count = 0;
  for (std::size_t y = 0; y + pattern.size() <= side; ++y) {
    for (std::size_t x = 0; x + pattern[0].size() <= side; ++x) {
      bool equal = true;
      for (std::size_t v = 0; v < pattern.size(); ++v) {
        for (std::size_t u = 0; u < pattern[v].size(); ++u) {
          equal = equal && std::abs(pixels[(y + v) * side + x + u] - pattern[v][u]) <= 1;
        }
      }
      count += equal ? 1 : 0;
    }
  }
  return count;
}

// Levels of grey read off the published image.
TEST(PathfinderGenerator, ImagesShowTheDiscsAndDashesOfThePublishedImage) {
  const PathfinderGenerator generator(pathfinder_rules(32, 14));
  int discs = 0, whole_discs = 0, paths = 0, distractors = 0;
  constexpr int kImages = 100;
  for (std::uint64_t i = 0; i < kImages; ++i) {
    const auto pixels = generator.draw(1, i).pixels;
    discs += count_pattern(pixels, 32, {{245, 255}});
    whole_discs += count_pattern(pixels, 32, {{206, 245, 117}, {245, 255, 172}, {117, 172, 43}});
    for (const bool down : {false, true}) {
      const auto dash = [&](int a, int b, int c) -> std::vector<std::vector<int>> {
        if (down) return {{a}, {b}, {c}};
        return {{a, b, c}};
      };
      paths += count_pattern(pixels, 32, dash(119, 171, 135));
      distractors += count_pattern(pixels, 32, dash(159, 227, 179));
    }
    EXPECT_EQ(std::ranges::max(pixels), 255);
  }
  EXPECT_GE(discs, 185);                // the others lie at an edge or on each other
  EXPECT_GT(whole_discs, kImages / 2);  // dashes come out of the others
  EXPECT_GT(paths, 2 * kImages);
  EXPECT_GT(distractors, kImages / 2);
}

struct Solved {
  std::array<int, 2> right{}, all{};
};

Solved solve(std::int64_t window, std::int64_t contour_length, int images) {
  const PathfinderGenerator generator(pathfinder_rules(window, contour_length));
  const PathfinderFloodFill fill(generator.rules());
  Solved solved;
  for (int i = 0; i < images; ++i) {
    const PathfinderImage image = generator.draw(2, static_cast<std::uint64_t>(i));
    const auto label = static_cast<std::size_t>(image.label);
    ++solved.all.at(label);
    if (fill.label(image.pixels) == image.label) ++solved.right.at(label);
  }
  std::cout << window << ", " << contour_length << ": " << solved.right[0] << " of "
            << solved.all[0] << " with label 0, " << solved.right[1] << " of " << solved.all[1]
            << " with label 1\n";
  return solved;
}

// A path is always found. Small images have some where paths touch, and the fill crosses over.
TEST(PathfinderGenerator, AFloodFillFindsTheLabels) {
  const Solved small = solve(32, 14, 400);
  EXPECT_GE(small.right[1], small.all[1] - 4);
  EXPECT_GE(small.right[0], small.all[0] * 8 / 10);
  EXPECT_NEAR(small.all[1], 200, 40);  // four standard errors
  for (const std::int64_t contour_length : {6, 9}) {
    const Solved easy = solve(32, contour_length, 100);
    EXPECT_GE(easy.right[1], easy.all[1] - 2);
    EXPECT_GE(easy.right[0], easy.all[0] * 8 / 10);
  }
  for (const std::int64_t window : {64, 128}) {
    const Solved large = solve(window, 14, 40);
    EXPECT_GE(large.right[0] + large.right[1], 38);
  }
}

TEST(PathfinderFloodFill, SaysNothingOfAnImageWithoutDiscs) {
  const PathfinderFloodFill fill(pathfinder_rules(32, 14));
  EXPECT_EQ(fill.label(std::vector<std::uint8_t>(1024, 0)), std::nullopt);
}

TEST(PathfinderSamples, AreTheImagesOfTheirRange) {
  const auto generator = std::make_shared<const PathfinderGenerator>(pathfinder_rules(32, 9));
  const PathfinderSamples samples(generator, 3, {.first = 100, .size = 5});
  const PathfinderImage image = generator->draw(3, 104);
  const Sample sample = samples.get(4);
  EXPECT_TRUE(std::ranges::equal(sample.inputs, image.pixels));
  EXPECT_EQ(sample.targets, (std::vector{image.label}));
  expect_error(ErrorKind::Contract, {"5 must be < 5"}, [&] { samples.get(5); });
}

}  // namespace
}  // namespace krait
