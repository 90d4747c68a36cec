#include <algorithm>
#include <cstring>
#include <queue>

#include "core/error.h"
#include "data/tokenizer/bpe_model.h"

namespace krait {
namespace {

/// Of up to 24 bytes.
std::size_t hash_of(std::string_view word) {
  std::array<std::uint64_t, 3> parts{};
  std::memcpy(parts.data(), word.data(), word.size());
  std::uint64_t hash = word.size();
  for (const std::uint64_t part : parts) {
    hash = (hash ^ part) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return static_cast<std::size_t>(hash);
}

}  // namespace

BpeEncoder::BpeEncoder(const BpeModel& model) : model_(model), seen_(kSlots) {}

void BpeEncoder::encode(std::string_view word, std::vector<std::int32_t>& out) {
  if (word.size() > kCachedBytes || word.empty()) return merge(word, out);
  Seen& seen = seen_[hash_of(word) % kSlots];
  if (seen.bytes == word.size() && std::memcmp(seen.word.data(), word.data(), word.size()) == 0) {
    out.insert(out.end(), seen.tokens.begin(), seen.tokens.begin() + seen.n_tokens);
    return;
  }
  const std::size_t first = out.size();
  merge(word, out);
  const std::size_t count = out.size() - first;
  if (count > kCachedTokens) return;
  std::memcpy(seen.word.data(), word.data(), word.size());
  std::copy(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), seen.tokens.begin());
  seen.bytes = static_cast<std::uint8_t>(word.size());
  seen.n_tokens = static_cast<std::uint8_t>(count);
}

void BpeEncoder::merge(std::string_view word, std::vector<std::int32_t>& out) {
  if (model_.ignore_merges()) {
    if (const std::int32_t token = model_.whole_token(word); token >= 0) {
      out.push_back(token);
      return;
    }
  }
  if (word.size() <= kShort) return merge_short(word, out);
  read(word);
  if (symbols_.size() >= kLong && model_.ranks_rise()) {
    merge_by_rank();
  } else {
    merge_by_heap();
  }
  for (const Symbol& symbol : symbols_) {
    if (symbol.token >= 0) out.push_back(symbol.token);
  }
  if (symbols_.capacity() > kLong) symbols_ = {};  // such a pre-token is rare
}

void BpeEncoder::merge_short(std::string_view word, std::vector<std::int32_t>& out) const {
  std::array<std::int32_t, kShort> tokens;
  std::array<BpeModel::Found, kShort> merges;  // of a token and the next
  std::size_t n = 0;
  for (const char byte : word) {
    const std::int32_t token = model_.token_of(static_cast<std::uint8_t>(byte));
    if (token >= 0) tokens[n++] = token;
  }
  for (std::size_t i = 0; i + 1 < n; ++i) merges[i] = model_.find(tokens[i], tokens[i + 1]);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i) {
      if (merges[i].rank < merges[best].rank) best = i;
    }
    if (merges[best].rank == BpeModel::kNoRank) break;
    tokens[best] = merges[best].result;
    std::copy(tokens.begin() + best + 2, tokens.begin() + n, tokens.begin() + best + 1);
    std::copy(merges.begin() + best + 1, merges.begin() + n - 1, merges.begin() + best);
    --n;
    if (best > 0) merges[best - 1] = model_.find(tokens[best - 1], tokens[best]);
    if (best + 1 < n) merges[best] = model_.find(tokens[best], tokens[best + 1]);
  }
  out.insert(out.end(), tokens.begin(), tokens.begin() + n);
}

void BpeEncoder::read(std::string_view word) {
  KRAIT_CHECK(
      BadData, word.size() < kNone, "the text has ", word.size(),
      " bytes without a place to cut it, but a tokenizer takes less than 4 GiB; split the text.");
  symbols_.clear();
  symbols_.reserve(word.size());
  for (const char byte : word) {
    const std::int32_t token = model_.token_of(static_cast<std::uint8_t>(byte));
    if (token < 0) continue;
    const auto at = static_cast<std::uint32_t>(symbols_.size());
    symbols_.push_back({.token = token, .previous = at == 0 ? kNone : at - 1, .next = at + 1});
  }
  if (!symbols_.empty()) symbols_.back().next = kNone;
}

std::uint32_t BpeEncoder::rank_at(std::uint32_t at) const {
  const Symbol& symbol = symbols_[at];
  if (symbol.token < 0 || symbol.next == kNone) return BpeModel::kNoRank;
  return model_.find(symbol.token, symbols_[symbol.next].token).rank;
}

void BpeEncoder::join(std::uint32_t at, std::int32_t result) {
  Symbol& symbol = symbols_[at];
  Symbol& next = symbols_[symbol.next];
  symbol.token = result;
  next.token = -1;
  symbol.next = next.next;
  if (symbol.next != kNone) symbols_[symbol.next].previous = at;
}

void BpeEncoder::merge_by_heap() {
  // (rank, place), lowest first; entries of pairs that are gone stay until they come up.
  std::vector<std::uint64_t> pairs;
  const auto entry_at = [&](std::uint32_t at) {
    const std::uint32_t rank = rank_at(at);
    return rank == BpeModel::kNoRank ? 0 : (std::uint64_t{rank} + 1) << 32 | at;
  };
  for (std::uint32_t i = 0; i < symbols_.size(); ++i) {
    if (const std::uint64_t entry = entry_at(i); entry != 0) pairs.push_back(entry);
  }
  std::priority_queue queue(std::greater<>(), std::move(pairs));
  const auto push = [&](std::uint32_t at) {
    if (const std::uint64_t entry = entry_at(at); entry != 0) queue.push(entry);
  };
  while (!queue.empty()) {
    const std::uint64_t entry = queue.top();
    queue.pop();
    const auto at = static_cast<std::uint32_t>(entry);
    if (entry_at(at) != entry) continue;
    join(at, model_.find(symbols_[at].token, symbols_[symbols_[at].next].token).result);
    if (symbols_[at].previous != kNone) push(symbols_[at].previous);
    push(at);
  }
}

void BpeEncoder::merge_by_rank() {
  // The places of the pairs of each rank. A rank's places are complete when its turn comes.
  std::vector<std::vector<std::uint32_t>> places(model_.n_merges());
  const auto push = [&](std::uint32_t at) {
    if (const std::uint32_t rank = rank_at(at); rank != BpeModel::kNoRank) {
      places[rank].push_back(at);
    }
  };
  for (std::uint32_t i = 0; i < symbols_.size(); ++i) push(i);
  for (std::uint32_t rank = 0; rank < places.size(); ++rank) {
    std::vector<std::uint32_t> here = std::move(places[rank]);
    if (!std::ranges::is_sorted(here)) std::ranges::sort(here);
    for (const std::uint32_t at : here) {
      if (rank_at(at) != rank) continue;
      join(at, model_.find(symbols_[at].token, symbols_[symbols_[at].next].token).result);
      if (symbols_[at].previous != kNone) push(symbols_[at].previous);
      push(at);
    }
  }
}

}  // namespace krait
