// krait data encode, decode and train-tokenizer.
#include "data/tokenizer/tokenizer.h"

#include <charconv>
#include <chrono>
#include <iostream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "core/system/hash.h"
#include "data/build/train_tokenizer.h"
#include "data/text/encoder.h"
#include "data/tokenizer/make_tokenizer.h"
#include "experiments/commands/command.h"
#include "experiments/commands/late_progress.h"

namespace krait {
namespace {

using nlohmann::ordered_json;

constexpr const char* kStandardInput = "-";
constexpr const char* kTokenizerHelp = "byte, or a tokenizer.json or a directory that holds one";

struct ConvertCommand {
  std::string file = kStandardInput, tokenizer;
  bool lines = false;
};

struct TrainCommand {
  TrainTokenizerOptions options;
  std::vector<std::string> inputs, special_tokens;
  std::string output, json;
  int threads = 0;
};

/// The ids as a JSON array, written as they come.
class IdWriter {
 public:
  IdWriter() { std::cout << '['; }
  void write(std::span<const std::int32_t> ids) {
    text_.clear();
    for (const std::int32_t id : ids) {
      if (!first_) text_ += ',';
      first_ = false;
      text_ += std::to_string(id);
    }
    std::cout << text_;
  }
  void finish() { std::cout << "]\n"; }

 private:
  bool first_ = true;
  std::string text_;
};

void print_ids(const Tokenizer& tokenizer, std::string_view text) {
  IdWriter writer;
  encode_text_in_parallel(text, tokenizer, [&](auto ids) { writer.write(ids); });
  writer.finish();
}

/// Calls visit(line, number) for each line of a file or of the standard input.
template <class Visit>
void visit_lines(const std::string& file, Visit&& visit) {
  std::uint64_t number = 0;
  if (file == kStandardInput) {
    for (std::string line; std::getline(std::cin, line);) visit(std::string_view(line), ++number);
    return;
  }
  const MappedFile map(file);
  std::string_view rest(reinterpret_cast<const char*>(map.bytes().data()), map.size());
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    visit(rest.substr(0, end), ++number);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void run_encode(const ConvertCommand& command) {
  const auto tokenizer = make_tokenizer(command.tokenizer);
  if (command.lines) {
    return visit_lines(command.file,
                       [&](std::string_view line, std::uint64_t) { print_ids(*tokenizer, line); });
  }
  if (command.file == kStandardInput) {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    return print_ids(*tokenizer, text);
  }
  const MappedFile map(command.file);
  print_ids(*tokenizer, {reinterpret_cast<const char*>(map.bytes().data()), map.size()});
}

/// Ids with brackets, commas and blanks around them.
std::vector<std::int32_t> read_ids(std::string_view line, std::uint64_t number) {
  constexpr std::string_view kBetween = "[], \t\r";
  constexpr std::size_t kShown = 20;
  std::vector<std::int32_t> ids;
  for (;;) {
    line.remove_prefix(std::min(line.find_first_not_of(kBetween), line.size()));
    if (line.empty()) return ids;
    const std::string_view word = line.substr(0, line.find_first_of(kBetween));
    std::int32_t id = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    KRAIT_CHECK(BadData, error == std::errc() && stop == word.data() + word.size() && id >= 0,
                "line ", number, ": '", word.substr(0, kShown),
                "' is not an id; give ids in decimal, such as [17, 4] or 17 4.");
    ids.push_back(id);
    line.remove_prefix(word.size());
  }
}

void run_decode(const ConvertCommand& command) {
  const auto tokenizer = make_tokenizer(command.tokenizer);
  visit_lines(command.file, [&](std::string_view line, std::uint64_t number) {
    const std::vector<std::int32_t> ids = read_ids(line, number);
    for (const std::int32_t id : ids) {
      KRAIT_CHECK(BadData, id < tokenizer->vocab_size(), "line ", number, ": the id ", id,
                  " is outside the vocabulary of ", tokenizer->vocab_size(), ".");
    }
    std::cout << tokenizer->decode(ids);
    if (command.lines) std::cout << '\n';
  });
}

void run_train(TrainCommand& command) {
  use_threads(command.threads);
  TrainTokenizerOptions& options = command.options;
  options.inputs.assign(command.inputs.begin(), command.inputs.end());
  if (!command.special_tokens.empty()) options.special_tokens = command.special_tokens;
  LateProgress reading("count", "bytes"), merging("merge", "tokens");
  options.reading = [&](std::uint64_t done, std::uint64_t total) { reading.update(done, total); };
  options.merging = [&](std::int64_t tokens) {
    reading.finish();
    merging.update(static_cast<std::uint64_t>(tokens),
                   static_cast<std::uint64_t>(options.vocab_size));
  };
  const auto start = std::chrono::steady_clock::now();
  const TrainedTokenizer trained = train_tokenizer(options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  merging.finish();
  for (const SkippedFile& file : trained.skipped) {
    std::cerr << "left out " << file.path.string() << ": " << file.reason << '\n';
  }
  write_file_atomic(command.output, trained.json);
  std::cout << fmt::format("{}: {} tokens from {} documents, {} bytes, {} different words\n",
                           command.output, trained.vocab_size, trained.documents,
                           trained.input_bytes, trained.different_words);
  if (trained.vocab_size < options.vocab_size) {
    std::cerr << "The vocabulary is smaller than asked for: no more pairs are frequent enough.\n";
  }
  write_json(command.json, {{"path", command.output},
                            {"sha256", sha256_hex(trained.json)},
                            {"vocab_size", trained.vocab_size},
                            {"documents", trained.documents},
                            {"input_bytes", trained.input_bytes},
                            {"different_words", trained.different_words},
                            {"seconds", seconds.count()}});
}

void add_convert(CLI::App& data, const char* name, const char* help, const char* lines_help,
                 void (*run)(const ConvertCommand&)) {
  const auto command = std::make_shared<ConvertCommand>();
  CLI::App* app = data.add_subcommand(name, help);
  app->add_option("FILE", command->file, "File to read; - is the standard input")
      ->capture_default_str();
  app->add_option("--tokenizer", command->tokenizer, kTokenizerHelp)->type_name("SPEC")->required();
  app->add_flag("--lines", command->lines, lines_help);
  app->callback([command, run] { run(*command); });
}

void add_train(CLI::App& data) {
  const auto command = std::make_shared<TrainCommand>();
  TrainTokenizerOptions& options = command->options;
  CLI::App* train =
      data.add_subcommand("train-tokenizer", "Make a byte-level BPE tokenizer.json out of text");
  train
      ->add_option(
          "INPUT", command->inputs,
          "Text files (one document each), .jsonl files (one document per line), folders of them")
      ->required();
  train->add_option("--vocab-size", options.vocab_size, "Tokens, special ones included")
      ->type_name("N")
      ->required();
  train->add_option("--out", command->output, "The tokenizer.json")->type_name("FILE")->required();
  add_choice_option(*train, "--style", "Published tokenizer whose rules it follows", options.style);
  train
      ->add_option("--special", command->special_tokens,
                   "Special tokens instead of those of the style")
      ->type_name("TOKEN");
  train
      ->add_option("--min-frequency", options.min_frequency,
                   "How often a pair must occur in the text to become a token")
      ->type_name("N")
      ->capture_default_str();
  train->add_option("--text-field", options.text_field, "Field of a JSONL object with the text")
      ->type_name("NAME")
      ->capture_default_str();
  add_max_line_option(*train, options.max_line_bytes);
  add_threads_option(*train, command->threads);
  add_json_option(*train, command->json);
  train->callback([command] { run_train(*command); });
}

void add_tokenizer_commands(CLI::App& data) {
  add_convert(data, "encode", "Print the token ids of a text as a JSON array",
              "Each line is a text of its own, without its line end", run_encode);
  add_convert(data, "decode", "Print the text of token ids, an array or plain numbers",
              "Write a line end after the text of each line", run_decode);
  add_train(data);
}

const CommandRegistration kTokenizer("data", 10, add_tokenizer_commands);

}  // namespace
}  // namespace krait
