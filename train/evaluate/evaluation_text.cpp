#include "train/evaluate/evaluation_text.h"

#include <utility>
#include <vector>

#include "core/error.h"
#include "core/system/file.h"
#include "data/text/documents.h"
#include "train/evaluate/wikitext.h"

namespace krait {

EvaluationText read_evaluation_text(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                    const EvaluationTextOptions& options) {
  const std::vector<TextSource> sources = find_text_sources({path});
  KRAIT_CHECK(Usage, sources.size() == 1, "'", path.string(), "' is a folder of ", sources.size(),
              " texts; give one file, such as a JSONL file of them all.");
  EvaluationText text{.sha256 = file_sha256(path)};
  std::vector<std::vector<std::int32_t>> documents;
  const auto add = [&](std::string_view document) {
    if (document.empty()) return;
    text.statistics.add(document);
    documents.push_back(options.detokenizer == Detokenizer::Wikitext
                            ? tokenizer.encode(detokenize_wikitext(document))
                            : tokenizer.encode(document));
  };
  const auto skipped = visit_documents(
      sources.front(), options.text_field, [&](std::string_view document, std::uint64_t) {
        if (!options.articles) return add(document);
        for (const std::string_view article : wikitext_articles(document)) add(article);
      });
  KRAIT_CHECK(BadData, !skipped, "'", path.string(), "' is not a text (", skipped.value_or(""),
              "); give a text or JSONL file.");
  KRAIT_CHECK(BadData, !documents.empty(), "'", path.string(),
              "' is empty; give a file with text.");
  text.corpus = corpus_of_documents(std::move(documents), tokenizer.end_of_document());
  return text;
}

}  // namespace krait
