#include "data/token_set/info.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace krait {

std::ostream& operator<<(std::ostream& out, const TokenSetInfo& info) {
  const double mean = static_cast<double>(info.n_tokens) /
                      static_cast<double>(std::max<std::uint64_t>(info.n_documents, 1));
  out << "token set        " << info.path.string() << " (" << info.file_bytes << " bytes, format "
      << info.format_version << (info.n_shards > 1 ? str(", ", info.n_shards, " shards") : "")
      << ")\n"
      << "tokens           " << info.n_tokens << " of " << info.token_bytes * 8 << " bits\n"
      << "documents        " << info.n_documents << ", " << info.shortest_document << " to "
      << info.longest_document << " tokens, mean " << mean << "\n"
      << "tokenizer        " << info.tokenizer.name << ", vocabulary " << info.vocab_size
      << ", end of document " << info.end_of_document << "\n"
      << "tokenizer sha256 " << info.tokenizer.sha256 << "\n"
      << "content sha256   " << info.content_sha256 << "\n";
  const auto provenance = nlohmann::ordered_json::parse(info.provenance, nullptr, false);
  if (!provenance.is_object()) return out << "provenance       " << info.provenance << "\n";
  for (const auto& [key, value] : provenance.items()) {
    out << std::string(key).append(key.size() < 17 ? 17 - key.size() : 1, ' ') << value.dump()
        << "\n";
  }
  return out;
}

}  // namespace krait
