#include "data/loader/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "core/random.h"
#include "data/loader/token_windows.h"
#include "data/token_set/writer.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

using Ids = std::vector<std::int32_t>;

class LoaderTest : public ::testing::Test {
 protected:
  std::shared_ptr<const TokenSet> set_of(const std::vector<Ids>& documents) {
    TokenSetWriter writer(directory_ / "set.h5", ByteTokenizer());
    for (const Ids& document : documents) {
      writer.append(document);
      writer.end_document();
    }
    writer.prepare("{}");
    writer.commit();
    return std::make_shared<const TokenSet>(directory_ / "set.h5");
  }
  // The same documents in a folder of shards, which start at these documents and at 0.
  std::shared_ptr<const TokenSet> shards_of(const std::vector<Ids>& documents,
                                            std::vector<std::size_t> starts) {
    std::filesystem::create_directories(directory_ / "shards");
    starts.push_back(documents.size());
    std::size_t document = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      TokenSetWriter writer(directory_ / str("shards/", i, ".h5"), ByteTokenizer());
      for (; document < starts[i]; ++document) {
        writer.append(documents[document]);
        writer.end_document();
      }
      writer.prepare("{}");
      writer.commit();
    }
    return std::make_shared<const TokenSet>(directory_ / "shards");
  }
  TemporaryDirectory directory_;
};

/// Sample i is the number first + i; fails at `fails_at` and counts its calls.
class Numbers final : public Dataset {
 public:
  explicit Numbers(std::uint64_t size, std::uint64_t fails_at = ~std::uint64_t{0},
                   std::int32_t first = 0)
      : size_(size), fails_at_(fails_at), first_(first) {}
  std::uint64_t size() const override { return size_; }
  Sample get(std::uint64_t index) const override {
    ++calls;
    if (index == fails_at_) throw Error(ErrorKind::BadData, "sample is bad");
    const std::int32_t id = first_ + static_cast<std::int32_t>(index);
    return {.inputs = {id, id}, .targets = {id, index % 2 == 0 ? kIgnoreIndex : id}};
  }
  mutable std::atomic<int> calls{0};

 private:
  std::uint64_t size_, fails_at_;
  std::int32_t first_;
};

// The numbers of the samples in the next `batches` batches of a loader over Numbers.
Ids take(Loader& loader, int batches) {
  Ids order;
  for (int i = 0; i < batches; ++i) {
    const Batch batch = loader.next();
    for (std::int64_t row = 0; row < batch.inputs.size(0); ++row) {
      order.push_back(batch.inputs.span<std::int32_t>()[static_cast<std::size_t>(2 * row)]);
    }
  }
  return order;
}

TEST_F(LoaderTest, WindowsAreConsecutiveAndTargetsAreTheNextTokens) {
  const auto set = set_of({{1, 2, 3, 4}, {5, 6}, {7, 8, 9}});  // 1 2 3 4 E 5 6 E 7 8 9 E
  const TokenWindows windows(set, 3, DocumentBoundary::Continue);
  ASSERT_EQ(windows.size(), 3u);
  const Sample first = windows.get(0), second = windows.get(1), third = windows.get(2);
  EXPECT_EQ(first.inputs, (Ids{1, 2, 3}));
  EXPECT_EQ(first.targets, (Ids{2, 3, 4}));
  EXPECT_EQ(second.inputs, (Ids{4, 256, 5}));
  EXPECT_EQ(second.targets, (Ids{256, 5, 6}));
  EXPECT_EQ(third.inputs, (Ids{6, 256, 7}));
  EXPECT_EQ(third.targets, (Ids{256, 7, 8}));
  EXPECT_TRUE(second.sequence_ids.empty());
  expect_error(ErrorKind::Contract, {"index 3 must be < 3"}, [&] { windows.get(3); });
}

TEST_F(LoaderTest, ResetGivesIdsThatChangeAtEndOfDocumentTokensAndIgnoresNoTarget) {
  const auto set = set_of({{1, 2, 3, 4}, {}, {5, 6}, {7, 8, 9}});  // 1 2 3 4 E E 5 6 E 7 8 9 E
  const TokenWindows windows(set, 4, DocumentBoundary::Reset);
  ASSERT_EQ(windows.size(), 3u);
  const Sample first = windows.get(0), second = windows.get(1), third = windows.get(2);
  EXPECT_EQ(first.inputs, (Ids{1, 2, 3, 4}));
  EXPECT_EQ(first.targets, (Ids{2, 3, 4, 256}));
  EXPECT_EQ(first.sequence_ids, (Ids{0, 0, 0, 0}));
  EXPECT_EQ(second.inputs, (Ids{256, 256, 5, 6}));
  EXPECT_EQ(second.targets, (Ids{256, 5, 6, 256}));
  EXPECT_EQ(second.sequence_ids, (Ids{0, 1, 1, 1}));
  EXPECT_EQ(third.inputs, (Ids{256, 7, 8, 9}));
  EXPECT_EQ(third.targets, (Ids{7, 8, 9, 256}));
  EXPECT_EQ(third.sequence_ids, (Ids{0, 0, 0, 0}));
}

TEST_F(LoaderTest, AnEndOfDocumentTokenAtTheWindowsEndStartsADocumentThere) {
  const auto set = set_of({{1, 2}, {3, 4}});  // 1 2 E 3 4 E
  const Sample sample = TokenWindows(set, 3, DocumentBoundary::Reset).get(0);
  EXPECT_EQ(sample.inputs, (Ids{1, 2, 256}));
  EXPECT_EQ(sample.targets, (Ids{2, 256, 3}));
  EXPECT_EQ(sample.sequence_ids, (Ids{0, 0, 1}));
}

// A tokenizer may give the end-of-document token for a text that spells it: only the set's offsets
// tell where documents end.
TEST_F(LoaderTest, AnEndOfDocumentTokenInsideADocumentIsText) {
  const auto set = set_of({{1, 256, 2}, {3}});  // 1 E 2 E 3 E
  const Sample sample = TokenWindows(set, 5, DocumentBoundary::Reset).get(0);
  EXPECT_EQ(sample.inputs, (Ids{1, 256, 2, 256, 3}));
  EXPECT_EQ(sample.sequence_ids, (Ids{0, 0, 0, 1, 1}));
}

// Against a plain walk over all tokens, for random documents and lengths, in one file and in
// shards.
TEST_F(LoaderTest, ResetAgreesWithAWalkOverTheTokens) {
  const RandomStream random{.seed = 21};
  std::vector<Ids> documents(200);
  Ids document_of;  // an end-of-document token belongs to the document that follows
  for (std::size_t i = 0; i < documents.size(); ++i) {
    documents[i].assign(random.bits(i)[0] % 12, static_cast<std::int32_t>(i));
    document_of.insert(document_of.end(), documents[i].size(), static_cast<std::int32_t>(i));
    document_of.push_back(static_cast<std::int32_t>(i + 1));
  }
  for (const auto& set : {set_of(documents), shards_of(documents, {1, 50, 51, 120})}) {
    for (const std::int64_t length : {1, 2, 7, 64, 500}) {
      const TokenWindows windows(set, length, DocumentBoundary::Reset);
      const auto l = static_cast<std::size_t>(length);
      for (std::size_t i = 0; i < windows.size(); ++i) {
        const Sample sample = windows.get(i);
        for (std::size_t t = 0; t < l; ++t) {
          ASSERT_EQ(sample.sequence_ids[t], document_of[i * l + t] - document_of[i * l]);
          ASSERT_NE(sample.targets[t], kIgnoreIndex);
        }
      }
    }
  }
}

TEST_F(LoaderTest, ShardsGiveTheWindowsOfOneFile) {
  std::vector<Ids> documents(100);
  for (std::size_t i = 0; i < documents.size(); ++i) {
    documents[i].assign(i % 17, static_cast<std::int32_t>(i));
  }
  const TokenWindows whole(set_of(documents), 13, DocumentBoundary::Reset);
  const TokenWindows shards(shards_of(documents, {3, 30, 31, 99}), 13, DocumentBoundary::Reset);
  ASSERT_EQ(shards.size(), whole.size());
  for (std::uint64_t i = 0; i < whole.size(); ++i) {
    ASSERT_EQ(shards.get(i).inputs, whole.get(i).inputs);
    ASSERT_EQ(shards.get(i).targets, whole.get(i).targets);
    ASSERT_EQ(shards.get(i).sequence_ids, whole.get(i).sequence_ids);
  }
}

TEST_F(LoaderTest, ASetShorterThanASequenceIsAConfigurationError) {
  const auto set = set_of({{1, 2, 3}});
  EXPECT_EQ(TokenWindows(set, 3, DocumentBoundary::Continue).size(), 1u);
  expect_error(ErrorKind::BadConfig, {"set.h5' has 4 tokens", "length 4 needs 5"},
               [&] { TokenWindows(set, 4, DocumentBoundary::Continue); });
}

TEST_F(LoaderTest, BatchesAreRowsOfSamplesWithTheirTargetsCounted) {
  const auto set = set_of({{1, 2, 3, 4}, {5, 6}, {7, 8, 9}});  // 1 2 3 4 E 5 6 E 7 8 9 E
  const auto windows = std::make_shared<TokenWindows>(set, 3, DocumentBoundary::Reset);
  Loader loader(windows, {.batch_size = 3, .shuffle = false});
  const Batch batch = loader.next();
  EXPECT_EQ(batch.inputs.shape(), (Shape{3, 3}));
  const auto inputs = batch.inputs.span<std::int32_t>();
  EXPECT_EQ(Ids(inputs.begin(), inputs.end()), (Ids{1, 2, 3, 4, 256, 5, 6, 256, 7}));
  const auto ids = batch.sequence_ids.span<std::int32_t>();
  EXPECT_EQ(Ids(ids.begin(), ids.end()), (Ids{0, 0, 0, 0, 1, 1, 0, 1, 1}));
  EXPECT_EQ(batch.n_targets, 9);
}

TEST(Loader, EveryEpochHasEverySampleOnceInAnotherOrder) {
  const auto numbers = std::make_shared<Numbers>(30);
  Loader loader(numbers, {.batch_size = 5, .seed = 1});
  Ids first = take(loader, 6);
  EXPECT_EQ(loader.samples_seen(), 30u);
  EXPECT_EQ(loader.epoch(), 1u);
  Ids second = take(loader, 6);
  EXPECT_NE(first, second);
  for (Ids* epoch : {&first, &second}) {
    std::ranges::sort(*epoch);
    for (int i = 0; i < 30; ++i) ASSERT_EQ((*epoch)[static_cast<std::size_t>(i)], i);
  }
}

TEST(Loader, TheOrderDependsOnTheSeedOnly) {
  const auto numbers = std::make_shared<Numbers>(17);
  Loader reference(numbers, {.batch_size = 1, .seed = 3, .prefetch = 0});
  const Ids order = take(reference, 60);
  for (const int prefetch : {0, 1, 2, 7}) {
    for (const int batch_size : {2, 5, 12, 60}) {  // none divides the epoch: batches run across
      Loader loader(numbers, {.batch_size = batch_size, .seed = 3, .prefetch = prefetch});
      EXPECT_EQ(take(loader, 60 / batch_size), order) << prefetch << " ahead, batch " << batch_size;
    }
  }
  Loader other(numbers, {.batch_size = 1, .seed = 4});
  EXPECT_NE(take(other, 60), order);
}

TEST(Loader, WithoutShufflingSamplesComeInOrder) {
  Loader loader(std::make_shared<Numbers>(4), {.batch_size = 3, .shuffle = false});
  EXPECT_EQ(take(loader, 2), (Ids{0, 1, 2, 3, 0, 1}));
}

TEST(Loader, SkippingToAPositionGoesOnAsIfNeverStopped) {
  const auto numbers = std::make_shared<Numbers>(17);
  Loader straight(numbers, {.batch_size = 4, .seed = 5});
  const Ids order = take(straight, 30);
  for (const int batches : {0, 1, 4, 5, 29}) {
    for (const int prefetch : {0, 2}) {
      Loader resumed(numbers, {.batch_size = 4, .seed = 5, .prefetch = prefetch});
      take(resumed, 2);
      resumed.skip_to(static_cast<std::uint64_t>(4 * batches));
      EXPECT_EQ(resumed.samples_seen(), static_cast<std::uint64_t>(4 * batches));
      EXPECT_EQ(take(resumed, 1),
                Ids(order.begin() + 4 * batches, order.begin() + 4 * batches + 4));
    }
  }
}

// The samples of each part, in the order in which they come.
std::vector<Ids> take_by_part(Loader& loader, int batches, std::int32_t first_of_second) {
  std::vector<Ids> parts(2);
  for (const std::int32_t id : take(loader, batches)) {
    parts[id >= first_of_second ? 1 : 0].push_back(id);
  }
  return parts;
}

TEST(Loader, EachPartOfAMixtureComesInTheOrderOfARunOnItAlone) {
  const auto small = std::make_shared<Numbers>(7);
  const auto large = std::make_shared<Numbers>(5000, ~std::uint64_t{0}, 1000);
  const LoaderOptions options{.batch_size = 8, .seed = 3};
  Loader mixture({{.dataset = small, .weight = 0.25}, {.dataset = large, .weight = 0.75}}, options);
  const std::vector<Ids> parts = take_by_part(mixture, 1024, 1000);
  EXPECT_EQ(parts[0].size(), 2048u);
  EXPECT_EQ(parts[1].size(), 6144u);
  EXPECT_EQ(mixture.epoch(0), 292u);
  EXPECT_EQ(mixture.epoch(1), 1u);
  Loader alone(small, options), other(large, options);
  EXPECT_EQ(parts[0], take(alone, 256));
  EXPECT_EQ(parts[1], take(other, 768));
}

TEST(Loader, AMixtureGoesOnFromTheNumberOfSamplesAlone) {
  const std::vector<LoaderPart> parts{
      {.dataset = std::make_shared<Numbers>(7), .weight = 1},
      {.dataset = std::make_shared<Numbers>(5000, ~std::uint64_t{0}, 1000), .weight = 2.5},
      {.dataset = std::make_shared<Numbers>(300, ~std::uint64_t{0}, 9000), .weight = 0.1}};
  Loader straight(parts, {.batch_size = 1, .seed = 5, .prefetch = 0});
  const Ids order = take(straight, 4000);
  for (const int start : {0, 1, 1023, 1024, 1025, 3000}) {
    for (const int prefetch : {0, 3}) {
      Loader resumed(parts, {.batch_size = 50, .seed = 5, .prefetch = prefetch});
      resumed.skip_to(static_cast<std::uint64_t>(start));
      EXPECT_EQ(take(resumed, 10), Ids(order.begin() + start, order.begin() + start + 500));
    }
  }
}

TEST(Loader, ABatchKnowsItsPlaceInTheRun) {
  Loader loader(std::make_shared<Numbers>(17), {.batch_size = 4});
  loader.skip_to(40);
  EXPECT_EQ(loader.next().first_sample, 40u);
  EXPECT_EQ(loader.next().first_sample, 44u);
  EXPECT_EQ(loader.epoch(), 2u);
}

/// Sample i has the inputs i, i, i and one target, its label: i mod 3, and none for every fifth.
class Labelled final : public Dataset {
 public:
  std::uint64_t size() const override { return 10; }
  Sample get(std::uint64_t index) const override {
    const auto i = static_cast<std::int32_t>(index);
    return {.inputs = Ids(3, i), .targets = {i % 5 == 4 ? kIgnoreIndex : i % 3}};
  }
};

/// Sample i of part p is of p + 1 numbers p * 1000 + i.
class Lengths final : public Dataset {
 public:
  Lengths(std::int32_t part, std::uint64_t size) : part_(part), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Sample get(std::uint64_t index) const override {
    const Ids ids(static_cast<std::size_t>(part_) + 1,
                  part_ * 1000 + static_cast<std::int32_t>(index));
    return {.inputs = ids, .targets = {0}};
  }

 private:
  std::int32_t part_;
  std::uint64_t size_;
};

std::vector<LoaderPart> parts_of_three_lengths() {
  std::vector<LoaderPart> parts;
  for (const std::uint64_t size : {10u, 25u, 5u}) {
    const auto part = static_cast<std::int32_t>(parts.size());
    parts.push_back(
        {.dataset = std::make_shared<Lengths>(part, size), .weight = static_cast<double>(size)});
  }
  return parts;
}

TEST(Loader, TurnsOfBatchesGiveEachBatchOneLengthAndEachPartItsOwnOrder) {
  const auto parts = parts_of_three_lengths();
  const LoaderOptions options{.batch_size = 4, .seed = 7, .turns = Turns::Batches};
  Loader loader(parts, options);
  std::vector<Ids> seen(3);
  for (int i = 0; i < 512; ++i) {
    const Batch batch = loader.next();
    const auto length = static_cast<std::size_t>(batch.inputs.size(1));
    for (std::int64_t row = 0; row < 4; ++row) {
      seen.at(length - 1)
          .push_back(batch.inputs.span<std::int32_t>()[static_cast<std::size_t>(row) * length]);
    }
  }
  // 512 batches are half a block of SampleOrder: shares are near those of the weights.
  for (std::size_t part = 0; part < 3; ++part) {
    const auto size = parts[part].dataset->size();
    EXPECT_NEAR(static_cast<double>(seen[part].size()), 512 * 4 * static_cast<double>(size) / 40,
                100);
    Loader alone(parts[part].dataset, {.batch_size = 1, .seed = 7});
    for (const std::int32_t id : seen[part]) {
      ASSERT_EQ(alone.next().inputs.span<std::int32_t>()[0], id);
    }
    EXPECT_EQ(loader.epoch(part), seen[part].size() / size);
  }
}

TEST(Loader, TurnsOfBatchesGoOnFromTheNumberOfSamplesAndAreSharedByRanks) {
  const auto parts = parts_of_three_lengths();
  LoaderOptions options{.batch_size = 4, .seed = 7, .turns = Turns::Batches};
  Loader whole(parts, options), later(parts, options);
  later.skip_to(5000 * 4);
  whole.skip_to(4999 * 4);
  whole.next();
  options.ranks = 2;
  Loader first(parts, options);
  options.rank = 1;
  Loader second(parts, options);
  first.skip_to(5000 * 4);
  second.skip_to(5000 * 4);
  for (int i = 0; i < 30; ++i) {
    const Batch batch = whole.next();
    const auto all = batch.inputs.span<std::int32_t>();
    EXPECT_TRUE(std::ranges::equal(later.next().inputs.span<std::int32_t>(), all));
    const Batch one = first.next(), two = second.next();
    EXPECT_TRUE(std::ranges::equal(one.inputs.span<std::int32_t>(), all.first(all.size() / 2)));
    EXPECT_TRUE(std::ranges::equal(two.inputs.span<std::int32_t>(), all.last(all.size() / 2)));
  }
  expect_error(ErrorKind::BadConfig, {"after 6 samples", "keep its batch size"},
               [&] { later.skip_to(6); });
}

TEST(Loader, TargetsMayBeFewerThanInputs) {
  for (const int prefetch : {0, 2}) {
    Loader loader(std::make_shared<Labelled>(),
                  {.batch_size = 5, .shuffle = false, .prefetch = prefetch});
    const Batch batch = loader.next();
    EXPECT_EQ(batch.inputs.shape(), (Shape{5, 3}));
    EXPECT_EQ(batch.targets.shape(), (Shape{5, 1}));
    EXPECT_FALSE(batch.sequence_ids.defined());
    const auto labels = batch.targets.span<std::int32_t>();
    EXPECT_EQ(Ids(labels.begin(), labels.end()), (Ids{0, 1, 2, 0, kIgnoreIndex}));
    const auto inputs = batch.inputs.span<std::int32_t>();
    EXPECT_EQ(Ids(inputs.begin() + 3, inputs.begin() + 9), (Ids{1, 1, 1, 2, 2, 2}));
    EXPECT_EQ(batch.n_targets, 4);
  }
}

/// The first sample has one label, the others two.
class Relabelled final : public Dataset {
 public:
  std::uint64_t size() const override { return 4; }
  Sample get(std::uint64_t index) const override {
    return {.inputs = Ids(3), .targets = Ids(index == 0 ? 1 : 2)};
  }
};

TEST(Loader, SamplesWithUnequalNumbersOfTargetsAreNotABatch) {
  Loader loader(std::make_shared<Relabelled>(), {.batch_size = 2, .shuffle = false, .prefetch = 0});
  expect_error(ErrorKind::Contract, {"got 3 inputs, 2 targets", "where 3, 1 and 0 were expected"},
               [&] { loader.next(); });
}

// Each batch of 7 goes to `ranks` ranks as evenly as it can; in the order of the ranks their rows
// are those of one process.
TEST(Loader, RanksShareEachBatchAndTheOrderDoesNotDependOnTheirNumber) {
  const std::vector<LoaderPart> parts{
      {.dataset = std::make_shared<Numbers>(30), .weight = 1},
      {.dataset = std::make_shared<Numbers>(50, ~std::uint64_t{0}, 100), .weight = 2}};
  constexpr int kBatch = 7, kBatches = 20;
  Loader alone(parts, {.batch_size = kBatch, .seed = 6});
  const Ids order = take(alone, kBatches);
  for (const int ranks : {1, 2, 3, 7}) {
    std::vector<std::unique_ptr<Loader>> loaders;
    for (int rank = 0; rank < ranks; ++rank) {
      loaders.push_back(std::make_unique<Loader>(
          parts, LoaderOptions{.batch_size = kBatch, .seed = 6, .rank = rank, .ranks = ranks}));
    }
    Ids together;
    for (int i = 0; i < kBatches; ++i) {
      for (const auto& loader : loaders) {
        const std::size_t before = together.size();
        const Ids rows = take(*loader, 1);
        together.insert(together.end(), rows.begin(), rows.end());
        EXPECT_LE(std::abs(static_cast<double>(rows.size()) - double{kBatch} / ranks), 1);
        EXPECT_EQ(loader->samples_seen(), static_cast<std::uint64_t>((i + 1) * kBatch));
        EXPECT_LT(before, together.size());
      }
    }
    EXPECT_EQ(together, order) << ranks << " ranks";
  }
}

TEST(Loader, ARankGoesOnFromTheNumberOfSamplesOfAllRanks) {
  const auto numbers = std::make_shared<Numbers>(17);
  for (const int prefetch : {0, 2}) {
    const LoaderOptions options{
        .batch_size = 6, .seed = 5, .prefetch = prefetch, .rank = 1, .ranks = 3};
    Loader straight(numbers, options);
    const Ids order = take(straight, 10);
    Loader resumed(numbers, options);
    resumed.skip_to(6 * 4);
    const Batch batch = resumed.next();
    EXPECT_EQ(batch.inputs.size(0), 2);
    EXPECT_EQ(batch.first_sample, 6u * 4 + 2);
    EXPECT_EQ(take(resumed, 5), Ids(order.begin() + 10, order.end()));
    EXPECT_EQ(resumed.samples_seen(), 60u);
  }
}

TEST(Loader, IgnoredTargetsAreNotCounted) {
  Loader loader(std::make_shared<Numbers>(4), {.batch_size = 4});
  EXPECT_EQ(loader.next().n_targets, 4 + 2);  // the second target of even numbers is ignored
}

TEST(Loader, AFailureComesOutAtItsBatchAndAgainAfterwards) {
  for (const int prefetch : {0, 3}) {
    const auto numbers = std::make_shared<Numbers>(10, 5);
    Loader loader(numbers, {.batch_size = 2, .shuffle = false, .prefetch = prefetch});
    EXPECT_EQ(take(loader, 2), (Ids{0, 1, 2, 3}));
    for (int i = 0; i < 2; ++i) {
      expect_error(ErrorKind::BadData, {"sample is bad"}, [&] { loader.next(); });
    }
    EXPECT_EQ(loader.samples_seen(), 4u);
    loader.skip_to(6);
    EXPECT_EQ(take(loader, 2), (Ids{6, 7, 8, 9}));
  }
}

TEST(Loader, WorksAheadByItsDepthAndStopsWhenItGoes) {
  const auto numbers = std::make_shared<Numbers>(1'000'000);
  for (int i = 0; i < 50; ++i)
    Loader(numbers, {.batch_size = 2});  // stops at once, mid-work or not
  numbers->calls = 0;
  Loader loader(numbers, {.batch_size = 2, .prefetch = 3});
  // Three batches wait and a fourth is in hand; one sample more told their shape.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (numbers->calls < 9 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(numbers->calls, 9);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(numbers->calls, 9);
}

/// Sample i has i + 1 tokens.
class Growing final : public Dataset {
 public:
  std::uint64_t size() const override { return 4; }
  Sample get(std::uint64_t index) const override {
    return {.inputs = Ids(index + 1), .targets = Ids(index + 1)};
  }
};

TEST(Loader, SamplesOfUnequalLengthsAreNoBatch) {
  Loader loader(std::make_shared<Growing>(), {.batch_size = 2, .shuffle = false, .prefetch = 0});
  expect_error(ErrorKind::Contract,
               {"equal lengths", "got 2 inputs, 2 targets", "where 1, 1 and 0 were expected"},
               [&] { loader.next(); });
}

TEST_F(LoaderTest, ARowMustHaveTheLengthAndKindOfTheWindows) {
  const auto set = set_of({{1, 2, 3, 4}, {5, 6}, {7, 8, 9}});
  const TokenWindows plain(set, 3, DocumentBoundary::Continue);
  const TokenWindows reset(set, 3, DocumentBoundary::Reset);
  Ids inputs(3), targets(3), ids(3);
  reset.get_into(1, {inputs, targets, ids});
  EXPECT_EQ(inputs, reset.get(1).inputs);
  EXPECT_EQ(targets, reset.get(1).targets);
  EXPECT_EQ(ids, reset.get(1).sequence_ids);
  plain.get_into(2, {inputs, targets, {}});
  EXPECT_EQ(targets, plain.get(2).targets);
  expect_error(ErrorKind::Contract, {"3 inputs", "0 sequence ids"}, [&] {
    plain.get_into(0, {inputs, targets, ids});
  });
  expect_error(ErrorKind::Contract, {"3 sequence ids"}, [&] {
    reset.get_into(0, {inputs, targets, {}});
  });
}

TEST(Loader, RefusesWhatCannotWork) {
  expect_error(ErrorKind::Contract, {"batch_size"},
               [] { Loader(std::make_shared<Numbers>(3), {.batch_size = 0}); });
  for (const auto& [rank, ranks] : {std::pair{-1, 2}, {2, 2}, {0, 0}, {0, 4}}) {
    expect_error(ErrorKind::Contract, {str("rank ", rank, " of ", ranks)}, [&] {
      Loader(std::make_shared<Numbers>(3), {.batch_size = 3, .rank = rank, .ranks = ranks});
    });
  }
  expect_error(ErrorKind::Contract, {"empty"}, [] { Loader(std::make_shared<Numbers>(0), {}); });
}

}  // namespace
}  // namespace krait
