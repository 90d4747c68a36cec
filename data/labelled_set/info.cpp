#include "data/labelled_set/info.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace krait {

std::ostream& operator<<(std::ostream& out, const LabelledSetInfo& info) {
  const LabelledSetDescription& d = info.description;
  const double mean = static_cast<double>(info.n_tokens) /
                      static_cast<double>(std::max<std::uint64_t>(info.n_inputs, 1));
  out << "labelled set     " << info.path.string() << " (" << info.file_bytes << " bytes, format "
      << info.format_version << ")\n"
      << "task             " << d.task << ", " << d.n_classes() << " classes\n"
      << "examples         " << info.n_examples
      << (d.inputs_per_example > 1 ? str(" of ", d.inputs_per_example, " inputs") : "") << "\n"
      << "inputs           " << info.n_tokens << " " << name_of(d.kind) << ", "
      << info.shortest_input << " to " << info.longest_input << ", mean " << mean
      << (d.height > 0 ? str(", ", d.height, " x ", d.width) : "") << "\n"
      << "symbols          " << d.n_symbols << "\n"
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
