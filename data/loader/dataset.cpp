#include "data/loader/dataset.h"

#include <algorithm>

#include "core/error.h"

namespace krait {

void Dataset::get_into(std::uint64_t index, const SampleRow& row) const {
  const Sample sample = get(index);
  KRAIT_REQUIRE(sample.inputs.size() == row.inputs.size() &&
                    sample.targets.size() == row.targets.size() &&
                    sample.sequence_ids.size() == row.sequence_ids.size(),
                "[Loader] the samples of a batch must have equal lengths and kinds, got ",
                sample.inputs.size(), " inputs, ", sample.targets.size(), " targets and ",
                sample.sequence_ids.size(), " sequence ids where ", row.inputs.size(), ", ",
                row.targets.size(), " and ", row.sequence_ids.size(), " were expected.");
  std::ranges::copy(sample.inputs, row.inputs.begin());
  std::ranges::copy(sample.targets, row.targets.begin());
  std::ranges::copy(sample.sequence_ids, row.sequence_ids.begin());
}

}  // namespace krait
