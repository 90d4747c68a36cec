// The data of a run: a token set, or a mixture of several.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/loader/loader.h"
#include "data/loader/token_windows.h"
#include "data/token_set/token_set.h"
#include "data/tokenizer/make_tokenizer.h"

namespace krait {

class TrainingData {
 public:
  /// Opens the sets that data.train names (see data/loader/mixture.h). Throws what TokenSet throws,
  /// and BadData when they are of different tokenizers.
  explicit TrainingData(const std::string& data_train);

  /// The description of the first set, with the tokenizer and vocabulary of all.
  const TokenSetInfo& info() const { return parts_.front().set->info(); }
  std::unique_ptr<Tokenizer> make_tokenizer() const;
  /// Of all sets.
  std::uint64_t n_tokens() const;
  /// The identity that a checkpoint keeps, so that a run continues with the data that it began
  /// with: content_sha256 of a single set; of a mixture the SHA-256 of those, in order, and the
  /// shares.
  std::string identity() const;
  void verify() const;
  /// The windows of each set. Throws BadConfig when a set is shorter than one.
  std::vector<LoaderPart> windows(std::int64_t length, DocumentBoundary boundary) const;
  /// For the log, one line per set of a mixture: its share and its size.
  std::vector<std::string> description() const;

 private:
  struct Part {
    std::shared_ptr<const TokenSet> set;
    double weight;
  };
  double share(const Part& part) const;
  std::vector<Part> parts_;
};

}  // namespace krait
