#include "train/corpus.h"

#include <algorithm>
#include <memory>

#include "core/error.h"

namespace krait {

Corpus corpus_of(const TokenSet& set) {
  return {.ends = set.document_offsets(),
          .copy = [&set](std::uint64_t first, std::span<std::int32_t> out) {
            if (first == 0 && !out.empty()) {  // the set's tokens start after the first E
              out.front() = set.info().end_of_document;
              set.copy(0, out.subspan(1));
            } else {
              set.copy(first - 1, out);
            }
          }};
}

Corpus corpus_of(std::vector<std::int32_t> document, std::int32_t end_of_document) {
  struct Held {
    std::vector<std::int32_t> x;
    std::vector<std::uint64_t> ends;
  };
  const auto held = std::make_shared<Held>();
  held->ends = {0, document.size() + 1};
  held->x = std::move(document);
  held->x.insert(held->x.begin(), end_of_document);
  held->x.push_back(end_of_document);
  return {.ends = held->ends, .copy = [held](std::uint64_t first, std::span<std::int32_t> out) {
            KRAIT_REQUIRE(first <= held->x.size() && out.size() <= held->x.size() - first,
                          "[Corpus::copy] ", out.size(), " tokens from ", first, " on must be in ",
                          held->x.size(), ".");
            std::copy_n(held->x.begin() + static_cast<std::ptrdiff_t>(first), out.size(),
                        out.begin());
          }};
}

TextStatistics text_statistics(const TokenSet& set, const Tokenizer& tokenizer) {
  TextStatistics statistics;
  std::vector<std::int32_t> ids;
  const auto offsets = set.document_offsets();
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    ids.resize(offsets[i + 1] - offsets[i]);
    set.copy(offsets[i], ids);
    KRAIT_CHECK(BadData, ids.back() == set.info().end_of_document, "'", set.info().path.string(),
                "': document ", i, " does not end with token ", set.info().end_of_document,
                "; the set is damaged: copy it again or rebuild it.");
    ids.pop_back();
    statistics.add(tokenizer.decode(ids));
  }
  return statistics;
}

}  // namespace krait
