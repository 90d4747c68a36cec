// krait eval perplexity: how well a model predicts a text.
#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "experiments/commands/late_progress.h"
#include "experiments/commands/trained_model.h"
#include "train/evaluate/evaluation_text.h"
#include "train/evaluate/perplexity_evaluator.h"
#include "train/report/context_plot.h"

namespace krait {
namespace {

struct PerplexityCommand {
  TrainedModelOptions model;
  std::string text, data, json, plot;
  EvaluationTextOptions reading;
  PerplexityProtocol protocol = PerplexityProtocol::Blocks;
  std::int64_t max_length = 0, stride = 0, batch = 0;  // 0: not given
  bool drop_last = false, by_position = false;
};

/// What is scored.
struct Subject {
  std::string path, sha256;
  std::optional<TokenSet> set;  // which the corpus reads through
  Corpus corpus;
  TextStatistics statistics;
};

std::unique_ptr<Subject> read_subject(const PerplexityCommand& o, const LoadedModel& loaded) {
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
  EvaluationText text = read_evaluation_text(o.text, *loaded.tokenizer, o.reading);
  subject->path = o.text;
  subject->sha256 = std::move(text.sha256);
  subject->corpus = std::move(text.corpus);
  subject->statistics = text.statistics;
  return subject;
}

/// A piece of a document: on a GPU long enough to fill it, for the state carries on whatever it is.
std::int64_t default_length(const PerplexityCommand& o, const LoadedModel& loaded) {
  const std::int64_t trained = loaded.config.data.sequence_length;
  const bool pieces = o.protocol == PerplexityProtocol::Document;
  return pieces && loaded.model->device().is_cuda() ? std::max(trained, kGpuForwardTokens)
                                                    : trained;
}

PerplexityOptions perplexity_options(const PerplexityCommand& o, const LoadedModel& loaded) {
  PerplexityOptions result{.reset_at_documents = loaded.config.data.reset_at_documents,
                           .prefix_token = loaded.tokenizer->prefix_token(),
                           .scoring = {.batch = o.batch}};
  PerplexityWindowing& w = result.windowing;
  w.protocol = o.protocol;
  w.length =
      static_cast<std::uint64_t>(o.max_length > 0 ? o.max_length : default_length(o, loaded));
  w.drop_last = o.drop_last;
  const bool sliding = w.protocol == PerplexityProtocol::Sliding;
  KRAIT_CHECK(Usage, sliding || o.stride == 0,
              "--stride is for --protocol sliding only; leave it out for ", name_of(o.protocol),
              ".");
  if (sliding) w.stride = o.stride > 0 ? static_cast<std::uint64_t>(o.stride) : w.length / 2;
  check_windowing(w);
  return result;
}

void check_inputs(const PerplexityCommand& o) {
  KRAIT_CHECK(Usage, o.text.empty() != o.data.empty(),
              "give either --text FILE or --data SET, so that there is one text to score.");
  const bool as_is = !o.reading.articles && o.reading.detokenizer == Detokenizer::None;
  KRAIT_CHECK(Usage, o.data.empty() || as_is,
              "--articles and --detokenize are for --text; the documents of a set were chosen when "
              "it was built.");
  KRAIT_CHECK(Usage, !o.drop_last || o.reading.detokenizer == Detokenizer::None,
              "--drop-last counts the words and bytes of the remaining tokens, so it cannot be "
              "combined with --detokenize; leave one of them out.");
}

/// The words and bytes that the score is of.
TextStatistics scored_text(const PerplexityOptions& p, const PerplexityScore& score,
                           const Subject& subject, const Tokenizer& tokenizer) {
  if (!p.windowing.drop_last) return subject.statistics;
  return text_statistics(subject.corpus, 2, 2 + score.n_windows * p.windowing.length, tokenizer);
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

nlohmann::ordered_json figures_json(const PerplexityScore& score, const TextStatistics& text) {
  const PerplexityFigures f = perplexity_figures(score, text);
  return {{"token_perplexity", f.token_perplexity},
          {"word_perplexity", f.word_perplexity},
          {"byte_perplexity", f.byte_perplexity},
          {"bits_per_byte", f.bits_per_byte},
          {"unigram_bits_per_byte", f.unigram_bits_per_byte},
          {"loglikelihood", score.loglikelihood},
          {"n_tokens", score.n_tokens},
          {"n_words", text.words},
          {"n_bytes", text.bytes}};
}

nlohmann::ordered_json position_json(const PerplexityScore& score) {
  auto rows = nlohmann::ordered_json::array();
  for (const ContextBucket& b : score.by_context) {
    if (b.n_tokens == 0) continue;
    rows.push_back({{"context_from", b.from},
                    {"context_to", b.to},
                    {"n_tokens", b.n_tokens},
                    {"loss", b.mean_loss},
                    {"perplexity", std::exp(b.mean_loss)}});
  }
  return rows;
}

nlohmann::ordered_json report_json(const PerplexityCommand& o, const PerplexityOptions& p,
                                   const LoadedModel& loaded, const Subject& subject,
                                   const PerplexityScore& score) {
  nlohmann::ordered_json json =
      figures_json(score, scored_text(p, score, subject, *loaded.tokenizer));
  json["n_documents"] = subject.corpus.ends.size() - 1;
  json["protocol"] = name_of(o.protocol);
  json["protocol_version"] = kPerplexityVersion;
  json["windows"] = score.n_windows;
  json["max_length"] = p.windowing.length;
  json["stride"] = nullptr;
  if (p.windowing.stride > 0) json["stride"] = p.windowing.stride;
  json["drop_last"] = p.windowing.drop_last;
  json["documents"] = document_policy(p);
  json["context_carried"] = o.protocol == PerplexityProtocol::Document;
  json["prefix_token"] = nullptr;
  if (o.protocol != PerplexityProtocol::Blocks) {
    json["prefix_token"] = *p.prefix_token;
  } else if (!o.drop_last) {
    json["prefix_token"] = loaded.tokenizer->end_of_document();
  }
  json["detokenizer"] = name_of(o.reading.detokenizer);
  describe_trained_model(o.model, loaded, json);
  json["data"] = subject.path;
  json["data_sha256"] = subject.sha256;
  if (o.by_position) json["by_position"] = position_json(score);
  return json;
}

void print_positions(const nlohmann::ordered_json& rows) {
  std::cout << fmt::format("{:>18}{:>12}{:>10}{:>14}\n", "tokens of context", "tokens", "loss",
                           "perplexity");
  for (const auto& row : rows) {
    const auto from = row["context_from"].get<std::uint64_t>();
    const auto last = row["context_to"].get<std::uint64_t>() - 1;
    std::cout << fmt::format(
        "{:>18}{:>12}{:>10.4f}{:>14.4f}\n",
        from == last ? std::to_string(from) : fmt::format("{} to {}", from, last),
        row["n_tokens"].get<std::uint64_t>(), row["loss"].get<double>(),
        row["perplexity"].get<double>());
  }
}

void print_report(const nlohmann::ordered_json& r) {
  const auto number = [&](const char* key) { return r[key].get<double>(); };
  const auto count = [&](const char* key) { return r[key].get<std::uint64_t>(); };
  const auto text = [&](const char* key) { return r[key].get<std::string>(); };
  std::string detail;
  if (!r["stride"].is_null()) detail += fmt::format(", stride {}", count("stride"));
  if (r["drop_last"].get<bool>()) detail += ", no prefix, the last incomplete one dropped";
  if (text("detokenizer") != "none")
    detail += fmt::format("; detokenizer: {}", text("detokenizer"));
  std::cout << trained_model_line(r)
            << fmt::format("text              {}: {} bytes, {} words, {} tokens, documents: {}\n",
                           text("data"), count("n_bytes"), count("n_words"), count("n_tokens"),
                           count("n_documents"))
            << fmt::format("protocol          {}: {} windows, length {}{}; documents: {}\n",
                           text("protocol"), count("windows"), count("max_length"), detail,
                           text("documents"))
            << fmt::format("log-likelihood    {:.4f}\n", number("loglikelihood"))
            << fmt::format("token perplexity  {:.4f}\n", number("token_perplexity"))
            << fmt::format("word perplexity   {:.4f}\n", number("word_perplexity"))
            << fmt::format("byte perplexity   {:.4f}\n", number("byte_perplexity"))
            << fmt::format("bits per byte     {:.4f}\n", number("bits_per_byte"))
            << fmt::format("baseline          {:.4f} bits per byte: the frequencies of its bytes\n",
                           number("unigram_bits_per_byte"));
  if (r.contains("by_position")) print_positions(r["by_position"]);
}

void write_plot(const PerplexityCommand& o, const nlohmann::ordered_json& r,
                const PerplexityScore& score) {
  const std::string subtitle = fmt::format(
      "{} on {}, {}, length {}", r["model"].get<std::string>(), r["data"].get<std::string>(),
      r["protocol"].get<std::string>(), r["max_length"].get<std::uint64_t>());
  write_file_atomic(o.plot,
                    svg_line_plot(context_plot(score.by_context, "Loss by context", subtitle)));
}

void run_perplexity(PerplexityCommand& o) {
  check_inputs(o);
  o.by_position = o.by_position || !o.plot.empty();
  const LoadedModel loaded = load_trained_model(o.model);
  const ContextScope scope(precision_context(loaded.model->device(), loaded.precision));
  const PerplexityOptions options = perplexity_options(o, loaded);
  const auto subject = read_subject(o, loaded);
  LateProgress progress("eval", "tokens");
  const PerplexityEvaluator evaluator(*loaded.model, subject->corpus, options, subject->sha256);
  const PerplexityScore score = evaluator.score(
      [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); });
  progress.finish();
  const nlohmann::ordered_json report = report_json(o, options, loaded, *subject, score);
  print_report(report);
  write_json(o.json, report);
  if (!o.plot.empty()) write_plot(o, report, score);
}

void add_text_options(CLI::App& command, const std::shared_ptr<PerplexityCommand>& o) {
  command
      .add_option("--text", o->text,
                  "A text file (one document), or .jsonl (one document per line)")
      ->type_name("FILE");
  command.add_option("--data", o->data, "A token set (krait data build)")->type_name("SET");
  command
      .add_option("--text-field", o->reading.text_field, "Field of a JSONL object with the text")
      ->type_name("NAME")
      ->capture_default_str();
  command.add_flag("--articles", o->reading.articles,
                   "Documents are the articles of a WikiText file, as in lm-evaluation-harness");
  add_choice_option(command, "--detokenize",
                    "wikitext: turn WikiText's tokens into running text by the harness's rules "
                    "before scoring; words and bytes are still counted in the file",
                    o->reading.detokenizer);
}

void add_window_options(CLI::App& command, const std::shared_ptr<PerplexityCommand>& o) {
  add_choice_option(
      command, "--protocol",
      "blocks: disjoint windows, as in training; document: each document whole, with "
      "carried state; sliding: windows that overlap, as in Hugging Face's guide; lm-eval: "
      "rolling windows of lm-evaluation-harness",
      o->protocol);
  command
      .add_option("--max-length", o->max_length,
                  "Tokens per window; default: the length in training, 2048 for a published model "
                  "(for document, where the length changes no result, as many as fill a GPU)")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--stride", o->stride,
                  "Tokens between sliding windows; default: half of --max-length")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command.add_flag(
      "--drop-last", o->drop_last,
      "blocks: no prefix token, and only whole windows, as in the WikiText-103 recipe");
  add_batch_option(command, o->batch, "Windows");
}

void add_eval_perplexity(CLI::App& eval) {
  const auto o = std::make_shared<PerplexityCommand>();
  CLI::App* command =
      eval.add_subcommand("perplexity", "Perplexity and bits per byte on a text or token set");
  add_text_options(*command, o);
  add_window_options(*command, o);
  command->add_flag("--by-position", o->by_position, "Also report losses by tokens of context");
  command->add_option("--plot", o->plot, "Draw losses by tokens of context")->type_name("FILE.svg");
  add_trained_model_options(*command, o->model);
  add_json_option(*command, o->json);
  command->footer(
      "Every protocol scores each token of the text exactly once (except with --drop-last). "
      "End-of-document tokens are only context, so the bits are those of the bytes of the text. "
      "docs/evaluation.md says which figure compares with which published one.");
  command->callback([o] { run_perplexity(*o); });
}

const CommandRegistration kPerplexity("eval", 10, add_eval_perplexity);

}  // namespace
}  // namespace krait
