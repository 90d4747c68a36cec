#include "data/probes/modular_arithmetic.h"

#include "tests/data/probes/probe_samples.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using Id = ModularArithmetic;

/// An evaluator of its own: a parser of sums of products of factors, in whole numbers modulo 5.
class Calculator {
 public:
  explicit Calculator(std::span<const std::int32_t> ids) : ids_(ids) {}
  int value() {
    const int result = sum();
    EXPECT_EQ(ids_[at_], Id::kEquals);
    return (result % 5 + 5) % 5;
  }

 private:
  int sum() {
    int result = product();
    while (ids_[at_] == Id::kPlus || ids_[at_] == Id::kMinus) {
      const bool plus = ids_[at_++] == Id::kPlus;
      const int next = product();
      result = (plus ? result + next : result - next) % 5;
    }
    return result;
  }
  int product() {
    int result = factor();
    while (ids_[at_] == Id::kTimes) {
      ++at_;
      result = result * factor() % 5;
    }
    return result;
  }
  int factor() {
    const std::int32_t id = ids_[at_++];
    if (id == Id::kMinus) return -factor();
    if (id == Id::kOpen) {
      const int result = sum();
      EXPECT_EQ(ids_[at_++], Id::kClose);
      return result;
    }
    EXPECT_TRUE(id >= Id::kDigit && id < Id::kDigit + 5) << id;
    return id - Id::kDigit;
  }

  std::span<const std::int32_t> ids_;
  std::size_t at_ = 0;
};

void expect_right(ArithmeticForm form, std::set<std::size_t>& lengths) {
  const ModularArithmetic probe({.form = form}, {.seed = 3});
  std::set<std::int32_t> ids, values;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Sample sample = probe.get(i);
    const auto places = counted(sample);
    ASSERT_EQ(places.size(), 1u);
    ASSERT_EQ(sample.inputs[places[0]], Id::kEquals);
    ASSERT_EQ(sample.targets[places[0]], Calculator(sample.inputs).value());
    for (std::size_t k = places[0] + 1; k < sample.inputs.size(); ++k) {
      ASSERT_EQ(sample.inputs[k], 0);
    }
    lengths.insert(places[0] + 1);
    ids.insert(sample.inputs.begin(), sample.inputs.end());
    values.insert(sample.targets[places[0]]);
  }
  EXPECT_EQ(values.size(), 5u);
  EXPECT_EQ(ids.size(), form == ArithmeticForm::Plain ? 10u : 12u);
}

TEST(ModularArithmetic, TargetsAreTheValuesOfTheExpressions) {
  std::set<std::size_t> plain, brackets;
  expect_right(ArithmeticForm::Plain, plain);
  expect_right(ArithmeticForm::Brackets, brackets);
  EXPECT_EQ(plain.size(), 20u);  // 2, 4, ..., 40
  EXPECT_EQ(brackets.size(), 38u);
  EXPECT_EQ(*brackets.begin(), 3u);
  EXPECT_EQ(*brackets.rbegin(), 40u);
}

TEST(ModularArithmetic, IsAProbe) {
  for (const ArithmeticForm form : {ArithmeticForm::Plain, ArithmeticForm::Brackets}) {
    expect_probe(
        [form](const ProbeSamples& s) {
          return ModularArithmetic({.form = form, .min_length = 20}, s);
        },
        200);
  }
  expect_error(ErrorKind::BadConfig, {"2 <= min_length", "1 and 40"},
               [] { ModularArithmetic({.min_length = 1}, {}); });
}

}  // namespace
}  // namespace krait
