#include "train/evaluate/wikitext.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "train/evaluate/text_statistics.h"

namespace krait {
namespace {

using Articles = std::vector<std::string_view>;

// Texts of all that the rules look for, by chance side by side, with what lm-evaluation-harness
// 0.4.13 makes of them: wikitext_detokenizer, len(re.split(r"\s+", page)), len(page.encode()).
TEST(WikiText, DetokenizesAndCountsAsTheHarness) {
  const auto cases = nlohmann::json::parse(
      read_file(std::string(KRAIT_SOURCE_DIR) + "/tests/train/evaluate/wikitext_cases.json"));
  EXPECT_GE(cases.size(), 300u);
  for (const auto& c : cases) {
    const auto page = c["page"].get<std::string>();
    EXPECT_EQ(detokenize_wikitext(page), c["text"].get<std::string>()) << page;
    EXPECT_EQ(count_words(page), c["words"].get<std::uint64_t>()) << page;
    EXPECT_EQ(page.size(), c["bytes"].get<std::uint64_t>());
  }
}

TEST(WikiText, TakesLinearTimeOnOpenBracketsQuotesAndBlanks) {
  const auto start = std::chrono::steady_clock::now();
  for (const char c : {'(', '[', '{', '"', '\'', ' ', '\n', '='}) {
    const std::string page(4 << 20, c);
    EXPECT_GT(detokenize_wikitext(page).size(), 0u);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 60);  // quadratic would be hours
}

TEST(WikiText, ArticlesStartAtTitlesAndNotAtSections) {
  const std::string text =
      " \n = One = \n \n text = of = one \n = = Section = = \n more \n"
      " = = = Deeper = = = \n \n = Two words = \n \n last \n";
  const Articles expected{
      " = One = \n \n text = of = one \n = = Section = = \n more \n = = = Deeper = = = \n ",
      " = Two words = \n \n last \n"};
  EXPECT_EQ(wikitext_articles(text), expected);
}

TEST(WikiText, WhatLiesBeforeTheFirstTitleIsAnArticleIfItIsText) {
  EXPECT_EQ(wikitext_articles("before \n = A = \nx\n"), (Articles{"before ", " = A = \nx\n"}));
  EXPECT_EQ(wikitext_articles(" \n\u00a0\n = A = \nx"), (Articles{" = A = \nx"}));
  EXPECT_EQ(wikitext_articles(" = A = \n = B = \n"), (Articles{" = A = ", " = B = \n"}));
  EXPECT_EQ(wikitext_articles("no title"), (Articles{"no title"}));
  EXPECT_EQ(wikitext_articles("= = \n= \n =\n"), (Articles{"= = \n= \n =\n"}));
  EXPECT_EQ(wikitext_articles(""), (Articles{""}));
}

}  // namespace
}  // namespace krait
