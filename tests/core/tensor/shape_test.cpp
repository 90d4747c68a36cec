#include "core/tensor/shape.h"

#include <gtest/gtest.h>

namespace krait {
namespace {

TEST(Shape, CountsElementsAndRows) {
  EXPECT_EQ((Shape{2, 3, 4}).numel(), 24);
  EXPECT_EQ((Shape{2, 3, 4}).rows(), 6);
  EXPECT_EQ((Shape{5}).rows(), 1);
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ(Shape{}.rows(), 1);
  EXPECT_EQ((Shape{2, 0, 4}).numel(), 0);
  EXPECT_EQ((Shape{2, 0, 4}).rows(), 0);
  EXPECT_EQ((Shape{2, 0}).rows(), 0);
  EXPECT_EQ((Shape{1 << 20, 1 << 20}).numel(), std::int64_t{1} << 40);
}

TEST(Shape, NegativeIndicesCountFromTheEnd) {
  Shape s{2, 3, 4};
  EXPECT_EQ(s[-1], 4);
  EXPECT_EQ(s[-3], 2);
  s[-2] = 7;
  EXPECT_EQ(s, (Shape{2, 7, 4}));
}

TEST(Shape, ComparesRankAndSizes) {
  EXPECT_NE((Shape{2}), (Shape{2, 1}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  Shape grown{2};
  grown.push_back(3);
  EXPECT_EQ(grown, (Shape{2, 3}));
}

TEST(Shape, PrintsAsATuple) {
  EXPECT_EQ(str(Shape{}), "()");
  EXPECT_EQ(str(Shape{2, 3}), "(2, 3)");
}

TEST(Shape, HoldsSixDimensionsAndRefusesASeventh) {
  Shape s{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(s.rank(), 6);
  EXPECT_THROW(s.push_back(7), Error);
}

}  // namespace
}  // namespace krait
