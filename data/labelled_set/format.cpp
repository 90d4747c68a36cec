#include "data/labelled_set/format.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace krait {

std::string labelled_set_format::names_json(const LabelledSetDescription& d) {
  return nlohmann::ordered_json{{"symbols", d.symbols}, {"classes", d.classes}}.dump();
}

Sha256 labelled_set_format::content_hash(const LabelledSetInfo& info,
                                         std::span<const std::uint8_t> block_hashes) {
  const LabelledSetDescription& d = info.description;
  Sha256 hash;
  hash.update(str(kFormat.name, "\n", kFormat.version, "\n", d.task, "\n", name_of(d.kind), "\n",
                  d.n_symbols, "\n", d.inputs_per_example, "\n", d.height, "\n", d.width, "\n",
                  names_json(d), "\n", info.n_tokens, "\n", info.n_examples, "\n",
                  info.provenance.size(), "\n", info.provenance, "\n"));
  hash.update(std::as_bytes(block_hashes));
  return hash;
}

std::string labelled_set_format::problem_with(const LabelledSetDescription& d) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (d.n_symbols < 1 || d.n_symbols >= kMost) return str("n_symbols ", d.n_symbols);
  if (!d.symbols.empty() && std::cmp_not_equal(d.symbols.size(), d.n_symbols)) {
    return str(d.symbols.size(), " names for ", d.n_symbols, " symbols");
  }
  if (d.classes.empty() || std::cmp_greater(d.classes.size(), kMost)) {
    return str(d.classes.size(), " classes");
  }
  if (d.inputs_per_example < 1 || d.inputs_per_example > 2) {
    return str("inputs_per_example ", d.inputs_per_example);
  }
  const bool image = d.kind == InputKind::Pixels;
  const std::int64_t least = image ? 1 : 0, most = image ? std::int64_t{1} << 15 : 0;
  for (const std::int64_t side : {d.height, d.width}) {
    if (side < least || side > most) return str(d.height, " x ", d.width, " ", name_of(d.kind));
  }
  if (image && d.n_symbols > 256) return str(d.n_symbols, " levels of grey");
  return {};
}

}  // namespace krait
