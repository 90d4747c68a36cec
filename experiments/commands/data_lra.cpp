// krait data lra: the data of the Long Range Arena.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "data/lra/contact_sheet.h"
#include "data/lra/make.h"
#include "experiments/commands/command.h"
#include "experiments/commands/labelled_set.h"
#include "experiments/commands/late_progress.h"
#include "train/config/nearest_name.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

struct LraCommand {
  LraOptions options;
  std::string task, output, raw, sheet, json;
  std::vector<std::uint64_t> examples;
  ContactSheet sheet_options{.columns = 8, .scale = 2};
  int threads = 0;
};

ordered_json to_json(const LraResult& result) {
  ordered_json report{{"task", name_of(result.provenance.task)},
                      {"origin", name_of(result.provenance.origin)}};
  for (const Split split : kSplits) {
    report[std::string(name_of(split))] =
        labelled_set_json(result.sets.at(static_cast<std::size_t>(split)));
  }
  report["provenance"] = ordered_json::parse(result.provenance.json(std::nullopt));
  report["notes"] = result.notes;
  return report;
}

void print(const LraResult& result) {
  const LraProvenance& provenance = result.provenance;
  const auto agreeing = std::ranges::count_if(provenance.facts, &LraFact::agrees);
  std::cout << fmt::format("{}: {} data, {} of {} facts are those of the benchmark\n",
                           name_of(provenance.task), name_of(provenance.origin), agreeing,
                           provenance.facts.size());
  for (const LabelledSetInfo& info : result.sets) {
    std::cout << fmt::format("{}: {} examples, {} {}, {} bytes\n", info.path.string(),
                             info.n_examples, info.n_tokens, name_of(info.description.kind),
                             info.file_bytes);
  }
  for (const std::string& deviation : provenance.deviations) {
    std::cout << "other than in the benchmark: " << deviation << '\n';
  }
  for (const std::string& note : result.notes) std::cerr << note << '\n';
}

LraTask task_of(const std::string& name) {
  if (const auto task = value_of<LraTask>(name)) return *task;
  const std::string nearest = nearest_name(name, {kNames<LraTask>.begin(), kNames<LraTask>.end()});
  KRAIT_CHECK(Usage, false, "there is no task '", name, "'; the tasks are ",
              fmt::format("{}", fmt::join(kNames<LraTask>, ", ")), ".",
              nearest.empty() ? "" : " Did you mean " + nearest + "?");
}

void run(LraCommand& command) {
  LraOptions& options = command.options;
  options.task = task_of(command.task);
  options.output = command.output;
  options.raw = command.raw;
  options.tool = tool_name();
  if (!command.examples.empty()) {
    options.counts = {command.examples[0], command.examples[1], command.examples[2]};
  }
  use_threads(command.threads);
  LateProgress progress(command.task, "examples");
  options.progress = [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); };
  const LraResult result = make_lra_sets(options);
  progress.finish();
  print(result);
  if (!command.sheet.empty()) {
    const LabelledSet train(result.sets[0].path);
    write_file_atomic(command.sheet, encode_png(contact_sheet(train, command.sheet_options)));
  }
  write_json(command.json, to_json(result));
}

void add_task_options(CLI::App& lra, LraCommand& command) {
  LraOptions& options = command.options;
  lra.add_option("--max-length", options.max_length,
                 "text, retrieval: cut longer inputs; 0: not, or at the 4000 of retrieval")
      ->type_name("N")
      ->capture_default_str();
  add_choice_option(lra, "--units", "text, retrieval: what an input is cut into", options.units);
  add_choice_option(
      lra, "--validation",
      "text: validate on 2500 reviews held out of the training set, or, as in most of "
      "the literature, on the test set",
      options.validation);
  lra.add_option("--levels", options.levels,
                 "listops: replace deeper operators by their value, for a curriculum; 0: none")
      ->type_name("N")
      ->capture_default_str();
  lra.add_option("--window", options.window, "pathfinder: side of an image, 32, 64 or 128")
      ->type_name("PIXELS")
      ->capture_default_str();
  lra.add_option("--contour-length", options.contour_length,
                 "pathfinder, pathx: dashes of a path, 6, 9 or 14 (the benchmark's)")
      ->type_name("N")
      ->capture_default_str();
  lra.add_option("--sheet", command.sheet, "image, pathfinder: also a PNG with some images")
      ->type_name("FILE");
  lra.add_option("--sheet-columns", command.sheet_options.columns, "Its images of each class")
      ->type_name("N")
      ->capture_default_str();
  lra.add_option("--sheet-scale", command.sheet_options.scale, "How much it enlarges them")
      ->type_name("N")
      ->capture_default_str();
}

void add_data_lra(CLI::App& data) {
  const auto command = std::make_shared<LraCommand>();
  LraOptions& options = command->options;
  CLI::App* lra = data.add_subcommand(
      "lra", "Make the data of a task of the Long Range Arena, from the release or generated");
  lra->add_option("TASK", command->task, fmt::format("{}", fmt::join(kNames<LraTask>, ", ")))
      ->required();
  lra->add_option("--out", command->output, "Folder for train.h5, valid.h5 and test.h5")
      ->type_name("DIR")
      ->required();
  lra->add_option("--from", command->raw,
                  "Folder with the released files; without it listops and pathfinder are generated")
      ->type_name("DIR");
  add_seed_option(*lra, options.seed, "generated data, and the choice of validation examples");
  lra->add_option(
         "--examples", command->examples,
         "Generated examples for train, valid and test; default: as many as the release has")
      ->type_name("N N N")
      ->expected(3);
  lra->add_flag("--raw", options.write_raw,
                "Also write generated data in the files of the release, under DIR/raw");
  add_task_options(*lra, *command);
  add_threads_option(*lra, command->threads);
  add_json_option(*lra, command->json);
  lra->footer(
      "What --from looks for: listops basic_train.tsv; text aclImdb/; retrieval\n"
      "new_aan_pairs.train.tsv; image cifar-10-batches-bin/; pathfinder and pathx\n"
      "pathfinder32/curv_contour_length_14/ and its like. Images of pathx are drawn while a model\n"
      "trains and need no files.");
  lra->callback([command] { run(*command); });
}

const CommandRegistration kDataLra("data", 50, add_data_lra);

}  // namespace
}  // namespace krait
