#include "data/loader/mixture.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using Items = std::vector<MixtureItem>;

TEST(Mixture, ATextWithoutCommaIsOneSet) {
  EXPECT_EQ(parse_mixture("data/train.h5"), (Items{{"data/train.h5", 1}}));
  EXPECT_EQ(parse_mixture("host:data/my set.h5"), (Items{{"host:data/my set.h5", 1}}));
  EXPECT_EQ(parse_mixture("train.h5:0.5"), (Items{{"train.h5", 0.5}}));
}

TEST(Mixture, SetsHaveWeights) {
  EXPECT_EQ(parse_mixture("web.h5:0.7, code.h5:0.3"), (Items{{"web.h5", 0.7}, {"code.h5", 0.3}}));
  EXPECT_EQ(parse_mixture("\ta b/c:d : 7,e:1e-3 "), (Items{{"a b/c:d", 7}, {"e", 1e-3}}));
}

TEST(Mixture, WhatIsWrongIsSaidWithItsPlace) {
  const struct {
    std::string_view text;
    std::size_t offset;
    std::string_view message;
  } cases[] = {
      {"web.h5:0.7, code.h5", 12, "no weight for 'code.h5'"},
      {"web.h5, code.h5:1", 0, "no weight for 'web.h5'"},
      {"web.h5:0.7,,code.h5:1", 11, "no set between"},
      {"web.h5:0.7, ", 12, "no set between"},
      {",", 0, "no set between"},
      {"web.h5:0.7, code.h5:x", 20, "weight 'x' for 'code.h5'"},
      {"web.h5:0.7, code.h5: -1", 21, "weight '-1'"},
      {"web.h5:0.7, code.h5:0", 20, "above 0"},
      {"web.h5:0.7, code.h5:nan", 20, "above 0"},
      {"web.h5:0.7, code.h5:inf", 20, "above 0"},
      {"web.h5:0.7, code.h5:1 2", 20, "weight '1 2'"},
      {"web.h5:0.7, code.h5:", 20, "weight ''"},
      {"web.h5:0.7, :1", 12, "without a set"},
      {"web.h5:0.7, web.h5:1", 12, "'web.h5' twice"},
  };
  for (const auto& [text, offset, message] : cases) {
    TextProblem problem;
    EXPECT_FALSE(parse_mixture(text, problem)) << text;
    EXPECT_EQ(problem.offset, offset) << text;
    EXPECT_NE(problem.message.find(message), std::string::npos) << problem.message;
    expect_error(ErrorKind::BadConfig, {message}, [&] { parse_mixture(text); });
  }
}

}  // namespace
}  // namespace krait
