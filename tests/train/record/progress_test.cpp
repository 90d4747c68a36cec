#include "train/record/progress.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace krait {
namespace {

// A terminal or pipe of `width` columns, and a clock that the test moves.
struct Screen {
  std::string text;
  double now = 100;
  int width = 80;

  ProgressOutput output(bool terminal) {
    return {.write = [this](std::string_view part) { text += part; },
            .clock = [this] { return now; },
            .width = [this] { return width; },
            .terminal = terminal};
  }
};

const ProgressOptions kTraining{
    .label = "train", .total = 1000, .work = "tokens", .work_per_item = 100};

TEST(Progress, TheBarShowsShareNoteRateAndTimeLeft) {
  Screen screen;
  Progress progress(kTraining, screen.output(true));
  screen.now += 50;
  progress.update(250, "loss 2.5");
  EXPECT_EQ(screen.text,
            "\rtrain [====>           ]  25% 250/1000 steps  loss 2.5  500 tokens/s  2:30 left"
            "\x1b[K");
}

TEST(Progress, TheBarIsNeverAsWideAsTheWindow) {
  for (int width = 1; width < 120; ++width) {
    Screen screen;
    screen.width = width;
    Progress progress(kTraining, screen.output(true));
    screen.now += 1;
    progress.update(250, "verlust 2.5 \xc3\xa9\xc3\xa9");
    const std::string line = screen.text.substr(1, screen.text.find('\x1b') - 1);
    const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u;
    });
    EXPECT_LT(columns, std::max(width, 2)) << line;
  }
}

TEST(Progress, RedrawsAtMostTenTimesASecondAndAlwaysTheEnd) {
  Screen screen;
  Progress progress(kTraining, screen.output(true));
  for (int i = 1; i <= 1000; ++i) {
    screen.now += 0.001;
    progress.update(i);
  }
  EXPECT_LE(std::count(screen.text.begin(), screen.text.end(), '\r'), 11);
  progress.finish();
  EXPECT_NE(screen.text.find("train: 1000/1000 steps  100k tokens/s  in 0:01\n"), std::string::npos)
      << screen.text;
  const std::size_t length = screen.text.size();
  progress.finish();
  EXPECT_EQ(screen.text.size(), length);
}

TEST(Progress, APipeGetsWholeLinesAtIntervals) {
  Screen screen;
  {
    Progress progress(kTraining, screen.output(false));
    for (int i = 1; i <= 300; ++i) {
      screen.now += 0.1;
      progress.update(i);
    }
    progress.finish();
  }
  // The first, those after 10 and 20 seconds, and the last.
  EXPECT_EQ(std::count(screen.text.begin(), screen.text.end(), '\n'), 4);
  EXPECT_EQ(screen.text.find_first_of("\r\x1b"), std::string::npos);
  EXPECT_EQ(screen.text.rfind("train:   0% 1/1000 steps  1.00k tokens/s  1:40 left\n", 0), 0u)
      << screen.text;
}

TEST(Progress, StepsDoneBeforeAResumeDoNotCountInTheRate) {
  Screen screen;
  ProgressOptions options = kTraining;
  options.first = 900;
  Progress progress(options, screen.output(false));
  screen.now += 10;
  progress.update(910);
  EXPECT_NE(screen.text.find("910/1000 steps  100 tokens/s  1:30 left"), std::string::npos)
      << screen.text;
}

TEST(Progress, TheRateFollowsAChangeOfSpeed) {
  Screen screen;
  Progress progress({.label = "x", .total = 100000, .line_seconds = 0}, screen.output(false));
  std::int64_t done = 0;
  for (int i = 0; i < 60; ++i, screen.now += 1) progress.update(done += 10);
  for (int i = 0; i < 120; ++i, screen.now += 1) progress.update(done += 100);
  screen.text.clear();
  progress.update(done + 100);
  // After twelve time constants nothing of the old speed is left to see.
  EXPECT_NE(screen.text.find(" 100 steps/s"), std::string::npos) << screen.text;
}

TEST(Progress, AnUnknownTotalHasNoBarAndNoTimeLeft) {
  Screen screen;
  Progress progress({.label = "read", .item = "files"}, screen.output(true));
  screen.now += 2;
  progress.update(10);
  EXPECT_EQ(screen.text, "\rread 10 files  5 files/s\x1b[K");
}

TEST(Progress, AMessageGoesAboveTheBar) {
  Screen screen;
  Progress progress(kTraining, screen.output(true));
  screen.now += 1;
  progress.update(1);
  screen.text.clear();
  progress.message("checkpoint written");
  EXPECT_EQ(screen.text.rfind("\r\x1b[Kcheckpoint written\ntrain [", 0), 0u) << screen.text;
}

TEST(Progress, AnAbandonedBarEndsItsLine) {
  Screen screen;
  {
    Progress progress(kTraining, screen.output(true));
    progress.update(0);
  }
  EXPECT_EQ(screen.text.back(), '\n');
}

TEST(Progress, DurationsAndCountsAreShort) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(3723), "1:02:03");
  EXPECT_EQ(format_duration(2 * 86400 + 3 * 3600 + 240), "2d 03:04");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(1.234), "1.23");
  EXPECT_EQ(format_count(950), "950");
  EXPECT_EQ(format_count(12345), "12.3k");
  EXPECT_EQ(format_count(999600), "1.00M");
  EXPECT_EQ(format_count(1.5e9), "1.50G");
}

}  // namespace
}  // namespace krait
