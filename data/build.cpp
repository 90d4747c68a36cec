#include "data/build.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/random.h"
#include "data/text_source.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;  // bytes encoded at a time
constexpr std::uint64_t kReportBytes = std::uint64_t{1} << 22;

std::string_view name_of(SplitRule rule) {
  switch (rule) {
    case SplitRule::None:
      return "none";
    case SplitRule::ByDocument:
      return "document";
    case SplitRule::ByPosition:
      return "position";
  }
  return "?";
}

/// Which documents are held out, as SplitRule::ByDocument says.
class HeldOut {
 public:
  HeldOut(double fraction, std::uint64_t seed, std::uint64_t documents)
      : stream_{.seed = seed,
                .purpose = RandomPurpose::Sample,
                .stream = stream_of("held-out documents")},
        threshold_(fraction) {
    double least = 1, most = 0;
    for (std::uint64_t i = 0; i < documents; ++i) {
      least = std::min(least, stream_.uniform(i));
      most = std::max(most, stream_.uniform(i));
    }
    // With few documents chance may leave one side empty: the nearest one goes there.
    if (least >= threshold_) threshold_ = std::nextafter(least, 1.0);
    if (most < threshold_) threshold_ = most;
  }
  bool operator()(std::uint64_t document) const { return stream_.uniform(document) < threshold_; }

 private:
  RandomStream stream_;
  double threshold_;
};

// Where to cut a text so that about `fraction` of it is held out.
std::size_t cut_position(std::string_view text, double fraction) {
  const auto kept = static_cast<std::size_t>(static_cast<double>(text.size()) * (1 - fraction));
  std::size_t cut = std::min(kept, text.size());
  const std::size_t near = (text.size() - cut) / 4;
  const std::size_t line = text.substr(cut, near).find('\n');
  if (line != std::string_view::npos) return cut + line + 1;
  const auto continues = [&] { return (static_cast<std::uint8_t>(text[cut]) & 0xC0) == 0x80; };
  while (cut < text.size() && continues()) ++cut;
  return cut;
}

void check_options(const BuildOptions& options) {
  KRAIT_CHECK(Usage, !options.inputs.empty(), "name at least one text file, folder or JSONL file.");
  KRAIT_CHECK(Usage, !options.output.empty(), "name the output folder.");
  KRAIT_CHECK(Usage, options.held_out >= 0 && options.held_out < 1,
              "the held-out fraction must be at least 0 and below 1, got ", options.held_out, ".");
  KRAIT_CHECK(Usage, options.held_out == 0 || options.output.extension() != ".h5", "'",
              options.output.string(),
              "' is one file, a held-out part needs a second one; name a folder.");
}

/// One run of build_token_sets.
class Build {
 public:
  Build(const BuildOptions& options, const Tokenizer& tokenizer)
      : options_(options),
        tokenizer_(tokenizer),
        sources_(find_text_sources(options.inputs, options.text_field)) {
    KRAIT_CHECK(BadData, sources_.documents > 0, "there is no text in ", shown_inputs(), ": ",
                sources_.skipped.size(),
                " files were skipped as binary or empty; check the input.");
    result_.skipped = sources_.skipped;
    result_.empty_documents = sources_.empty_documents;
    if (options.held_out > 0) {
      result_.split = sources_.documents == 1 ? SplitRule::ByPosition : SplitRule::ByDocument;
    }
    progress_.bytes_total = sources_.bytes;
    open_writers();
  }

  BuildResult run() {
    std::uint64_t document = 0;
    const HeldOut held_out(options_.held_out, options_.seed,
                           result_.split == SplitRule::ByDocument ? sources_.documents : 0);
    for (const TextSource& source : sources_.files) {
      visit_documents(source, options_.text_field, [&](std::string_view text, std::uint64_t bytes) {
        add(text, result_.split == SplitRule::ByDocument && held_out(document));
        ++document;
        report(bytes - text.size());  // what JSON takes up around the text
      });
    }
    finish();
    return std::move(result_);
  }

 private:
  std::string shown_inputs() const {
    std::string shown = "'" + options_.inputs.front().string() + "'";
    if (options_.inputs.size() > 1) shown += str(" and ", options_.inputs.size() - 1, " more");
    return shown;
  }

  void open_writers() {
    const bool one_file = options_.output.extension() == ".h5";
    const fs::path folder = one_file ? options_.output.parent_path() : options_.output;
    std::error_code error;
    if (!folder.empty()) fs::create_directories(folder, error);
    if (error) throw_io_error("make the folder", folder, error.value());
    train_path_ = one_file ? options_.output : folder / "train.h5";
    train_.emplace(train_path_, tokenizer_);
    valid_path_ = folder / "valid.h5";
    if (result_.split == SplitRule::None) {
      if (!one_file && fs::exists(valid_path_)) {
        result_.notes.push_back(
            str("'", valid_path_.string(),
                "' is of an earlier build: its text may be in the new training set."));
      }
      return;
    }
    valid_.emplace(valid_path_, tokenizer_);
  }

  void add(std::string_view text, bool is_valid) {
    if (result_.split != SplitRule::ByPosition) return append(is_valid ? *valid_ : *train_, text);
    const std::size_t cut = cut_position(text, options_.held_out);
    KRAIT_CHECK(BadData, cut > 0 && cut < text.size(), shown_inputs(), ": the text of ",
                text.size(), " bytes is too short to hold out ", options_.held_out,
                " of it; add text or choose another fraction.");
    append(*train_, text.substr(0, cut));
    append(*valid_, text.substr(cut));
    result_.notes.push_back(
        str("There is one document only, so its last ", text.size() - cut, " bytes are held out."));
  }

  // One document, encoded piece by piece.
  void append(TokenSetWriter& writer, std::string_view text) {
    std::size_t piece = kPiece;
    while (!text.empty()) {
      const bool last = text.size() <= piece;
      const std::size_t cut = last ? text.size() : tokenizer_.safe_cut(text.substr(0, piece));
      if (cut == 0) {
        piece *= 2;
        continue;
      }
      writer.append(tokenizer_.encode(text.substr(0, cut)));
      text.remove_prefix(cut);
      piece = kPiece;
      report(cut);
    }
    writer.end_document();
  }

  void report(std::uint64_t bytes) {
    progress_.bytes_done += bytes;
    if (progress_.bytes_done - reported_ >= kReportBytes) send_report();
  }

  void send_report() {
    reported_ = progress_.bytes_done;
    if (!options_.progress) return;
    progress_.documents = train_->n_documents() + (valid_ ? valid_->n_documents() : 0);
    progress_.tokens = train_->n_tokens() + (valid_ ? valid_->n_tokens() : 0);
    options_.progress(progress_);
  }

  std::string provenance(std::string_view part) const {
    nlohmann::ordered_json json;
    json["tool"] = options_.tool;
    for (const fs::path& input : options_.inputs) json["sources"].push_back(input.string());
    json["files"] = sources_.files.size();
    json["documents"] = sources_.documents;
    json["input_bytes"] = sources_.bytes;
    json["skipped_files"] = sources_.skipped.size();
    json["split"]["rule"] = name_of(result_.split);
    if (result_.split != SplitRule::None) {
      json["split"]["part"] = part;
      json["split"]["fraction"] = options_.held_out;
      json["split"]["seed"] = options_.seed;
    }
    json["text_field"] = options_.text_field;
    // A path need not be UTF-8, JSON must be.
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }

  void finish() {
    progress_.bytes_done = sources_.bytes;
    send_report();
    if (valid_) valid_->prepare(provenance("valid"));
    train_->prepare(provenance("train"));
    if (valid_) valid_->commit();
    train_->commit();
    result_.train = TokenSet(train_path_).info();
    if (valid_) result_.valid = TokenSet(valid_path_).info();
  }

  const BuildOptions& options_;
  const Tokenizer& tokenizer_;
  TextSources sources_;
  fs::path train_path_, valid_path_;
  std::optional<TokenSetWriter> train_, valid_;
  BuildProgress progress_;
  std::uint64_t reported_ = 0;  // bytes at the last report
  BuildResult result_;
};

}  // namespace

BuildResult build_token_sets(const BuildOptions& options, const Tokenizer& tokenizer) {
  check_options(options);
  return Build(options, tokenizer).run();
}

}  // namespace krait
