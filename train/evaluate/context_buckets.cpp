#include "train/evaluate/context_buckets.h"

#include <bit>
#include <limits>

namespace krait {

void ContextBuckets::add(std::uint64_t context, double loss) {
  Sum& sum = sums_[static_cast<std::size_t>(std::bit_width(context))];
  sum.losses.add(loss);
  ++sum.n_tokens;
}

std::vector<ContextBucket> ContextBuckets::buckets() const {
  std::vector<ContextBucket> result;
  std::size_t used = 0;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (sums_[i].n_tokens > 0) used = i + 1;
  }
  for (std::size_t i = 0; i < used; ++i) {
    ContextBucket bucket{
        .from = i == 0 ? 0 : std::uint64_t{1} << (i - 1),
        .to = i == 64 ? std::numeric_limits<std::uint64_t>::max() : std::uint64_t{1} << i,
        .n_tokens = sums_[i].n_tokens};
    if (bucket.n_tokens > 0) {
      bucket.mean_loss = sums_[i].losses.value() / static_cast<double>(bucket.n_tokens);
    }
    result.push_back(bucket);
  }
  return result;
}

}  // namespace krait
