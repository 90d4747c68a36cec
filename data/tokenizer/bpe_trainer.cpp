#include "data/tokenizer/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "core/error.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/unicode/utf8.h"

namespace krait {
namespace {

constexpr std::int64_t kReportTokens = 64;

using Pair = std::pair<std::int32_t, std::int32_t>;

struct PairHash {
  std::size_t operator()(const Pair& pair) const {
    const std::uint64_t key = std::uint64_t{static_cast<std::uint32_t>(pair.first)} << 32 |
                              static_cast<std::uint32_t>(pair.second);
    return static_cast<std::size_t>((key ^ key >> 31) * 0x9e3779b97f4a7c15);
  }
};
template <class T>
using PairMap = std::unordered_map<Pair, T, PairHash>;
using Places = std::vector<std::uint32_t>;  // words, each once, that hold a pair

/// A pair that may be merged; its count was right when it was queued.
struct Candidate {
  std::int64_t count = 0;
  Pair pair;
  Places places;
};
struct MergedLater {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.count != b.count ? a.count < b.count : a.pair > b.pair;
  }
};

class Trainer {
 public:
  Trainer(const std::vector<WordCount>& words, const BpeTraining& training) : training_(training) {
    for (const std::string& token : training.special_tokens) token_called(token);
    read_bytes();
    const auto needed = static_cast<std::int64_t>(result_.tokens.size());
    KRAIT_CHECK(Usage,
                training.vocab_size >= needed &&
                    training.vocab_size <= std::numeric_limits<std::int32_t>::max(),
                "the vocabulary must have at least ", needed,
                " tokens, for the bytes and the special ones, got ", training.vocab_size, ".");
    KRAIT_CHECK(BadData, words.size() < std::numeric_limits<std::uint32_t>::max(), "the text has ",
                words.size(), " different words, which are too many; train on less text.");
    for (const WordCount& word : words) read_word(word);
    queue_changed();
  }

  TrainedBpe run() {
    while (static_cast<std::int64_t>(result_.tokens.size()) < training_.vocab_size &&
           !queue_.empty()) {
      std::ranges::pop_heap(queue_, MergedLater());
      Candidate best = std::move(queue_.back());
      queue_.pop_back();
      if (const std::int64_t count = counts_[best.pair]; count != best.count) {
        best.count = count;
        queue(std::move(best));
        continue;
      }
      if (static_cast<std::uint64_t>(best.count) <
          std::max<std::uint64_t>(training_.min_frequency, 1)) {
        break;
      }
      merge(best);
      report();
    }
    keep_last_merges();
    return std::move(result_);
  }

 private:
  std::int32_t token_called(const std::string& text) {
    const auto [found, is_new] =
        ids_.try_emplace(text, static_cast<std::int32_t>(result_.tokens.size()));
    if (is_new) result_.tokens.push_back(text);
    return found->second;
  }

  void read_bytes() {
    std::array<std::size_t, 256> bytes;
    std::iota(bytes.begin(), bytes.end(), 0);
    std::ranges::sort(bytes, {}, [](std::size_t byte) { return byte_alphabet()[byte]; });
    for (const std::size_t byte : bytes) {
      std::string text;
      append_utf8(byte_alphabet()[byte], text);
      byte_tokens_[byte] = token_called(text);
    }
  }

  void read_word(const WordCount& word) {
    std::vector<std::int32_t> tokens;
    for (const char byte : word.word)
      tokens.push_back(byte_tokens_[static_cast<std::uint8_t>(byte)]);
    const auto index = static_cast<std::uint32_t>(words_.size());
    const auto count = static_cast<std::int64_t>(word.count);
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      add({tokens[i], tokens[i + 1]}, count, index);
    }
    words_.push_back(std::move(tokens));
    word_counts_.push_back(count);
  }

  /// Counts a pair that a word has got.
  void add(Pair pair, std::int64_t count, std::uint32_t word) {
    counts_[pair] += count;
    Places& places = changed_[pair];
    if (places.empty() || places.back() != word) places.push_back(word);
  }

  void queue(Candidate candidate) {
    if (candidate.count <= 0) return;
    queue_.push_back(std::move(candidate));
    std::ranges::push_heap(queue_, MergedLater());
  }

  /// Queues the pairs that words have got since the last time.
  void queue_changed() {
    for (auto& [pair, places] : changed_) {
      queue({.count = counts_[pair], .pair = pair, .places = std::move(places)});
    }
    changed_.clear();
  }

  void merge(const Candidate& best) {
    const auto& [left, right] = best.pair;
    const std::int32_t both = token_called(result_.tokens[static_cast<std::size_t>(left)] +
                                           result_.tokens[static_cast<std::size_t>(right)]);
    result_.merges.push_back(best.pair);
    for (const std::uint32_t word : best.places) merge_in_word(best.pair, both, word);
    queue_changed();
  }

  void merge_in_word(Pair pair, std::int32_t both, std::uint32_t word) {
    std::vector<std::int32_t>& tokens = words_[word];
    const std::int64_t count = word_counts_[word];
    std::size_t size = 0;  // of what is done
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i] != pair.first || i + 1 == tokens.size() || tokens[i + 1] != pair.second) {
        tokens[size++] = tokens[i];
        continue;
      }
      if (size > 0) {
        counts_[{tokens[size - 1], pair.first}] -= count;
        add({tokens[size - 1], both}, count, word);
      }
      ++i;
      if (i + 1 < tokens.size()) {
        counts_[{pair.second, tokens[i + 1]}] -= count;
        add({both, tokens[i + 1]}, count, word);
      }
      tokens[size++] = both;
    }
    tokens.resize(size);
  }

  /// Of a merge that was found twice the last counts, as where a tokenizer.json is read.
  void keep_last_merges() {
    PairMap<std::size_t> last;
    for (std::size_t i = 0; i < result_.merges.size(); ++i) last[result_.merges[i]] = i;
    std::size_t at = 0;
    std::erase_if(result_.merges, [&](const Pair& pair) { return last[pair] != at++; });
  }

  void report() {
    const auto size = static_cast<std::int64_t>(result_.tokens.size());
    if (training_.progress && size % kReportTokens == 0) training_.progress(size);
  }

  const BpeTraining& training_;
  TrainedBpe result_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::array<std::int32_t, 256> byte_tokens_{};
  std::vector<std::vector<std::int32_t>> words_;
  std::vector<std::int64_t> word_counts_;
  PairMap<std::int64_t> counts_;
  PairMap<Places> changed_;
  std::vector<Candidate> queue_;  // a heap
};

}  // namespace

TrainedBpe train_bpe(const std::vector<WordCount>& words, const BpeTraining& training) {
  return Trainer(words, training).run();
}

}  // namespace krait
