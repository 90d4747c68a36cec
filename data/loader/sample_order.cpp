#include "data/loader/sample_order.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace krait {
namespace {

constexpr int kShareBits = 32;

/// floor(t share / 2^32), for share <= 2^32.
std::uint64_t part_of(std::uint64_t t, std::uint64_t share) {
  const std::uint64_t low = t & 0xffffffffu;
  return (t >> kShareBits) * share + ((low * share) >> kShareBits);
}

}  // namespace

SampleOrder::SampleOrder(std::vector<OrderPart> parts, std::uint64_t seed, bool shuffle)
    : seed_(seed), shuffle_(shuffle) {
  KRAIT_REQUIRE(!parts.empty(), "[SampleOrder] there must be a part.");
  double rest = 0;
  for (const OrderPart& part : parts) {
    KRAIT_REQUIRE(part.size >= 1, "[SampleOrder] a part must not be empty.");
    KRAIT_CHECK(BadConfig, part.weight > 0 && std::isfinite(part.weight),
                "the weight of a set must be above 0, got ", part.weight, ".");
    rest += part.weight;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    const double fraction = last ? 1 : parts[i].weight / rest;
    const auto share = static_cast<std::uint64_t>(std::llround(std::ldexp(fraction, kShareBits)));
    KRAIT_CHECK(BadConfig, share > 0 && (last || share < std::uint64_t{1} << kShareBits),
                "the smallest weight of a mixture is below 2^-33 of their sum: its set would never "
                "be drawn.");
    parts_.push_back({.size = parts[i].size, .share = share});
    rest -= parts[i].weight;
  }
}

std::vector<std::uint64_t> SampleOrder::counts_before(std::uint64_t block) const {
  std::vector<std::uint64_t> counts;
  std::uint64_t rest = block * kBlock;
  for (const Part& part : parts_) {
    counts.push_back(part_of(rest, part.share));
    rest -= counts.back();
  }
  return counts;
}

void SampleOrder::arrange(std::uint64_t block) {
  const std::vector<std::uint64_t> begin = counts_before(block), end = counts_before(block + 1);
  turns_.clear();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    turns_.resize(turns_.size() + (end[i] - begin[i]), {.part = i});
  }
  const RandomStream random{
      .seed = seed_, .purpose = RandomPurpose::Sample, .stream = stream_of("mixture")};
  for (std::uint64_t i = kBlock - 1; i > 0; --i) {
    std::swap(turns_[i], turns_[random.bits64(block * kBlock + i) % (i + 1)]);
  }
  std::vector<std::uint64_t> next = begin;
  for (SamplePlace& turn : turns_) turn.index = next[turn.part]++;
  block_ = block;
}

std::vector<std::uint64_t> SampleOrder::counts(std::uint64_t k) {
  if (parts_.size() == 1) return {k};
  std::vector<std::uint64_t> counts = counts_before(k / kBlock);
  for (std::uint64_t i = k / kBlock * kBlock; i < k; ++i) ++counts[turn(i).part];
  return counts;
}

SamplePlace SampleOrder::turn(std::uint64_t k) {
  if (parts_.size() == 1) return {.part = 0, .index = k};
  if (turns_.empty() || k / kBlock != block_) arrange(k / kBlock);
  return turns_[k % kBlock];
}

SamplePlace SampleOrder::operator()(std::uint64_t k) {
  const SamplePlace next = turn(k);
  return place(next.part, next.index);
}

SamplePlace SampleOrder::place(std::size_t number, std::uint64_t n) {
  Part& part = parts_[number];
  const std::uint64_t epoch = n / part.size, index = n % part.size;
  if (!shuffle_) return {.part = number, .index = index};
  if (!part.permutation || epoch != part.epoch) {
    part.epoch = epoch;
    part.permutation.emplace(part.size, RandomStream{.seed = seed_,
                                                     .purpose = RandomPurpose::Shuffle,
                                                     .stream = static_cast<std::uint32_t>(epoch)});
  }
  return {.part = number, .index = (*part.permutation)(index)};
}

}  // namespace krait
