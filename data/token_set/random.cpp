#include "data/token_set/random.h"

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/random.h"
#include "core/system/file.h"
#include "data/token_set/writer.h"

namespace krait {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 16;  // tokens drawn at a time
constexpr std::uint64_t kReportTokens = std::uint64_t{1} << 20;

/// Token i of a set. Its 32 random bits are one of the four words of number i / 4 of the stream,
/// scaled to the range: no value's chance is off by more than 2^-32.
class RandomTokens {
 public:
  RandomTokens(std::uint64_t seed, std::int64_t range)
      : stream_{.seed = seed,
                .purpose = RandomPurpose::Sample,
                .stream = stream_of("random tokens")},
        range_(static_cast<std::uint64_t>(range)) {}

  void fill(std::uint64_t first, std::span<std::int32_t> out) const {
    Philox4 words{};
    for (std::uint64_t i = first; i < first + out.size(); ++i) {
      if (i == first || i % words.size() == 0) words = stream_.bits(i / words.size());
      out[i - first] = static_cast<std::int32_t>((words[i % words.size()] * range_) >> 32);
    }
  }

 private:
  RandomStream stream_;
  std::uint64_t range_;
};

std::string provenance(const RandomTokenSet& o) {
  return nlohmann::ordered_json{{"tool", o.tool}, {"source", "random tokens"}, {"seed", o.seed}}
      .dump();
}

}  // namespace

TokenSetInfo write_random_token_set(const RandomTokenSet& o) {
  const NumberTokenizer tokenizer(o.vocab_size);
  KRAIT_CHECK(Usage, o.n_documents >= 1 && o.n_documents <= o.n_tokens,
              "there must be at least one document, and a token for each to end with; got ",
              o.n_documents, " documents of ", o.n_tokens, " tokens together.");
  make_directories(o.output.parent_path());
  TokenSetWriter writer(o.output, tokenizer);
  const RandomTokens tokens(o.seed, tokenizer.end_of_document());
  std::vector<std::int32_t> piece;
  std::uint64_t reported = 0;
  for (std::int64_t document = 0; document < o.n_documents; ++document) {
    const std::int64_t longer = document < o.n_tokens % o.n_documents ? 1 : 0;
    // without the token that ends it
    auto left = static_cast<std::uint64_t>(o.n_tokens / o.n_documents + longer - 1);
    while (left > 0) {
      piece.resize(std::min(left, kPiece));
      tokens.fill(writer.n_tokens(), piece);
      writer.append(piece);
      left -= piece.size();
      if (!o.progress || writer.n_tokens() - reported < kReportTokens) continue;
      reported = writer.n_tokens();
      o.progress(reported);
    }
    writer.end_document();
  }
  if (o.progress) o.progress(writer.n_tokens());
  writer.prepare(provenance(o));
  writer.commit();
  return TokenSet(o.output).info();
}

}  // namespace krait
