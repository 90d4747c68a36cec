// krait generate: text from a trained model.
#include "train/generate/generate.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "experiments/commands/trained_model.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

struct CommandOptions {
  TrainedModelOptions model;
  std::string prompt_file, prompts_file, json;
  std::vector<std::string> prompts;
  GenerateOptions generate;
};

/// One prompt a line: a JSON string, or an object with a string `prompt`.
std::vector<std::string> read_prompts(const std::string& path) {
  std::vector<std::string> prompts;
  std::istringstream lines(read_file(path));
  std::string line;
  for (std::uint64_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("prompt")) json = nlohmann::json(json["prompt"]);
    KRAIT_CHECK(BadData, json.is_string(), path, ":", number,
                ": the line is neither a JSON string nor an object with a string \"prompt\"; "
                "correct or remove it.");
    prompts.push_back(json.get<std::string>());
  }
  KRAIT_CHECK(BadData, !prompts.empty(), "there is no prompt in '", path, "'.");
  return prompts;
}

std::vector<std::string> prompts_of(const CommandOptions& o) {
  const int sources = !o.prompts.empty() + !o.prompt_file.empty() + !o.prompts_file.empty();
  KRAIT_CHECK(Usage, sources <= 1, "give one of --prompt, --prompt-file and --prompts.");
  if (!o.prompts.empty()) return o.prompts;
  if (!o.prompt_file.empty()) return {read_file(o.prompt_file)};
  if (!o.prompts_file.empty()) return read_prompts(o.prompts_file);
  return {{std::istreambuf_iterator<char>(std::cin), {}}};
}

ordered_json to_json(const std::string& prompt, const GeneratedText& text) {
  return {{"prompt", prompt},
          {"text", text.text},
          {"tokens", text.tokens},
          {"n_tokens", text.tokens.size()},
          {"finish_reason", name_of(text.finish)}};
}

ordered_json report_of(const CommandOptions& o, const LoadedModel& loaded) {
  const SamplingOptions& sampling = o.generate.sampling;
  ordered_json report{{"max_tokens", o.generate.max_tokens},
                      {"temperature", sampling.temperature},
                      {"top_k", sampling.top_k},
                      {"top_p", sampling.top_p},
                      {"min_p", sampling.min_p},
                      {"repetition_penalty", sampling.repetition_penalty},
                      {"stop", o.generate.stop},
                      {"seed", o.generate.seed}};
  describe_trained_model(o.model, loaded, report);
  return report;
}

/// Prints one text as it comes.
std::vector<GeneratedText> stream(const LoadedModel& loaded,
                                  const std::vector<std::string>& prompts,
                                  const GenerateOptions& options) {
  std::cout << prompts.front() << std::flush;
  auto texts = generate(*loaded.model, *loaded.tokenizer, prompts, options,
                        [](std::size_t, std::string_view s) { std::cout << s << std::flush; });
  std::cout << '\n';
  return texts;
}

/// A JSON object a line for each of several.
std::vector<GeneratedText> print_all(const LoadedModel& loaded,
                                     const std::vector<std::string>& prompts,
                                     const GenerateOptions& options) {
  auto texts = generate(*loaded.model, *loaded.tokenizer, prompts, options);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::cout << to_json(prompts[i], texts[i])
                     .dump(-1, ' ', false, ordered_json::error_handler_t::replace)
              << '\n';
  }
  return texts;
}

void run_generate(const CommandOptions& o) {
  check_generate(o.generate);
  const LoadedModel loaded = load_trained_model(o.model);
  const ContextScope scope(precision_context(loaded.model->device(), loaded.precision));
  const std::vector<std::string> prompts = prompts_of(o);
  const bool one = prompts.size() == 1 && o.prompts_file.empty();
  const auto start = std::chrono::steady_clock::now();
  const auto texts = (one ? stream : print_all)(loaded, prompts, o.generate);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;

  ordered_json report;
  if (one) report = to_json(prompts[0], texts[0]);
  report.update(report_of(o, loaded));
  std::size_t tokens = 0;
  for (const GeneratedText& text : texts) tokens += text.tokens.size();
  report["seconds"] = taken.count();  // with the prompts and the recording of the step
  report["tokens_per_second"] = static_cast<double>(tokens) / taken.count();
  for (std::size_t i = 0; !one && i < texts.size(); ++i) {
    report["texts"].push_back(to_json(prompts[i], texts[i]));
  }
  write_json(o.json, report);
}

void add_prompt_options(CLI::App& command, CommandOptions& o) {
  command
      .add_option("--prompt", o.prompts,
                  "The text to continue; repeat it for several texts; default: standard input; an "
                  "empty text starts a document")
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--prompt-file", o.prompt_file, "A file with the prompt")->type_name("FILE");
  command
      .add_option("--prompts", o.prompts_file,
                  "Many prompts: a file with one JSON string, or object with \"prompt\", per line")
      ->type_name("FILE");
  command.add_option("--max-tokens", o.generate.max_tokens, "Stop after N new tokens")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--stop", o.generate.stop,
                  "End a text before this string; may be given several times")
      ->type_name("TEXT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--batch", o.generate.batch, "Prompts that are continued side by side")
      ->type_name("N")
      ->capture_default_str();
}

void add_generate_command(CLI::App& app) {
  const auto o = std::make_shared<CommandOptions>();
  CLI::App* command =
      app.add_subcommand("generate", "Continue texts: print a prompt and its continuation");
  add_prompt_options(*command, *o);
  SamplingOptions& sampling = o->generate.sampling;
  const auto temperature =
      command
          ->add_option("--temperature", sampling.temperature,
                       "Divides the logits; 0 always takes the most likely token")
          ->type_name("T")
          ->capture_default_str();
  command
      ->add_flag_callback(
          "--greedy", [o] { o->generate.sampling.temperature = 0; }, "The same as --temperature 0")
      ->excludes(temperature);
  command->add_option("--top-k", sampling.top_k, "Only the K most likely tokens; 0: all")
      ->type_name("K")
      ->capture_default_str();
  command
      ->add_option("--top-p", sampling.top_p,
                   "Only the most likely tokens that reach probability P together")
      ->type_name("P")
      ->capture_default_str();
  command
      ->add_option("--min-p", sampling.min_p,
                   "Only tokens at least P times as likely as the most likely one")
      ->type_name("P")
      ->capture_default_str();
  command
      ->add_option("--repetition-penalty", sampling.repetition_penalty,
                   "Above 1: tokens that the text already has become less likely")
      ->type_name("X")
      ->capture_default_str();
  command->add_option("--seed", o->generate.seed, "The same seed gives the same text")
      ->type_name("S")
      ->capture_default_str();
  add_trained_model_options(*command, o->model);
  add_json_option(*command, o->json);
  command->footer(
      "One prompt is printed with its continuation while that is generated. Several prompts give "
      "one\nJSON object per line, in their order: prompt, text, tokens, n_tokens, finish_reason "
      "(length,\nend_of_document or stop).");
  command->callback([o] { run_generate(*o); });
}

const CommandRegistration kGenerate(30, add_generate_command);

}  // namespace
}  // namespace krait
