// Documents, and token sets made of them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/random.h"
#include "data/token_set/token_set.h"
#include "data/token_set/writer.h"

namespace krait {

using Documents = std::vector<std::vector<std::int32_t>>;

inline Documents random_documents(std::size_t count, std::size_t longest, std::int64_t vocab_size,
                                  std::uint64_t seed) {
  Documents documents(count);
  const RandomStream random{.seed = seed};
  std::uint64_t at = 0;
  for (auto& document : documents) {
    document.resize(random.bits64(at++) % (longest + 1));
    for (auto& id : document) {
      id = static_cast<std::int32_t>(random.bits64(at++) %
                                     static_cast<std::uint64_t>(vocab_size - 1));
    }
  }
  return documents;
}

inline void write_set(const std::filesystem::path& path, const Tokenizer& tokenizer,
                      const Documents& documents) {
  TokenSetWriter writer(path, tokenizer);
  for (const auto& document : documents) {
    const auto half = std::span(document).first(document.size() / 2);
    writer.append(half);
    writer.append(std::span(document).subspan(half.size()));
    writer.end_document();
  }
  writer.prepare("{\"made by\": \"the test\"}");
  writer.commit();
}

inline std::vector<std::int32_t> flat(const Documents& documents, std::int32_t end) {
  std::vector<std::int32_t> tokens;
  for (const auto& document : documents) {
    tokens.insert(tokens.end(), document.begin(), document.end());
    tokens.push_back(end);
  }
  return tokens;
}

inline std::vector<std::int32_t> all_tokens(const TokenSet& set) {
  std::vector<std::int32_t> tokens(set.n_tokens());
  set.copy(0, tokens);
  return tokens;
}

}  // namespace krait
