#include "data/tokenizer/bpe_model.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace krait {

BpeModel::BpeModel(const BpeVocabulary& vocabulary)
    : n_merges_(vocabulary.merges.size()), ignore_merges_(vocabulary.ignore_merges) {
  KRAIT_REQUIRE(n_merges_ < kNoRank, "[BpeModel] ", n_merges_, " merges are too many.");
  byte_tokens_.fill(-1);
  for (const auto& [bytes, id] : vocabulary.tokens) {
    if (bytes.size() == 1) byte_tokens_[static_cast<std::uint8_t>(bytes[0])] = id;
    if (ignore_merges_) whole_.emplace(bytes, id);
  }
  table_.resize(std::bit_ceil(2 * n_merges_ + 2), {kNoKey, kNoRank, 0});
  mask_ = table_.size() - 1;
  for (std::size_t i = 0; i < n_merges_; ++i) {
    insert(vocabulary.merges[i], static_cast<std::uint32_t>(i));
  }
  ranks_rise_ = find_whether_ranks_rise(vocabulary);
}

void BpeModel::insert(const BpeVocabulary::Merge& merge, std::uint32_t rank) {
  const std::uint64_t key = key_of(merge.left, merge.right);
  std::size_t slot = hash(key) & mask_;
  while (table_[slot].key != kNoKey && table_[slot].key != key) slot = (slot + 1) & mask_;
  table_[slot] = {key, rank, merge.result};  // of a pair that is there twice the last one counts
}

bool BpeModel::find_whether_ranks_rise(const BpeVocabulary& vocabulary) const {
  std::unordered_map<std::int32_t, std::size_t> made_until;  // token: rank of its last merge + 1
  for (std::size_t i = 0; i < n_merges_; ++i) made_until[vocabulary.merges[i].result] = i + 1;
  for (std::size_t i = 0; i < n_merges_; ++i) {
    for (const std::int32_t part : {vocabulary.merges[i].left, vocabulary.merges[i].right}) {
      const auto made = made_until.find(part);
      if (made != made_until.end() && made->second > i) return false;
    }
  }
  return true;
}

std::int32_t BpeModel::whole_token(std::string_view bytes) const {
  const auto found = whole_.find(bytes);
  return found == whole_.end() ? -1 : found->second;
}

}  // namespace krait
