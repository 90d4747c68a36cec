// krait generate: text from a trained model.
#include <cstdint>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "experiments/command.h"
#include "train/generate.h"
#include "train/load_model.h"

namespace krait {
namespace {

struct CommandOptions {
  std::string model, prompt, prompt_file, json;
  CheckpointWeights weights = CheckpointWeights::Trained;
  bool has_prompt = false;
  GenerateOptions generate;
  Config::Run::Device device = Config::Run::Device::Auto;
  std::optional<Config::Train::Precision> precision;
  int threads = 0;
};

std::string read_prompt(const CommandOptions& o) {
  KRAIT_CHECK(Usage, !o.has_prompt || o.prompt_file.empty(),
              "give either --prompt or --prompt-file, not both.");
  if (o.has_prompt) return o.prompt;
  if (!o.prompt_file.empty()) return read_file(o.prompt_file);
  return {std::istreambuf_iterator<char>(std::cin), {}};
}

void run_generate(const CommandOptions& o) {
  check_sampling(o.generate.sampling);
  use_threads(o.threads);
  const Device device = resolve_device(o.device, o.precision);
  const LoadedModel loaded =
      load_model(o.model, {.weights = o.weights, .precision = o.precision, .device = device});
  const ContextScope scope(precision_context(device, loaded.precision));
  const std::string prompt = read_prompt(o);
  std::cout << prompt << std::flush;
  const GeneratedText result =
      generate(*loaded.model, *loaded.tokenizer, prompt, o.generate,
               [](std::string_view text) { std::cout << text << std::flush; });
  std::cout << '\n';
  const SamplingOptions& sampling = o.generate.sampling;
  write_json(o.json, {{"prompt", prompt},
                      {"text", result.text},
                      {"tokens", result.tokens},
                      {"n_tokens", result.tokens.size()},
                      {"ended", result.ended},
                      {"temperature", sampling.temperature},
                      {"top_k", sampling.top_k},
                      {"top_p", sampling.top_p},
                      {"seed", o.generate.seed},
                      {"dtype", choice_name(loaded.precision)},
                      {"device", describe_device(device)},
                      {"model", loaded.path.string()},
                      {"step", loaded.step}});
}

void add_generate_command(CLI::App& app) {
  const auto o = std::make_shared<CommandOptions>();
  CLI::App* command =
      app.add_subcommand("generate", "Continue a text: prints the prompt and what follows it");
  command->add_option("--model", o->model, "A checkpoint, or a run, whose newest one is taken")
      ->type_name("DIR")
      ->required();
  const CLI::Option* prompt =
      command
          ->add_option("--prompt", o->prompt,
                       "The text to continue; default: what standard input holds; an empty one "
                       "starts a document")
          ->type_name("TEXT");
  command->add_option("--prompt-file", o->prompt_file, "A file with the prompt")->type_name("FILE");
  command->add_option("--max-tokens", o->generate.max_tokens, "Stop after so many new tokens")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
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
  command->add_option("--seed", o->generate.seed, "The same seed gives the same text")
      ->type_name("S")
      ->capture_default_str();
  add_weights_option(*command, o->weights);
  add_threads_option(*command, o->threads);
  add_json_option(*command, o->json);
  add_device_option(*command, o->device);
  add_precision_option(*command, o->precision);
  command->callback([o, prompt] {
    o->has_prompt = prompt->count() > 0;
    run_generate(*o);
  });
}

const CommandRegistration kGenerate(30, add_generate_command);

}  // namespace
}  // namespace krait
