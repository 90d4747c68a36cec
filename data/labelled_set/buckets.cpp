#include "data/labelled_set/buckets.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"

namespace krait {
namespace {

constexpr std::int64_t kMostCandidates = 1024;

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// How many examples are at most as long as each of the candidate lengths.
struct LengthCounts {
  std::vector<std::int64_t> lengths, up_to;
};

LengthCounts count_lengths(const LabelledSet& set, const BucketOptions& o) {
  auto longest = static_cast<std::int64_t>(set.info().longest_input);
  if (o.max_length > 0) longest = std::min(longest, o.max_length);
  const std::int64_t step = round_up((longest + kMostCandidates - 1) / kMostCandidates, o.multiple);
  LengthCounts counts;
  for (std::int64_t length = step; length < longest; length += step) {
    counts.lengths.push_back(length);
  }
  const std::int64_t last = round_up(longest, step);
  counts.lengths.push_back(o.max_length > 0 ? std::min(last, o.max_length) : last);
  counts.up_to.resize(counts.lengths.size());
  for (std::uint64_t i = 0; i < set.n_examples(); ++i) {
    const std::int64_t length = std::min(static_cast<std::int64_t>(set.longest(i)), longest);
    ++counts.up_to[static_cast<std::size_t>((length - 1) / step)];
  }
  for (std::size_t i = 1; i < counts.up_to.size(); ++i) counts.up_to[i] += counts.up_to[i - 1];
  return counts;
}

/// The best ends of at most `most` buckets: least[k][j] is the cost of all examples up to candidate
/// j in k + 1 buckets, of which the last ends at j.
std::vector<std::int64_t> best_ends(const LengthCounts& counts, std::size_t most) {
  const std::size_t n = counts.lengths.size();
  std::vector<std::vector<std::int64_t>> least(most, std::vector<std::int64_t>(n));
  std::vector<std::vector<std::size_t>> before(most, std::vector<std::size_t>(n));
  for (std::size_t j = 0; j < n; ++j) least[0][j] = counts.up_to[j] * counts.lengths[j];
  for (std::size_t k = 1; k < most; ++k) {
    for (std::size_t j = k; j < n; ++j) {
      least[k][j] = std::numeric_limits<std::int64_t>::max();
      for (std::size_t i = k - 1; i < j; ++i) {
        const std::int64_t cost =
            least[k - 1][i] + (counts.up_to[j] - counts.up_to[i]) * counts.lengths[j];
        if (cost >= least[k][j]) continue;
        least[k][j] = cost;
        before[k][j] = i;
      }
    }
  }
  std::size_t k = 0;
  for (std::size_t more = 1; more < most; ++more) {
    if (least[more][n - 1] < least[k][n - 1]) k = more;
  }
  std::vector<std::int64_t> ends;
  for (std::size_t j = n - 1;; j = before[k--][j]) {
    ends.insert(ends.begin(), counts.lengths[j]);
    if (k == 0) return ends;
  }
}

}  // namespace

std::int64_t sample_vocab_size(const LabelledSetDescription& description) {
  return description.n_symbols + (description.kind == InputKind::Tokens ? 1 : 0);
}

LabelledSamples::LabelledSamples(std::shared_ptr<const LabelledSet> set,
                                 std::vector<std::uint64_t> examples, std::int64_t length)
    : set_(std::move(set)), examples_(std::move(examples)), length_(length) {
  KRAIT_REQUIRE(length >= 1, "[LabelledSamples] length must be >= 1, got ", length, ".");
  const LabelledSetDescription& d = set_->description();
  KRAIT_REQUIRE(d.kind == InputKind::Tokens || length == d.height * d.width,
                "[LabelledSamples] images of ", d.height, " x ", d.width,
                " are neither cut nor padded to ", length, " pixels.");
}

Sample LabelledSamples::get(std::uint64_t index) const {
  const std::uint64_t number = example(index);
  const LabelledSetDescription& d = set_->description();
  const auto length = static_cast<std::size_t>(length_);
  Sample sample{.inputs = std::vector<std::int32_t>(
                    length * static_cast<std::size_t>(d.inputs_per_example), kPaddingId),
                .targets = {set_->labels()[number]}};
  for (std::int64_t i = 0; i < d.inputs_per_example; ++i) {
    const auto row = std::span(sample.inputs).subspan(static_cast<std::size_t>(i) * length, length);
    const auto ids = row.first(std::min<std::size_t>(length, set_->length(number, i)));
    set_->copy(number, i, ids);
    if (d.kind == InputKind::Pixels) continue;
    for (std::int32_t& id : ids) ++id;
  }
  return sample;
}

std::vector<std::int64_t> choose_bucket_lengths(const LabelledSet& set,
                                                const BucketOptions& options) {
  KRAIT_CHECK(
      BadConfig, options.max_length >= 0 && options.count >= 1 && options.multiple >= 1,
      "`max_length` must be >= 0, the number of buckets and the multiple of their lengths >= "
      "1, got ",
      options.max_length, ", ", options.count, " and ", options.multiple, ".");
  const LabelledSetDescription& d = set.description();
  if (d.kind == InputKind::Pixels) return {d.height * d.width};
  const LengthCounts counts = count_lengths(set, options);
  const auto most = std::min(static_cast<std::size_t>(options.count), counts.lengths.size());
  return best_ends(counts, most);
}

std::vector<std::shared_ptr<const LabelledSamples>> make_buckets(
    std::shared_ptr<const LabelledSet> set, std::span<const std::int64_t> lengths) {
  KRAIT_REQUIRE(!lengths.empty() && std::ranges::is_sorted(lengths),
                "[make_buckets] lengths must rise.");
  std::vector<std::vector<std::uint64_t>> examples(lengths.size());
  for (std::uint64_t i = 0; i < set->n_examples(); ++i) {
    const auto longest = static_cast<std::int64_t>(set->longest(i));
    const auto fit = std::ranges::lower_bound(lengths, longest) - lengths.begin();
    examples[std::min(static_cast<std::size_t>(fit), lengths.size() - 1)].push_back(i);
  }
  std::vector<std::shared_ptr<const LabelledSamples>> buckets;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (examples[i].empty()) continue;
    buckets.push_back(std::make_shared<LabelledSamples>(set, std::move(examples[i]), lengths[i]));
  }
  return buckets;
}

std::vector<LoaderPart> bucket_parts(
    const std::vector<std::shared_ptr<const LabelledSamples>>& buckets) {
  std::vector<LoaderPart> parts;
  for (const auto& bucket : buckets) {
    parts.push_back({.dataset = bucket, .weight = static_cast<double>(bucket->size())});
  }
  return parts;
}

}  // namespace krait
