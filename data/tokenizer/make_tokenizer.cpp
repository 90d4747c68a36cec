#include "data/tokenizer/make_tokenizer.h"

#include <filesystem>

#include "core/error.h"
#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/tokenizer/bpe_tokenizer.h"

namespace krait {

std::unique_ptr<Tokenizer> make_tokenizer(std::string_view spec, std::string_view end_of_document) {
  if (spec == ByteTokenizer::kName) {
    KRAIT_CHECK(Usage,
                end_of_document.empty() || end_of_document == ByteTokenizer::kEndOfDocumentText,
                "the tokenizer '", ByteTokenizer::kName, "' ends a document with ",
                ByteTokenizer::kEndOfDocumentText, ", not with '", end_of_document, "'.");
    return std::make_unique<ByteTokenizer>();
  }
  const std::filesystem::path path(spec);
  KRAIT_CHECK(Usage, !spec.empty() && path_exists(path), "unknown tokenizer '", spec, "'; use '",
              ByteTokenizer::kName,
              "', or the path of a tokenizer.json or of a directory that holds one.");
  return load_bpe_tokenizer(path, end_of_document);
}

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerIdentity& identity,
                                          std::string_view definition) {
  KRAIT_CHECK(BadData, definition.empty() || sha256_hex(definition) == identity.sha256,
              "the tokenizer.json kept with the data is not that of tokenizer '", identity.name,
              "' (sha256 ", identity.sha256.substr(0, 12),
              "...); the file is damaged: copy it again or make it again.");
  if (identity.name == kBpeTokenizerName) {
    KRAIT_CHECK(BadData, !definition.empty(),
                "the data was made with a tokenizer.json, which is not kept with it; make the data "
                "again.");
    return std::make_unique<BpeTokenizer>(
        std::string(definition), "the tokenizer.json kept with the data",
        BpeTokenizer::Ends{.end_of_document = identity.end_of_document,
                           .prefix_token = identity.prefix_token});
  }
  auto tokenizer = plain_tokenizer(identity.name);
  KRAIT_CHECK(BadData, tokenizer != nullptr && tokenizer->identity() == identity, "tokenizer '",
              identity.name, "' (sha256 ", identity.sha256.substr(0, 12),
              "...) is not known to this build; use the build that made the data, or make the data "
              "again.");
  return tokenizer;
}

}  // namespace krait
