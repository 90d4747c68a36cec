#include "data/loader/token_windows.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"

namespace krait {

TokenWindows::TokenWindows(std::shared_ptr<const TokenSet> set, std::int64_t length,
                           DocumentBoundary boundary)
    : set_(std::move(set)), length_(static_cast<std::uint64_t>(length)), boundary_(boundary) {
  KRAIT_REQUIRE(length >= 1, "[TokenWindows] length must be >= 1, got ", length, ".");
  KRAIT_CHECK(BadConfig, set_->n_tokens() > length_, "'", set_->info().path.string(), "' has ",
              set_->n_tokens(), " tokens, a sequence of length ", length, " needs ", length_ + 1,
              "; shorten the sequence or add data.");
}

Sample TokenWindows::get(std::uint64_t index) const {
  Sample sample{.inputs = std::vector<std::int32_t>(length_),
                .targets = std::vector<std::int32_t>(length_)};
  if (boundary_ == DocumentBoundary::Reset) sample.sequence_ids.resize(length_);
  get_into(index, {sample.inputs, sample.targets, sample.sequence_ids});
  return sample;
}

void TokenWindows::get_into(std::uint64_t index, const SampleRow& row) const {
  KRAIT_REQUIRE(index < size(), "[TokenWindows] index ", index, " must be < ", size(), ".");
  const std::size_t ids = boundary_ == DocumentBoundary::Reset ? length_ : 0;
  KRAIT_REQUIRE(row.inputs.size() == length_ && row.targets.size() == length_ &&
                    row.sequence_ids.size() == ids,
                "[TokenWindows] a row must have ", length_, " inputs and targets and ", ids,
                " sequence ids.");
  const std::uint64_t first = index * length_;
  set_->copy(first, row.inputs);
  std::copy(row.inputs.begin() + 1, row.inputs.end(), row.targets.begin());
  set_->copy(first + length_, row.targets.last(1));
  if (ids > 0) write_sequence_ids(first, row.sequence_ids);
}

void TokenWindows::write_sequence_ids(std::uint64_t first, std::span<std::int32_t> ids) const {
  std::vector<std::uint64_t> starts;
  set_->document_starts(first + 1, first + length_ + 1, starts);
  std::int32_t id = 0;
  std::uint64_t done = 0;
  for (const std::uint64_t start : starts) {
    const std::uint64_t end = start - 1 - first;  // the end-of-document token before the document
    std::ranges::fill(ids.subspan(done, end - done), id);
    if (end > 0) ++id;
    done = end;
  }
  std::ranges::fill(ids.subspan(done), id);
}

}  // namespace krait
