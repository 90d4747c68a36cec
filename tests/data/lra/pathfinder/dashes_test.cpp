#include "data/lra/pathfinder/dashes.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "data/lra/pathfinder/flood_fill.h"
#include "tests/data/lra/raw_data.h"

namespace krait {
namespace {

// The brightness of a dash at an offset from where it starts; 0 where it has none.
double at(const Dash& dash, std::int64_t y, std::int64_t x) {
  const auto found =
      std::ranges::find_if(dash.line, [&](const DashPixel& p) { return p.y == y && p.x == x; });
  return found == dash.line.end() ? 0 : found->value;
}

const Dash& dash_at(const DashTable& table, int degree) {
  return table.dash(table.starts()[static_cast<std::size_t>(degree + 180)].dash);
}

// Taken from a published image, in units of a disc of brightness 1; to the digits given.
TEST(Dashes, HaveTheBrightnessOfThePublishedImage) {
  const DashTable table(pathfinder_rules(32, 14), 1);
  const Dash& down = dash_at(table, 90);
  EXPECT_NEAR(at(down, 0, 0), .402, 5e-4);
  EXPECT_NEAR(at(down, 1, 0), .577, 5e-4);
  EXPECT_NEAR(at(down, 2, 0), .455, 5e-4);
  EXPECT_EQ(at(down, 3, 0), 0);
  const Dash& diagonal = dash_at(table, 45);  // 3 pixels each way in the large picture
  EXPECT_NEAR(at(diagonal, 0, 0), .377, 5e-4);
  EXPECT_NEAR(at(diagonal, 1, 1), .463, 5e-4);
  EXPECT_NEAR(at(diagonal, 2, 2), .154, 5e-4);
  for (const auto& [y, x] : {std::pair{0, 1}, {1, 0}}) {
    EXPECT_NEAR(at(diagonal, y, x), .075, 5e-4);
    EXPECT_NEAR(at(diagonal, y + 1, x + 1), .089, 5e-4);
  }
}

TEST(Dashes, FollowEachOtherWithTheirGapAndWeighTheirTurns) {
  const PathfinderRules rules = pathfinder_rules(128, 14);
  const DashTable table(rules, 2);
  for (const NextDirection& direction : table.directions()) {
    const auto y = static_cast<double>(direction.head.y), x = static_cast<double>(direction.head.x);
    EXPECT_NEAR(std::hypot(y, x), 7, 1.5);  // dash_length + gap, rounded down
    // The next pivot is dash_length + 2 gap along, rounded up.
    const double angle = std::atan2(y, x);
    EXPECT_NEAR(static_cast<double>(direction.next_pivot.y), 9 * std::sin(angle) + 0.5, 0.51);
    EXPECT_NEAR(static_cast<double>(direction.next_pivot.x), 9 * std::cos(angle) + 0.5, 0.51);
    const std::vector<double>& weights = table.turn_weights(direction.turns);
    const auto self = static_cast<std::size_t>(&direction - table.directions().data());
    EXPECT_EQ(weights[self], 1);
    EXPECT_EQ(std::ranges::max(weights), 1);
    EXPECT_GT(std::ranges::count(weights, 0), std::ssize(weights) / 2);  // turns of 50 degrees
  }
}

TEST(Dashes, RoomIsTheDashGrownByTheGap) {
  const DashTable table(pathfinder_rules(128, 14), 3);
  const Dash& right = dash_at(table, 0);
  std::map<std::pair<int, int>, double> room;
  for (const DashPixel& p : right.room) room[{p.y, p.x}] = p.value;
  EXPECT_NEAR((room[{0, 0}]), 1, 0.01);  // the filter overshoots a little
  EXPECT_NEAR((room[{3, 2}]), 1, 0.01);
  EXPECT_LT((room[{5, 2}]), 0.2);
  EXPECT_LT((room[{0, 11}]), 0.2);
  for (std::size_t i = 1; i < right.room.size(); ++i) {
    EXPECT_GE(right.room[i - 1].value, right.room[i].value);
  }
}

// --- The published image

using Levels = std::vector<std::uint8_t>;

Levels read_published(const std::filesystem::path& path) {
  std::ifstream file(path);
  Levels levels;
  for (int level = 0; file >> level;) levels.push_back(static_cast<std::uint8_t>(level));
  return levels;
}

/// Redraws an image from the discs and dashes that it shows.
class Redrawing {
 public:
  Redrawing(const PathfinderRules& rules, const Levels& image)
      : rules_(rules), image_(image), drawn_(image.size()) {}

  void draw_disc(Pixel centre) {
    const ShrunkPart part =
        shrink_part(marker_pixels(rules_, centre), 2 * rules_.window, rules_.window);
    brightest_ = std::ranges::max(part.values);
    for (std::int64_t y = 0; y < part.height; ++y) {
      for (std::int64_t x = 0; x < part.width; ++x) {
        const double value = part.values[static_cast<std::size_t>(y * part.width + x)];
        put(part.top + y, part.left + x, value);
      }
    }
  }
  /// Draws a dash wherever it can be: nowhere brighter than the image, and equal to it in at least
  /// three pixels. Returns how often.
  int draw_where_seen(const Dash& dash, double contrast) {
    int count = 0;
    for (std::int64_t y = 0; y < rules_.window; ++y) {
      for (std::int64_t x = 0; x < rules_.window; ++x) {
        if (!is_seen(dash, contrast, {y, x})) continue;
        ++count;
        for (const DashPixel& p : dash.line) put(y + p.y, x + p.x, p.value * contrast);
      }
    }
    return count;
  }
  int bright() const { return static_cast<int>(std::ranges::count_if(image_, is_bright)); }
  int explained() const {
    int count = 0;
    for (std::size_t i = 0; i < image_.size(); ++i) {
      if (is_bright(image_[i]) && std::abs(drawn_[i] - image_[i]) <= 3) ++count;
    }
    return count;
  }

 private:
  static bool is_bright(std::uint8_t level) { return level >= 12; }
  void put(std::int64_t y, std::int64_t x, double value) {
    if (y < 0 || x < 0 || y >= rules_.window || x >= rules_.window) return;
    double& level = drawn_[static_cast<std::size_t>(y * rules_.window + x)];
    level = std::max(level, value * 255 / brightest_);
  }
  bool is_seen(const Dash& dash, double contrast, Pixel from) const {
    int equal = 0;
    for (const DashPixel& p : dash.line) {
      const double level = p.value * contrast * 255 / brightest_;
      const std::int64_t y = from.y + p.y, x = from.x + p.x;
      if (level < 12 || y < 0 || x < 0 || y >= rules_.window || x >= rules_.window) continue;
      const double seen = image_[static_cast<std::size_t>(y * rules_.window + x)];
      if (seen < level - 3) return false;
      if (seen <= level + 3) ++equal;
    }
    return equal >= 3;
  }

  const PathfinderRules& rules_;
  const Levels& image_;
  std::vector<double> drawn_;
  double brightest_ = 1;
};

TEST(Dashes, AndDiscsExplainThePublishedImage) {
  KRAIT_RAW_DATA_OR_SKIP(raw);
  const Levels image = read_published(raw / "pathfinder32_official_sample.txt");
  ASSERT_EQ(image.size(), 1024u);
  const PathfinderRules rules = pathfinder_rules(32, 14);
  const PathfinderFloodFill fill(rules);
  const std::vector<Pixel> markers = fill.markers(image);
  ASSERT_EQ(markers, (std::vector<Pixel>{{16, 15}, {28, 10}}));
  Redrawing redrawing(rules, image);
  for (const Pixel& marker : markers) redrawing.draw_disc(marker);
  const DashTable table(rules, 1);
  std::set<std::size_t> dashes;
  for (const auto& direction : table.directions()) dashes.insert(direction.dash);
  for (const auto& direction : table.starts()) dashes.insert(direction.dash);
  int paths = 0, distractors = 0;
  for (const std::size_t i : dashes) {
    paths += redrawing.draw_where_seen(table.dash(i), rules.path_contrast);
    distractors += redrawing.draw_where_seen(table.dash(i), rules.distractor_contrast);
  }
  // 2 x 14 dashes of paths, two of them below discs, and 3 x 4 of distractors; a few can be seen in
  // two ways.
  std::cout << redrawing.explained() << " of " << redrawing.bright() << " pixels, " << paths
            << " dashes of paths and " << distractors << " of distractors, label "
            << fill.label(image).value_or(-1) << "\n";
  EXPECT_GE(redrawing.explained(), redrawing.bright() - 4);
  EXPECT_GE(paths, 26);
  EXPECT_GE(distractors, 12);
  EXPECT_TRUE(fill.label(image));
}

}  // namespace
}  // namespace krait
