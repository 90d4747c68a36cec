#include "data/lra/listops/generator.h"

#include <utility>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "core/system/hash.h"
#include "core/system/parallel.h"

namespace krait {
namespace {

constexpr std::uint64_t kMostNodes = 1 << 16;  // whose random numbers a candidate has for itself
constexpr std::int64_t kBatch = 4096;          // candidates drawn at a time

std::uint32_t below(std::uint32_t bound, std::uint32_t random) {
  return static_cast<std::uint32_t>((std::uint64_t{random} * bound) >> 32);
}

}  // namespace

std::optional<ListOpsExpression> draw_listops(const ListOpsRules& rules, std::uint64_t seed,
                                              std::uint64_t candidate) {
  const RandomStream stream{
      .seed = seed, .purpose = RandomPurpose::Sample, .stream = stream_of("listops")};
  const auto threshold = static_cast<std::uint64_t>(rules.operator_probability * 0x1p32);
  ListOpsExpression ids;
  std::vector<std::uint32_t> missing;  // arguments that each open operator has still to get
  std::uint64_t node = 0;
  do {
    const Philox4 random = stream.bits(candidate * kMostNodes + node++);
    const bool deep = std::cmp_greater_equal(missing.size() + 1, rules.max_depth);
    if (!missing.empty()) --missing.back();
    if (!deep && random[0] < threshold) {
      ids.push_back(kMin + static_cast<std::int32_t>(below(4, random[1])));
      missing.push_back(2 + below(static_cast<std::uint32_t>(rules.max_arguments) - 1, random[2]));
    } else {
      ids.push_back(static_cast<std::int32_t>(below(10, random[3])));
    }
    while (!missing.empty() && missing.back() == 0) {
      ids.push_back(kClose);
      missing.pop_back();
    }
    if (ids.size() >= rules.max_length) return std::nullopt;
  } while (!missing.empty());
  if (ids.size() <= rules.min_length) return std::nullopt;
  return ids;
}

ListOpsGenerator::ListOpsGenerator(std::uint64_t seed, const ListOpsRules& rules)
    : seed_(seed), rules_(rules) {
  KRAIT_REQUIRE(rules.max_arguments >= 2 && rules.max_length <= kMostNodes,
                "[ListOpsGenerator] max_arguments must be >= 2 and max_length <= ", kMostNodes,
                ", got ", rules.max_arguments, " and ", rules.max_length, ".");
}

void ListOpsGenerator::draw_more() {
  std::vector<std::optional<ListOpsExpression>> drawn(kBatch);
  parallel_for(kBatch, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      drawn[static_cast<std::size_t>(i)] =
          draw_listops(rules_, seed_, next_candidate_ + static_cast<std::uint64_t>(i));
    }
  });
  for (auto& expression : drawn) {
    if (expression) ready_.push_back({std::move(*expression), next_candidate_});
    ++next_candidate_;
  }
}

ListOpsExpression ListOpsGenerator::next() {
  while (true) {
    while (ready_.empty()) draw_more();
    Kept first = std::move(ready_.front());
    ready_.pop_front();
    drawn_ = first.candidate + 1;
    ++kept_;
    const Sha256Digest digest = sha256(std::as_bytes(std::span(first.expression)));
    if (seen_.emplace(digest.begin(), digest.end()).second) return std::move(first.expression);
  }
}

}  // namespace krait
