// Byte pair encoding of one pre-token: its bytes are merged, pair by pair, into tokens.
#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace krait {

/// A vocabulary and its merges: the pair (left, right) becomes `result`. Earlier merges go first.
struct BpeVocabulary {
  struct Merge {
    std::int32_t left = 0, right = 0, result = 0;
  };
  /// Bytes and id >= 0 of the tokens that are written in bytes.
  std::vector<std::pair<std::string, std::int32_t>> tokens;
  std::vector<Merge> merges;
  bool ignore_merges = false;  // a pre-token that is in the vocabulary is that token
};

/// Immutable; for any number of threads. Sennrich et al. 2016, as in GPT-2 and the `tokenizers`
/// library: while some pair has a merge, the pair of the lowest rank is merged, and of equal ranks
/// the leftmost. A byte that is not in the vocabulary is left out.
class BpeModel {
 public:
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
  struct Found {
    std::uint32_t rank = kNoRank;
    std::int32_t result = 0;
  };

  explicit BpeModel(const BpeVocabulary& vocabulary);

  /// The merge of two tokens.
  Found find(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t slot = hash(key) & mask_;; slot = (slot + 1) & mask_) {
      const Entry& entry = table_[slot];
      if (entry.key == key) return {entry.rank, entry.result};
      if (entry.key == kNoKey) return {};
    }
  }
  /// The token of a byte, or -1.
  std::int32_t token_of(std::uint8_t byte) const { return byte_tokens_[byte]; }
  bool ignore_merges() const { return ignore_merges_; }
  /// The token of a whole pre-token where merges are ignored, or -1.
  std::int32_t whole_token(std::string_view bytes) const;
  std::size_t n_merges() const { return n_merges_; }
  /// Whether each merge ranks after those that make its two parts, as in every trained vocabulary.
  /// Then merges of one rank never create pairs of a lower rank.
  bool ranks_rise() const { return ranks_rise_; }

 private:
  struct Entry {
    std::uint64_t key;
    std::uint32_t rank;
    std::int32_t result;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  static constexpr std::uint64_t kNoKey = std::numeric_limits<std::uint64_t>::max();
  static std::uint64_t key_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 |
           static_cast<std::uint32_t>(right);
  }
  static std::size_t hash(std::uint64_t key) {
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15;
    key ^= key >> 29;
    key *= 0xbf58476d1ce4e5b9;
    return static_cast<std::size_t>(key ^ key >> 32);
  }
  void insert(const BpeVocabulary::Merge& merge, std::uint32_t rank);
  bool find_whether_ranks_rise(const BpeVocabulary& vocabulary) const;

  std::array<std::int32_t, 256> byte_tokens_;
  std::vector<Entry> table_;
  std::size_t mask_ = 0, n_merges_ = 0;
  bool ignore_merges_ = false, ranks_rise_ = false;
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> whole_;
};

/// Encodes pre-tokens, one after the other, and caches those it has seen. Takes 2 MiB, and about 24
/// n bytes more while it encodes a pre-token of n bytes, in time n log n. For one thread.
class BpeEncoder {
 public:
  /// `model` must outlive the encoder.
  explicit BpeEncoder(const BpeModel& model);

  /// Appends the tokens of a pre-token. Throws BadData for one of 4 GiB or more.
  void encode(std::string_view word, std::vector<std::int32_t>& out);

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << 15;
  static constexpr std::size_t kCachedBytes = 24, kCachedTokens = 8;
  /// A pre-token that was seen, in one line of the processor's cache.
  struct alignas(64) Seen {
    std::array<char, kCachedBytes> word;
    std::array<std::int32_t, kCachedTokens> tokens;
    std::uint8_t bytes = 0, n_tokens = 0;
  };
  /// Up to this many bytes, the lowest rank is found by a search through all of them.
  static constexpr std::size_t kShort = 48;
  /// From this many bytes on, ranks are processed in order, if they rise.
  static constexpr std::size_t kLong = std::size_t{1} << 14;
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  struct Symbol {
    std::int32_t token;  // -1: merged into the one before
    std::uint32_t previous, next;
  };

  void merge(std::string_view word, std::vector<std::int32_t>& out);
  void merge_short(std::string_view word, std::vector<std::int32_t>& out) const;
  void merge_by_heap();
  void merge_by_rank();
  /// Fills symbols_ with the tokens of the bytes.
  void read(std::string_view word);
  std::uint32_t rank_at(std::uint32_t at) const;
  /// Merges the symbol with the next one.
  void join(std::uint32_t at, std::int32_t result);

  const BpeModel& model_;
  std::vector<Seen> seen_;
  std::vector<Symbol> symbols_;
};

}  // namespace krait
