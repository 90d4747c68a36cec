#include "train/evaluate/corpus.h"

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

Corpus corpus_of_documents(std::vector<std::vector<std::int32_t>> documents,
                           std::int32_t end_of_document) {
  struct Held {
    std::vector<std::int32_t> x;
    std::vector<std::uint64_t> ends;
  };
  const auto held = std::make_shared<Held>();
  held->ends = {0};
  held->x = {end_of_document};
  for (std::vector<std::int32_t>& document : documents) {
    held->x.insert(held->x.end(), document.begin(), document.end());
    held->ends.push_back(held->x.size());
    held->x.push_back(end_of_document);
    document = {};
  }
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

TextStatistics text_statistics(const Corpus& corpus, std::uint64_t first, std::uint64_t last,
                               const Tokenizer& tokenizer) {
  TextStatistics statistics;
  std::vector<std::int32_t> ids;
  const auto add = [&](std::uint64_t end) {  // of a piece of a document, from `first` on
    if (end <= first) return;
    ids.resize(end - first);
    corpus.copy(first, ids);
    statistics.add(tokenizer.decode(ids));
  };
  for (const std::uint64_t end : corpus.ends) {
    if (end < first) continue;
    if (end >= last) break;
    add(end);
    first = end + 1;
  }
  add(last);
  return statistics;
}

}  // namespace krait
