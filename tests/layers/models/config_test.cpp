#include "layers/models/config.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace krait {
namespace {

std::size_t count_of(std::string_view text) {
  TextProblem problem;
  const auto kinds = parse_layers(text, problem);
  EXPECT_TRUE(kinds.has_value()) << text << ": " << problem.message;
  return kinds ? kinds->size() : 0;
}

TEST(Layers, ArePatternsOfKindsWithCounts) {
  EXPECT_EQ(count_of("mamba1"), 1u);
  EXPECT_EQ(count_of("mamba1 x24"), 24u);
  EXPECT_EQ(count_of("  mamba1 x5 ,mamba1,\tmamba1 x2 "), 8u);
  EXPECT_EQ(count_of("(mamba1 x5, mamba1) x4"), 24u);
  EXPECT_EQ(count_of("((mamba1 x2, mamba1) x3, mamba1) x2"), 20u);
  EXPECT_EQ(count_of("mamba1 x4096"), 4096u);
  using enum MixerKind;
  EXPECT_EQ((ModelConfig{.layers = "(mamba1 x2, s4d) x2"}).kinds(),
            (std::vector{Mamba1, Mamba1, S4d, Mamba1, Mamba1, S4d}));
}

TEST(Layers, SayWhatIsWrongAndWhere) {
  const auto expect = [](std::string_view text, std::size_t offset, std::string_view message) {
    TextProblem problem;
    EXPECT_FALSE(parse_layers(text, problem)) << text;
    EXPECT_EQ(problem.offset, offset) << text;
    EXPECT_NE(problem.message.find(message), std::string::npos) << text << ": " << problem.message;
  };
  expect("", 0, "expected a kind of layer: mamba1, s4d");
  expect("mamba1, mamba9 x3", 8, "'mamba9' is not a kind of layer; use mamba1, s4d");
  expect("mamba1 x", 8, "expected a count from 1 to 4096 after x");
  expect("mamba1 x0", 8, "expected a count");
  expect("mamba1 x4097", 8, "expected a count");
  expect("mamba1 x4096, mamba1", 20, "at most 4096 layers");
  expect("(mamba1 x3000) x2", 17, "at most 4096 layers");
  expect("(mamba1", 7, "closing parenthesis");
  expect("mamba1)", 6, "expected a comma");
  expect("mamba1 mamba1", 7, "expected a comma");
  expect("mamba1,", 7, "expected a kind of layer");
  expect("((((((((((mamba1))))))))))", 9, "nested too deeply");
}

TEST(ModelConfig, LayersDefaultToMamba1) {
  EXPECT_EQ((ModelConfig{.n_layer = 3}).kinds(), std::vector<MixerKind>(3, MixerKind::Mamba1));
  EXPECT_EQ((ModelConfig{.layers = "mamba1 x2"}).layer_count(), 2);
  EXPECT_EQ((ModelConfig{.n_layer = 2, .layers = "mamba1 x2"}).layer_count(), 2);
  EXPECT_THROW((ModelConfig{.n_layer = 3, .layers = "mamba1 x2"}).kinds(), Error);
  EXPECT_THROW((ModelConfig{.layers = "nothing"}).kinds(), Error);
}

}  // namespace
}  // namespace krait
