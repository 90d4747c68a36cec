#include "data/lra/contact_sheet.h"

#include <gtest/gtest.h>

#include "tests/data/labelled_set/sample_sets.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

TEST(ContactSheet, HasARowOfImagesForEachClass) {
  const TemporaryDirectory directory;
  const LabelledSetDescription d{.task = "image",
                                 .kind = InputKind::Pixels,
                                 .n_symbols = 256,
                                 .classes = {"a", "b"},
                                 .height = 1,
                                 .width = 2};
  write_labelled_set(directory / "set.h5", d,
                     {{{{1, 2}}, 1}, {{{3, 4}}, 0}, {{{5, 6}}, 1}, {{{7, 8}}, 1}});
  const GreyImage sheet =
      contact_sheet(LabelledSet(directory / "set.h5"), {.columns = 2, .scale = 2});
  ASSERT_EQ(sheet.height, 2 * 4 + 2);
  ASSERT_EQ(sheet.width, 2 * 6 + 2);
  const auto row = [&](std::size_t y) {
    const auto begin = sheet.pixels.begin() + static_cast<std::ptrdiff_t>(y) * sheet.width;
    return std::vector<int>(begin, begin + sheet.width);
  };
  const int g = 110;
  EXPECT_EQ(row(0), std::vector<int>(14, g));
  EXPECT_EQ(row(2), (std::vector<int>{g, g, 3, 3, 4, 4, g, g, g, g, g, g, g, g}));
  EXPECT_EQ(row(7), (std::vector<int>{g, g, 1, 1, 2, 2, g, g, 5, 5, 6, 6, g, g}));
  write_labelled_set(directory / "tokens.h5", token_description(), {{{{1}}, 0}});
  expect_error(ErrorKind::Usage, {"tokens.h5'", "for images"},
               [&] { contact_sheet(LabelledSet(directory / "tokens.h5"), {}); });
}

}  // namespace
}  // namespace krait
