// krait eval: how good a trained model is.
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "experiments/command.h"
#include "train/load_model.h"
#include "train/perplexity.h"
#include "train/progress.h"

namespace krait {
namespace {

struct EvalOptions {
  std::string model, text, data, json;
  CheckpointWeights weights = CheckpointWeights::Trained;
  PerplexityProtocol protocol = PerplexityProtocol::Blocks;
  std::int64_t max_length = 0, stride = 0, batch = 0;  // 0: not given
  Config::Run::Device device = Config::Run::Device::Auto;
  std::optional<Config::Train::Precision> precision;
  int threads = 0;
};

std::string protocol_name(const EvalOptions& o) {
  return std::string(kPerplexityProtocols[static_cast<std::size_t>(o.protocol)]);
}

/// What is scored.
struct Subject {
  std::string path, sha256;
  std::optional<TokenSet> set;  // which the corpus reads through
  Corpus corpus;
  TextStatistics statistics;
};

std::unique_ptr<Subject> read_subject(const EvalOptions& o, const LoadedModel& loaded) {
  auto subject = std::make_unique<Subject>();
  if (!o.data.empty()) {
    subject->set.emplace(o.data);
    require_tokenizer_of(loaded, *subject->set);
    subject->set->verify();  // far faster than the model, and no figure rests on damaged text
    subject->path = o.data;
    subject->sha256 = subject->set->info().content_sha256;
    subject->corpus = corpus_of(*subject->set);
    subject->statistics = text_statistics(*subject->set, *loaded.tokenizer);
    return subject;
  }
  const std::string text = read_file(o.text);
  KRAIT_CHECK(BadData, !text.empty(), "'", o.text, "' is empty; give a file with text.");
  subject->path = o.text;
  subject->sha256 = sha256_hex(text);
  subject->corpus = corpus_of(loaded.tokenizer->encode(text), loaded.tokenizer->end_of_document());
  subject->statistics.add(text);
  return subject;
}

PerplexityOptions perplexity_options(const EvalOptions& o, const LoadedModel& loaded) {
  PerplexityOptions result{.reset_at_documents = loaded.config.data.reset_at_documents,
                           .batch = o.batch};
  PerplexityWindowing& w = result.windowing;
  w.protocol = o.protocol;
  w.length = static_cast<std::uint64_t>(o.max_length > 0 ? o.max_length
                                                         : loaded.config.data.sequence_length);
  const bool sliding = w.protocol == PerplexityProtocol::Sliding;
  KRAIT_CHECK(Usage, sliding || o.stride == 0,
              "--stride is for --protocol sliding only; leave it out for ", protocol_name(o), ".");
  if (sliding) w.stride = o.stride > 0 ? static_cast<std::uint64_t>(o.stride) : w.length / 2;
  check_windowing(w);
  return result;
}

std::string_view document_policy(const PerplexityOptions& o) {
  switch (o.windowing.protocol) {
    case PerplexityProtocol::Blocks:
      return o.reset_at_documents ? "one stream, state reset at documents" : "one stream";
    case PerplexityProtocol::Sliding:
      return "one stream";
    case PerplexityProtocol::Document:
    case PerplexityProtocol::LmEval:
      break;
  }
  return "each by itself";
}

nlohmann::ordered_json report_json(const EvalOptions& o, const PerplexityOptions& p,
                                   const LoadedModel& loaded, const Subject& subject,
                                   const PerplexityScore& score) {
  const PerplexityFigures f = perplexity_figures(score, subject.statistics);
  const TokenizerIdentity tokenizer = loaded.tokenizer->identity();
  nlohmann::ordered_json json{
      {"token_perplexity", f.token_perplexity},
      {"word_perplexity", f.word_perplexity},
      {"byte_perplexity", f.byte_perplexity},
      {"bits_per_byte", f.bits_per_byte},
      {"unigram_bits_per_byte", f.unigram_bits_per_byte},
      {"loglikelihood", score.loglikelihood},
      {"n_tokens", score.n_tokens},
      {"n_words", subject.statistics.words},
      {"n_bytes", subject.statistics.bytes},
      {"n_documents", subject.corpus.ends.size() - 1},
      {"protocol", protocol_name(o)},
      {"protocol_version", 1},
      {"windows", score.n_windows},
      {"max_length", p.windowing.length},
      {"stride", nullptr},
      {"documents", document_policy(p)},
      {"context_carried", o.protocol == PerplexityProtocol::Document},
      {"prefix_token", loaded.tokenizer->end_of_document()},
      {"detokenizer", "none"},
      {"dtype", choice_name(loaded.precision)},
      {"device", describe_device(loaded.model->device())},
      {"model", loaded.path.string()},
      {"step", loaded.step},
      {"weights", o.weights == CheckpointWeights::Averaged ? "averaged" : "trained"},
      {"data", subject.path},
      {"data_sha256", subject.sha256},
      {"tokenizer", {{"name", tokenizer.name}, {"sha256", tokenizer.sha256}}}};
  if (p.windowing.stride > 0) json["stride"] = p.windowing.stride;
  return json;
}

void print_report(const nlohmann::ordered_json& r) {
  const auto number = [&](const char* key) { return r[key].get<double>(); };
  const auto count = [&](const char* key) { return r[key].get<std::uint64_t>(); };
  const auto text = [&](const char* key) { return r[key].get<std::string>(); };
  const std::string stride =
      r["stride"].is_null() ? "" : fmt::format(", stride {}", count("stride"));
  std::cout << fmt::format("model             {} (step {}, {} weights, {} on {})\n", text("model"),
                           count("step"), text("weights"), text("dtype"), text("device"))
            << fmt::format("text              {}: {} bytes, {} words, {} tokens, documents: {}\n",
                           text("data"), count("n_bytes"), count("n_words"), count("n_tokens"),
                           count("n_documents"))
            << fmt::format("protocol          {}: {} windows, length {}{}; documents: {}\n",
                           text("protocol"), count("windows"), count("max_length"), stride,
                           text("documents"))
            << fmt::format("log-likelihood    {:.4f}\n", number("loglikelihood"))
            << fmt::format("token perplexity  {:.4f}\n", number("token_perplexity"))
            << fmt::format("word perplexity   {:.4f}\n", number("word_perplexity"))
            << fmt::format("byte perplexity   {:.4f}\n", number("byte_perplexity"))
            << fmt::format("bits per byte     {:.4f}\n", number("bits_per_byte"))
            << fmt::format("baseline          {:.4f} bits per byte: the frequencies of its bytes\n",
                           number("unigram_bits_per_byte"));
}

void run_perplexity(const EvalOptions& o) {
  KRAIT_CHECK(Usage, o.text.empty() != o.data.empty(),
              "give either --text FILE or --data SET, so that there is one text to score.");
  use_threads(o.threads);
  const Device device = resolve_device(o.device, o.precision);
  const LoadedModel loaded =
      load_model(o.model, {.weights = o.weights, .precision = o.precision, .device = device});
  const ContextScope scope(precision_context(device, loaded.precision));
  const PerplexityOptions options = perplexity_options(o, loaded);
  const auto subject = read_subject(o, loaded);
  std::optional<Progress> progress;
  const PerplexityScore score = score_corpus(
      *loaded.model, subject->corpus, options, [&](std::uint64_t done, std::uint64_t total) {
        if (!progress) {
          progress.emplace(ProgressOptions{
              .label = "eval",
              .item = "tokens",
              .total = static_cast<std::int64_t>(total),
              .first = static_cast<std::int64_t>(done)});  // before the clock started
        }
        progress->update(static_cast<std::int64_t>(done));
      });
  if (progress) progress->finish();
  const nlohmann::ordered_json report = report_json(o, options, loaded, *subject, score);
  print_report(report);
  write_json(o.json, report);
}

void add_eval_command(CLI::App& app) {
  CLI::App* eval = app.add_subcommand("eval", "Evaluate a trained model");
  eval->require_subcommand(1);

  const auto o = std::make_shared<EvalOptions>();
  CLI::App* command =
      eval->add_subcommand("perplexity", "Perplexity and bits per byte on a text or token set");
  command->add_option("--model", o->model, "A checkpoint, or a run, whose newest one is taken")
      ->type_name("DIR")
      ->required();
  command->add_option("--text", o->text, "A text file: one document")->type_name("FILE");
  command->add_option("--data", o->data, "A token set (krait data build)")->type_name("SET");
  add_choice_option(
      *command,
      {.name = "--protocol",
       .help = "blocks: disjoint windows, as in training; document: each document whole, with "
               "carried state; sliding: windows that overlap, as in Hugging Face's guide; lm-eval: "
               "rolling windows of lm-evaluation-harness",
       .choices = {std::begin(kPerplexityProtocols), std::end(kPerplexityProtocols)},
       .set = [o](std::size_t i) { o->protocol = static_cast<PerplexityProtocol>(i); }});
  command
      ->add_option("--max-length", o->max_length,
                   "Tokens of a window; default: the length in training")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--stride", o->stride,
                   "Tokens between sliding windows; default: half of --max-length")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      ->add_option(
          "--batch", o->batch,
          "Windows computed at once on a CPU; no digit depends on it; default: as suits the "
          "threads")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  add_weights_option(*command, o->weights);
  add_threads_option(*command, o->threads);
  add_device_option(*command, o->device);
  add_precision_option(*command, o->precision);
  add_json_option(*command, o->json);
  command->footer(
      "In every protocol each token of the text is scored once and nothing else is: "
      "end-of-document tokens are context only, so the bits are those of the bytes.");
  command->callback([o] { run_perplexity(*o); });
}

const CommandRegistration kEval(20, add_eval_command);

}  // namespace
}  // namespace krait
