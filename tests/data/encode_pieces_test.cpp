#include "data/encode_pieces.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/bpe_tokenizer.h"

namespace krait {
namespace {

TEST(EncodePieces, GivesTheIdsOfTheWhole) {
  const auto tokenizer =
      load_bpe_tokenizer(KRAIT_SOURCE_DIR "/tests/data/tokenizers/llama3_style.json");
  std::string text;
  for (int i = 0; text.size() < (std::size_t{3} << 20); ++i) {
    text += "line " + std::to_string(i) + " of a text\n\n\n";
  }
  // A stretch of two MiB without a place to cut.
  for (const std::string& whole : {std::string(), std::string("ab"), text,
                                   text + std::string(std::size_t{2} << 20, '\n') + text}) {
    std::vector<std::int32_t> ids;
    std::size_t bytes = 0, calls = 0;
    encode_pieces(*tokenizer, whole, [&](std::span<const std::int32_t> part, std::size_t n) {
      ids.insert(ids.end(), part.begin(), part.end());
      bytes += n;
      ++calls;
    });
    EXPECT_EQ(ids, tokenizer->encode(whole));
    EXPECT_EQ(bytes, whole.size());
    EXPECT_GE(calls, whole.size() >> 22);
  }
}

}  // namespace
}  // namespace krait
