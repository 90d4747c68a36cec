#include "experiments/commands/labelled_set.h"

#include <cstdint>
#include <iostream>

#include <nlohmann/json.hpp>

#include "experiments/commands/command.h"
#include "train/record/progress.h"

namespace krait {

using nlohmann::ordered_json;

ordered_json labelled_set_json(const LabelledSetInfo& info) {
  const LabelledSetDescription& d = info.description;
  return {{"path", info.path.string()},
          {"task", d.task},
          {"n_examples", info.n_examples},
          {"inputs_per_example", d.inputs_per_example},
          {"input_kind", name_of(d.kind)},
          {"n_tokens", info.n_tokens},
          {"shortest_input", info.shortest_input},
          {"longest_input", info.longest_input},
          {"n_symbols", d.n_symbols},
          {"n_classes", d.n_classes()},
          {"height", d.height},
          {"width", d.width},
          {"content_sha256", info.content_sha256},
          {"file_bytes", info.file_bytes},
          {"format_version", info.format_version},
          {"provenance", ordered_json::parse(info.provenance, nullptr, false)}};
}

void describe_labelled_set(const std::string& path, const std::string& json) {
  const LabelledSet set(path);
  std::cout << set.info();
  write_json(json, labelled_set_json(set.info()));
}

void verify_labelled_set(const std::string& path, const std::string& json) {
  const LabelledSet set(path);
  Progress progress({.label = "verify",
                     .item = "tokens",
                     .total = static_cast<std::int64_t>(set.info().n_tokens)});
  set.verify([&](std::uint64_t done) { progress.update(static_cast<std::int64_t>(done)); });
  progress.finish();
  std::cout << path << " is intact: " << set.info().n_tokens << " tokens in " << set.n_examples()
            << " examples\n";
  ordered_json report = labelled_set_json(set.info());
  report["intact"] = true;
  write_json(json, report);
}

}  // namespace krait
