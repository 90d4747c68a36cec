#include "data/lra/listops/expression.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "data/lra/listops/generator.h"
#include "data/lra/listops/tsv.h"
#include "tests/data/lra/raw_data.h"

namespace krait {
namespace {

ListOpsExpression parsed(std::string_view text) {
  std::string problem;
  const auto ids = parse_listops(text, problem);
  EXPECT_TRUE(ids) << text << ": " << problem;
  return ids.value_or(ListOpsExpression{});
}

TEST(ListOps, OperatorsHaveTheValuesOfTheBenchmark) {
  const std::pair<const char*, std::int32_t> cases[] = {
      {"7", 7},
      {"( ( ( [MAX 3 ) 8 ) ] )", 8},
      {"[MIN 3 8 1 5 ]", 1},
      {"[MED 3 8 1 ]", 3},
      {"[MED 3 8 1 6 ]", 4},  // of 3 and 6, rounded down
      {"[SM 9 8 7 ]", 4},
      {"[SM [MIN 4 9 ] [MED [MAX 1 2 ] 7 ] 3 ]", 1},
  };
  for (const auto& [text, value] : cases) EXPECT_EQ(listops_value(parsed(text)), value) << text;
}

TEST(ListOps, WhatIsNoExpressionHasNoValue) {
  using Ids = ListOpsExpression;
  for (const Ids& ids : {Ids{}, Ids{1, 2}, Ids{kMin, kClose}, Ids{kMin, 1}, Ids{1, kClose},
                         Ids{kClose}, Ids{kMin, 1, kClose, 2}, Ids{15}, Ids{-1},
                         Ids{kMin, kMax, 1, kClose}, Ids{kMin, 1, kClose, kClose}}) {
    EXPECT_EQ(listops_value(ids), std::nullopt);
  }
  const std::pair<const char*, const char*> cases[] = {
      {"( [MAX 3 ) 8 ] )", ""},  // round brackets say nothing
      {"[MAX 3 [SUM 1 2 ] ]", "'[SUM' is not a token of ListOps"},
      {"[MAX 3 10 ]", "'10'"},
      {"[MAX 3 8", "do not form one expression"},
      {"( )", "there is no expression"},
  };
  for (const auto& [text, part] : cases) {
    std::string problem;
    const auto ids = parse_listops(text, problem);
    EXPECT_EQ(!ids, *part != '\0') << text;
    EXPECT_NE(problem.find(part), std::string::npos) << problem;
  }
}

TEST(ListOps, TheOracleWorksOutTheOuterLevelsOnly) {
  const auto ids = parsed("[SM [MIN [MAX 1 2 ] 7 ] [MED 8 8 ] 3 ]");  // 2 + 8 + 3
  EXPECT_EQ(listops_height(ids), 3);
  EXPECT_EQ(listops_oracle(ids, 0), 4);
  EXPECT_EQ(listops_oracle(ids, 1), 7);  // 0 + 4 + 3
  EXPECT_EQ(listops_oracle(ids, 2), 8);  // min(9, 7) + 8 + 3
  EXPECT_EQ(listops_oracle(ids, 3), 3);
  EXPECT_EQ(format_listops(listops_truncated(ids, 2)),
            format_listops(parsed("[SM [MIN 2 7 ] [MED 8 8 ] 3 ]")));
  EXPECT_EQ(listops_truncated(ids, 1), parsed("[SM 2 8 3 ]"));
  EXPECT_EQ(listops_truncated(ids, 0), parsed("3"));
  EXPECT_EQ(listops_truncated(ids, 3), ids);
}

TEST(ListOps, TruncationKeepsTheValueAndTheTextComesBack) {
  ListOpsGenerator generator(3);
  for (int i = 0; i < 30; ++i) {
    const ListOpsExpression ids = generator.next();
    EXPECT_EQ(parsed(format_listops(ids)), ids);
    for (const int levels : {0, 1, 4, 9}) {
      const auto truncated = listops_truncated(ids, levels);
      EXPECT_EQ(listops_value(truncated), listops_value(ids));
      EXPECT_LE(listops_height(truncated), levels);
    }
  }
}

TEST(ListOps, DeepNestingTakesNoRecursion) {
  ListOpsExpression ids;
  for (int i = 0; i < 1'000'000; ++i) ids.insert(ids.end(), {kMax, 1});
  ids.insert(ids.end(), 1'000'000, kClose);
  EXPECT_EQ(listops_value(ids), 1);
  EXPECT_EQ(listops_truncated(ids, 1), (ListOpsExpression{kMax, 1, 1, kClose}));
}

// Rows of another generator: this project's evaluator and writer must agree with every one.
TEST(ListOps, TheTwoHundredRowsOfAnotherGeneratorAgree) {
  KRAIT_RAW_DATA_OR_SKIP(raw);
  ListOpsTsvReader reader(raw / "listops_sample200.tsv");
  LineReader lines(raw / "listops_sample200.tsv");
  lines.next();
  int rows = 0;
  while (const auto row = reader.next()) {
    EXPECT_EQ(listops_value(row->expression), row->target) << reader.lines().where();
    EXPECT_EQ(str(format_listops(row->expression), "\t", row->target, "\r"), *lines.next());
    ++rows;
  }
  EXPECT_EQ(rows, 200);
}

}  // namespace
}  // namespace krait
