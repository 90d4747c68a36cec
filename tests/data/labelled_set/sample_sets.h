// Labelled sets of random examples.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/labelled_set/labelled_set.h"
#include "data/labelled_set/writer.h"

namespace krait {

struct Example {
  std::vector<std::vector<std::int32_t>> inputs;
  std::int32_t label = 0;
  friend bool operator==(const Example&, const Example&) = default;
};
using Examples = std::vector<Example>;

inline LabelledSetDescription token_description(std::int64_t n_symbols = 300,
                                                std::int64_t inputs_per_example = 1) {
  return {.task = "test",
          .n_symbols = n_symbols,
          .classes = {"no", "yes", "maybe"},
          .inputs_per_example = inputs_per_example};
}

inline Examples random_examples(std::size_t count, std::size_t longest,
                                const LabelledSetDescription& d, std::uint64_t seed) {
  const RandomStream random{.seed = seed};
  std::uint64_t at = 0;
  const auto below = [&](std::uint64_t bound) { return random.bits64(at++) % bound; };
  Examples examples(count);
  for (Example& example : examples) {
    example.label = static_cast<std::int32_t>(below(d.classes.size()));
    example.inputs.resize(static_cast<std::size_t>(d.inputs_per_example));
    for (auto& input : example.inputs) {
      input.resize(d.kind == InputKind::Pixels ? static_cast<std::size_t>(d.height * d.width)
                                               : 1 + below(longest));
      for (auto& id : input) {
        id = static_cast<std::int32_t>(below(static_cast<std::uint64_t>(d.n_symbols)));
      }
    }
  }
  return examples;
}

inline void write_labelled_set(const std::filesystem::path& path, const LabelledSetDescription& d,
                               const Examples& examples) {
  LabelledSetWriter writer(path, d);
  for (const Example& example : examples) {
    if (example.inputs.size() == 1) {
      writer.add(example.label, {example.inputs[0]});
    } else {
      writer.add(example.label, {example.inputs[0], example.inputs[1]});
    }
  }
  writer.prepare("{\"made by\": \"the test\"}");
  writer.commit();
}

inline Examples all_examples(const LabelledSet& set) {
  Examples examples(set.n_examples());
  for (std::uint64_t i = 0; i < examples.size(); ++i) {
    examples[i].label = set.labels()[i];
    for (std::int64_t k = 0; k < set.description().inputs_per_example; ++k) {
      std::vector<std::int32_t>& input = examples[i].inputs.emplace_back(set.length(i, k));
      set.copy(i, k, input);
    }
  }
  return examples;
}

}  // namespace krait
