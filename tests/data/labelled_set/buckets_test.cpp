#include "data/labelled_set/buckets.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "tests/data/labelled_set/sample_sets.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

std::shared_ptr<const LabelledSet> written(const TemporaryDirectory& directory,
                                           const LabelledSetDescription& description,
                                           const Examples& examples) {
  write_labelled_set(directory / "set.h5", description, examples);
  return std::make_shared<LabelledSet>(directory / "set.h5");
}

// The sum of the row lengths when each length is rounded up to one of `ends`.
std::int64_t padded(const std::vector<std::int64_t>& lengths,
                    const std::vector<std::int64_t>& ends) {
  std::int64_t sum = 0;
  for (const std::int64_t length : lengths) {
    const auto fit = std::ranges::lower_bound(ends, length);
    sum += fit == ends.end() ? ends.back() : *fit;
  }
  return sum;
}

TEST(ChooseBucketLengths, IsTheBestOfAllChoices) {
  const TemporaryDirectory directory;
  const auto set =
      written(directory, token_description(), random_examples(60, 79, token_description(), 4));
  std::vector<std::int64_t> lengths;
  for (std::uint64_t i = 0; i < set->n_examples(); ++i) {
    lengths.push_back(static_cast<std::int64_t>(set->length(i)));
  }
  const std::int64_t longest = (std::ranges::max(lengths) + 7) / 8 * 8;
  std::int64_t best = padded(lengths, {longest});
  for (std::int64_t a = 8; a < longest; a += 8) {
    for (std::int64_t b = a; b < longest; b += 8) {
      best = std::min(best, padded(lengths, {a, b, longest}));
    }
  }
  const auto chosen = choose_bucket_lengths(*set, {.count = 3, .multiple = 8});
  EXPECT_EQ(chosen.size(), 3u);
  EXPECT_EQ(padded(lengths, chosen), best);
  EXPECT_EQ(choose_bucket_lengths(*set, {.count = 1, .multiple = 8}), (std::vector{longest}));
}

TEST(ChooseBucketLengths, KeepsToTheMaximumAndToImages) {
  const TemporaryDirectory directory;
  auto set =
      written(directory, token_description(), random_examples(60, 3000, token_description(), 4));
  const auto cut = choose_bucket_lengths(*set, {.max_length = 100, .count = 4});
  EXPECT_EQ(cut.back(), 100);
  // More than 1024 multiples: a larger step.
  for (const auto length : choose_bucket_lengths(*set, {.count = 4, .multiple = 1})) {
    EXPECT_EQ(length % 3, 0);
  }
  const LabelledSetDescription image{.task = "image",
                                     .kind = InputKind::Pixels,
                                     .n_symbols = 256,
                                     .classes = {"a"},
                                     .height = 5,
                                     .width = 7};
  set = written(directory, image, random_examples(3, 0, image, 1));
  EXPECT_EQ(choose_bucket_lengths(*set, {}), (std::vector<std::int64_t>{35}));
  const auto buckets = make_buckets(set, std::vector<std::int64_t>{35});
  const Sample sample = buckets.at(0)->get(2);
  EXPECT_EQ(sample.inputs, all_examples(*set)[2].inputs[0]);  // as they are, no id is added
  EXPECT_EQ(sample_vocab_size(image), 256);
  expect_error(ErrorKind::BadConfig, {"max_length", "-1, 8 and 64"},
               [&] { choose_bucket_lengths(*set, {.max_length = -1}); });
}

TEST(MakeBuckets, HoldEveryExampleOncePaddedAndCut) {
  const TemporaryDirectory directory;
  const auto description = token_description(300);
  const Examples examples = random_examples(50, 40, description, 9);
  const auto set = written(directory, description, examples);
  const std::vector<std::int64_t> lengths{10, 11, 25, 30};
  const auto buckets = make_buckets(set, lengths);
  std::set<std::uint64_t> seen;
  for (const auto& bucket : buckets) {
    for (std::uint64_t i = 0; i < bucket->size(); ++i) {
      const Example& example = examples[bucket->example(i)];
      EXPECT_TRUE(seen.insert(bucket->example(i)).second);
      const Sample sample = bucket->get(i);
      EXPECT_EQ(sample.targets, (std::vector{example.label}));
      std::vector<std::int32_t> expected = example.inputs[0];
      for (std::int32_t& id : expected) ++id;
      expected.resize(static_cast<std::size_t>(bucket->length()), kPaddingId);
      EXPECT_EQ(sample.inputs, expected);
      const auto size = static_cast<std::int64_t>(example.inputs[0].size());
      EXPECT_TRUE(size <= bucket->length() || bucket->length() == 30);
      EXPECT_TRUE(size > 10 || bucket->length() == 10);  // the least that holds it
    }
  }
  EXPECT_EQ(seen.size(), examples.size());
  const auto parts = bucket_parts(buckets);
  ASSERT_EQ(parts.size(), buckets.size());
  EXPECT_EQ(parts[1].weight, static_cast<double>(buckets[1]->size()));
}

TEST(MakeBuckets, PutTheInputsOfAPairInTheHalvesOfARow) {
  const TemporaryDirectory directory;
  const auto set = written(directory, token_description(300, 2),
                           {{{{1, 2, 3}, {4}}, 2}, {{{5}, {6, 7}}, 0}, {{{8}, {9}}, 1}});
  const auto buckets = make_buckets(set, std::vector<std::int64_t>{1, 3});
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[0]->get(0).inputs, (std::vector<std::int32_t>{9, 10}));
  EXPECT_EQ(buckets[1]->get(0).inputs, (std::vector<std::int32_t>{2, 3, 4, 5, 0, 0}));
  EXPECT_EQ(buckets[1]->get(1).inputs, (std::vector<std::int32_t>{6, 0, 0, 7, 8, 0}));
  EXPECT_EQ(sample_vocab_size(set->description()), 301);
}

}  // namespace
}  // namespace krait
