#include "data/tokenizer/word_counts.h"

#include <algorithm>

#include "core/system/parallel.h"
#include "data/unicode/characters.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kBatchBytes = std::size_t{32} << 20;

template <class Counts>
void add_counts(const Counts& more, Counts& counts) {
  for (const auto& [word, count] : more) counts[word] += count;
}

}  // namespace

void WordCounter::add(std::string_view text) {
  std::size_t limit = kPieceBytes;
  while (text.size() > limit) {
    std::size_t cut = limit;
    while (cut > 0 && !pre_tokenizer_.may_cut(text, cut)) --cut;
    if (cut == 0) {
      limit *= 2;
      continue;
    }
    add_piece(text.substr(0, cut));
    text.remove_prefix(cut);
    limit = kPieceBytes;
  }
  add_piece(text);
}

void WordCounter::add_piece(std::string_view piece) {
  if (piece.empty()) return;
  pieces_.emplace_back(piece);
  bytes_ += piece.size();
  if (bytes_ >= kBatchBytes) count_pieces();
}

void WordCounter::count(std::string_view text, Counts& counts) const {
  std::string repaired, normalized;
  text = repaired_utf8(text, repaired);
  if (nfc_) text = to_nfc(text, normalized);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, pre_tokenizer_.first(text));
    text.remove_prefix(word.size());
    if (word.size() > kMaxWordBytes) continue;
    const auto found = counts.find(word);
    if (found != counts.end()) {
      ++found->second;
    } else {
      counts.emplace(word, 1);
    }
  }
}

void WordCounter::count_pieces(std::size_t first, std::size_t last, Counts& counts) const {
  const auto size = static_cast<std::int64_t>(last - first);
  const std::int64_t grain = std::max<std::int64_t>(1, size / (4 * thread_count()));
  std::vector<Counts> parts(static_cast<std::size_t>((size + grain - 1) / grain));
  parallel_for(size, grain, [&](std::int64_t begin, std::int64_t end) {
    Counts& part = parts[static_cast<std::size_t>(begin / grain)];
    for (std::int64_t i = begin; i < end; ++i) {
      count(pieces_[first + static_cast<std::size_t>(i)], part);
    }
  });
  for (const Counts& part : parts) add_counts(part, counts);
}

void WordCounter::count_pieces() {
  count_pieces(0, complete_, counts_);
  count_pieces(complete_, pieces_.size(), open_);
  pieces_.clear();
  bytes_ = complete_ = 0;
}

void WordCounter::end_document() {
  complete_ = pieces_.size();
  add_counts(open_, counts_);
  open_.clear();
}

void WordCounter::drop_document() {
  while (pieces_.size() > complete_) {
    bytes_ -= pieces_.back().size();
    pieces_.pop_back();
  }
  open_.clear();
}

std::vector<WordCount> WordCounter::take() {
  drop_document();
  count_pieces();
  std::vector<WordCount> words;
  words.reserve(counts_.size());
  for (const auto& [word, count] : counts_) words.push_back({word, count});
  counts_.clear();
  std::ranges::sort(words, {}, &WordCount::word);
  return words;
}

}  // namespace krait
