// krait eval tasks: questions with known answers.
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/system/file.h"
#include "experiments/commands/late_progress.h"
#include "experiments/commands/trained_model.h"
#include "train/evaluate/choice_tasks.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

struct TasksCommand {
  TrainedModelOptions model;
  std::vector<std::string> files;
  std::string json, samples;
  std::int64_t max_length = 2048, batch = 0;
};

ordered_json task_json(const TaskFile& file, const std::vector<ExampleScore>& scores) {
  ordered_json json{{"name", file.path.stem().string()},
                    {"kind", file.kind == TaskKind::LastWord ? "last_word" : "multiple_choice"},
                    {"n_examples", file.examples.size()}};
  for (const TaskFigure& f : task_figures(file, scores)) {
    json[f.name] = f.value;
    json[f.name + "_stderr"] = nullptr;
    if (std::isfinite(f.standard_error)) json[f.name + "_stderr"] = f.standard_error;
  }
  json["file"] = file.path.string();
  json["sha256"] = file.sha256;
  return json;
}

/// A line for each example.
std::string sample_lines(const TaskFile& file, const std::vector<ExampleScore>& scores) {
  std::string lines;
  for (std::size_t e = 0; e < scores.size(); ++e) {
    ordered_json line{
        {"task", file.path.stem().string()}, {"line", file.examples[e].line},
        {"gold", file.examples[e].gold},     {"loglikelihoods", ordered_json::array()},
        {"n_tokens", ordered_json::array()}, {"greedy", ordered_json::array()}};
    for (const ExampleScore::Choice& choice : scores[e].choices) {
      line["loglikelihoods"].push_back(choice.loglikelihood);
      line["n_tokens"].push_back(choice.n_tokens);
      line["greedy"].push_back(choice.greedy);
    }
    lines += line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  }
  return lines;
}

void print_task(const TaskFile& file, const std::vector<ExampleScore>& scores) {
  for (const TaskFigure& f : task_figures(file, scores)) {
    const std::string error =
        std::isfinite(f.standard_error) ? fmt::format(" +- {:.4f}", f.standard_error) : "";
    std::cout << fmt::format("{:<17} {:<10} {:.4f}{}\n", file.path.stem().string(), f.name, f.value,
                             error);
  }
}

void run_tasks(const TasksCommand& o) {
  std::vector<TaskFile> files;  // all of them first: a mistake in the last shows at once
  for (const std::string& path : o.files) files.push_back(read_task_file(path));
  const LoadedModel loaded = load_trained_model(o.model);
  const ContextScope scope(precision_context(loaded.model->device(), loaded.precision));
  ordered_json report{
      {"tasks", ordered_json::array()},   {"protocol", "lm-eval"},
      {"protocol_version", kTaskVersion}, {"max_length", o.max_length},
      {"target_delimiter", " "},          {"prefix_token", loaded.tokenizer->prefix_token()}};
  describe_trained_model(o.model, loaded, report);
  std::cout << trained_model_line(report);
  std::string samples;
  for (const TaskFile& file : files) {
    LateProgress progress("eval", "choices");
    const auto scores =
        score_task(*loaded.model, *loaded.tokenizer, file,
                   {.max_length = o.max_length, .scoring = {.batch = o.batch}},
                   [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
    progress.finish();
    print_task(file, scores);
    report["tasks"].push_back(task_json(file, scores));
    if (!o.samples.empty()) samples += sample_lines(file, scores);
  }
  write_json(o.json, report);
  if (!o.samples.empty()) write_file_atomic(o.samples, samples);
}

void add_eval_tasks(CLI::App& eval) {
  const auto o = std::make_shared<TasksCommand>();
  CLI::App* command = eval.add_subcommand(
      "tasks", "Multiple-choice and last-word tasks, as in lm-evaluation-harness");
  command
      ->add_option("FILE", o->files,
                   "JSONL files, each of one kind: {\"context\", \"choices\", \"gold\"}, or "
                   "{\"context\", \"target\"}, or LAMBADA's {\"text\"}")
      ->required();
  command
      ->add_option("--max-length", o->max_length,
                   "Most tokens that the model sees; longer contexts lose their start")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_batch_option(*command, o->batch, "Choices");
  command->add_option("--samples", o->samples, "Write the scores of every example, one per line")
      ->type_name("FILE");
  add_trained_model_options(*command, o->model);
  add_json_option(*command, o->json);
  command->footer(
      "acc: the right choice has the largest log-likelihood; acc_norm, acc_bytes: per character, "
      "per byte of the choice. Last word: perplexity of the targets; acc: greedy decoding gives "
      "the target. docs/evaluation.md has the details.");
  command->callback([o] { run_tasks(*o); });
}

const CommandRegistration kTasks("eval", 20, add_eval_tasks);

}  // namespace
}  // namespace krait
