// Token sets of random tokens: to measure the speed of a configuration without its data.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "data/token_set/token_set.h"
#include "data/token_set/writer.h"

namespace krait {

struct RandomTokenSet {
  std::filesystem::path output;  // its folder is made if it does not exist
  std::int64_t vocab_size = 0;   // 2 <= vocab_size < 2^31
  std::int64_t n_tokens = 0;     // end-of-document tokens included
  std::int64_t n_documents = 1;
  std::uint64_t seed = 0;
  std::string tool = "krait";  // name and version, for the provenance
  /// Called from time to time with the tokens written, on the calling thread.
  std::function<void(std::uint64_t tokens)> progress;
};

/// Writes a set for the NumberTokenizer of that size: documents of equal length (the first ones are
/// one token longer if the division has a rest), token i of the set uniform in [0, vocab_size - 1)
/// from number i of the random stream of the seed, unless it ends a document. Takes the memory of a
/// TokenSetWriter. The provenance is a JSON object: tool, source ("random tokens"), seed.
///
/// Throws Usage unless 1 <= n_documents <= n_tokens, and what TokenSetWriter throws.
TokenSetInfo write_random_token_set(const RandomTokenSet& options);

}  // namespace krait
