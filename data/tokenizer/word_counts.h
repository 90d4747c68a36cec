// Counts how often each pre-token occurs in a text: the data that a tokenizer is trained on.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/pre_tokenizer.h"

namespace krait {

struct WordCount {
  std::string word;  // bytes
  std::uint64_t count = 0;
};

/// Counts on all threads. Takes the memory of the different words, of 32 MiB of text, and of a text
/// that cannot be cut. The same counts with any number of threads.
class WordCounter {
 public:
  /// Pre-tokens with more bytes are not words and are left out.
  static constexpr std::size_t kMaxWordBytes = std::size_t{1} << 14;

  /// `nfc`: whether texts are normalised first.
  WordCounter(const PreTokenizer& pre_tokenizer, bool nfc)
      : pre_tokenizer_(pre_tokenizer), nfc_(nfc) {}

  /// Adds a document, or a part of one that was cut where PreTokenizer::may_cut allows it. It is
  /// read as by BpeTokenizer::encode, except for added tokens and prefix_space.
  void add(std::string_view text);
  /// Ends the document and counts it; or drops it with all its parts.
  void end_document();
  void drop_document();
  /// All words of the documents, sorted by their bytes. The counter is empty afterwards.
  std::vector<WordCount> take();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Counts = std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>>;

  void add_piece(std::string_view piece);
  void count_pieces();
  void count_pieces(std::size_t first, std::size_t last, Counts& counts) const;
  void count(std::string_view text, Counts& counts) const;

  PreTokenizer pre_tokenizer_;
  bool nfc_;
  std::vector<std::string> pieces_;  // waiting to be counted
  std::size_t bytes_ = 0;            // in them
  std::size_t complete_ = 0;         // pieces of complete documents
  Counts counts_;                    // of complete documents
  Counts open_;                      // of the incomplete document
};

}  // namespace krait
