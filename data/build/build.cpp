#include "data/build/build.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "data/build/held_out.h"
#include "data/build/output.h"
#include "data/text/encoder.h"
#include "data/text/only_document.h"

namespace krait {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kReportBytes = std::uint64_t{1} << 22;

void check_options(const BuildOptions& options) {
  KRAIT_CHECK(Usage, !options.inputs.empty(), "name at least one text file, folder or JSONL file.");
  KRAIT_CHECK(Usage, !options.output.empty(), "name the output folder.");
  KRAIT_CHECK(Usage, options.held_out >= 0 && options.held_out < 1,
              "the held-out fraction must be at least 0 and below 1, got ", options.held_out, ".");
  const bool one_file = options.output.extension() == ".h5";
  KRAIT_CHECK(Usage, options.held_out == 0 || !one_file, "'", options.output.string(),
              "' is one file, but a held-out part needs a second one; name a folder.");
  KRAIT_CHECK(Usage, options.shard_tokens == 0 || !one_file, "'", options.output.string(),
              "' is one file, but shards need a folder; name a folder.");
  KRAIT_CHECK(Usage,
              options.max_line_bytes >= 1 && options.max_line_bytes <= std::uint64_t{1} << 40,
              "the longest line must be 1 byte to 1 TiB, got ", options.max_line_bytes, ".");
}

/// One run of build_token_sets.
class Build {
 public:
  Build(const BuildOptions& options, const Tokenizer& tokenizer)
      : options_(options),
        tokenizer_(tokenizer),
        sources_(find_text_sources(options.inputs)),
        output_(options, tokenizer, sources_,
                [this](SetPart part, auto shard) { return provenance(part, shard); }) {
    for (const TextSource& source : sources_) progress_.bytes_total += source.bytes;
    state_.threshold = options.held_out;
    if (options.held_out > 0) result_.split = SplitRule::ByDocument;
  }

  BuildResult run() {
    if (const auto found = output_.found()) {
      state_ = *found;
      result_.notes.push_back(str("Continued after the ", state_.of(SetPart::Train).shards.size(),
                                  " shards of an interrupted build."));
    }
    if (!state_.complete) {
      do {
        read_through();
      } while (starts_over());
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

  TextEncoderOptions encoder_options() const {
    return {.reader = {.max_line_bytes = options_.max_line_bytes},
            .text_field = options_.text_field};
  }

  void read_through() {
    TextEncoder encoder(sources_, tokenizer_, encoder_options(), state_.position);
    while (true) {
      const std::vector<EncodedPiece> pieces = encoder.next();
      if (pieces.empty()) return;
      for (const EncodedPiece& piece : pieces) {
        add(piece);
        report(piece.piece.input_bytes);
      }
    }
  }

  void add(const EncodedPiece& encoded) {
    const std::span<const std::int32_t> ids(encoded.ids);
    const TextPiece& piece = encoded.piece;
    switch (piece.kind) {
      case TextPiece::Kind::Lines: {
        std::size_t begin = 0;
        for (const EncodedLine& line : encoded.lines) {
          state_.empty_documents += line.empty_ones;
          append(ids.subspan(begin, line.end - begin));
          end_document(line.after);
          begin = line.end;
        }
        state_.empty_documents += encoded.empty_ones;
        return;
      }
      case TextPiece::Kind::Part:
        return append(ids);
      case TextPiece::Kind::LastPart:
        append(ids);
        return end_document({.file = piece.begin.file + 1});
      case TextPiece::Kind::Skipped:
        if (in_document_) output_.writer(part_).drop_document();
        in_document_ = false;
        state_.skipped.push_back({sources_[piece.begin.file].path, piece.reason});
        state_.skipped_bytes += sources_[piece.begin.file].bytes;
    }
  }

  void append(std::span<const std::int32_t> ids) {
    if (!in_document_) {
      number_ = held_out_number(options_.seed, state_.documents());
      part_ = number_ < state_.threshold ? SetPart::Valid : SetPart::Train;
      in_document_ = true;
    }
    output_.writer(part_).append(ids);
    tokens_in_document_ += ids.size();
  }

  void end_document(const TextPosition& after) {
    output_.writer(part_).end_document();
    in_document_ = false;
    state_.tokens += std::exchange(tokens_in_document_, 0) + 1;
    ++state_.of(part_).documents;
    state_.least = std::min(state_.least, number_);
    state_.most = std::max(state_.most, number_);
    state_.position = after;
    output_.document_done(state_);
  }

  /// After all input: whether it must be read again, because chance has left one side empty.
  bool starts_over() {
    KRAIT_CHECK(BadData, state_.documents() > 0, "there is no text in ", shown_inputs(), ": ",
                state_.skipped.size(), " files were skipped as binary or empty; check the input.");
    if (result_.split == SplitRule::None) return false;
    if (state_.documents() == 1) {
      split_by_position();
      return false;
    }
    if (state_.of(SetPart::Valid).documents > 0 && state_.of(SetPart::Train).documents > 0) {
      return false;
    }
    BuildState again;
    again.threshold =
        state_.of(SetPart::Valid).documents == 0 ? std::nextafter(state_.least, 1.0) : state_.most;
    state_ = again;
    output_.start_over(state_);
    return true;
  }

  /// Splits the only document.
  void split_by_position() {
    result_.split = SplitRule::ByPosition;
    output_.start_over({.threshold = options_.held_out});
    state_.tokens = 0;
    state_.parts = {};
    const OnlyDocument document(sources_, tokenizer_, encoder_options());
    const std::string_view text = document.text();
    const std::size_t cut = cut_position(text, options_.held_out);
    KRAIT_CHECK(BadData, cut > 0 && cut < text.size(), shown_inputs(), ": the text of ",
                text.size(), " bytes is too short to hold out ", options_.held_out,
                " of it; add text or choose another fraction.");
    add_part(SetPart::Train, text.substr(0, cut));
    add_part(SetPart::Valid, text.substr(cut));
    result_.notes.push_back(
        str("There is only one document, so its last ", text.size() - cut, " bytes are held out."));
  }

  void add_part(SetPart part, std::string_view text) {
    encode_text_in_parallel(text, tokenizer_, [&](std::span<const std::int32_t> ids) {
      output_.writer(part).append(ids);
      state_.tokens += ids.size();
    });
    output_.writer(part).end_document();
    ++state_.tokens;
    ++state_.of(part).documents;
  }

  void report(std::uint64_t bytes_done) {
    progress_.bytes_done = bytes_done;
    if (bytes_done >= reported_ + kReportBytes) send_report();
  }

  void send_report() {
    reported_ = progress_.bytes_done;
    if (!options_.progress) return;
    progress_.documents = state_.documents();
    progress_.tokens = state_.tokens + tokens_in_document_;
    options_.progress(progress_);
  }

  std::string provenance(SetPart part, std::optional<std::uint64_t> shard) const {
    nlohmann::ordered_json json;
    json["tool"] = options_.tool;
    for (const fs::path& input : options_.inputs) json["sources"].push_back(input.string());
    if (shard) {
      json["shard"] = *shard;
      json["shard_tokens"] = options_.shard_tokens;
    } else {
      json["files"] = sources_.size() - state_.skipped.size();
      json["documents"] = result_.split == SplitRule::ByPosition ? 1 : state_.documents();
      json["input_bytes"] = progress_.bytes_total - state_.skipped_bytes;
      json["skipped_files"] = state_.skipped.size();
    }
    json["split"]["rule"] = name_of(result_.split);
    if (result_.split != SplitRule::None) {
      json["split"]["part"] = krait::name_of(part);
      json["split"]["fraction"] = options_.held_out;
      json["split"]["seed"] = options_.seed;
    }
    json["text_field"] = options_.text_field;
    // A path need not be UTF-8, JSON must be.
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }

  void finish() {
    progress_.bytes_done = progress_.bytes_total;
    send_report();
    output_.finish(state_);
    result_.train = TokenSet(output_.path_of(SetPart::Train)).info();
    const fs::path valid = output_.path_of(SetPart::Valid);
    if (state_.of(SetPart::Valid).documents > 0) {
      result_.valid = TokenSet(valid).info();
    } else if (valid != options_.output && path_exists(valid)) {
      result_.notes.push_back(
          str("'", valid.string(),
              "' is left from an earlier build: its text may be in the new training set."));
    }
    result_.empty_documents = state_.empty_documents;
    result_.skipped = state_.skipped;
  }

  const BuildOptions& options_;
  const Tokenizer& tokenizer_;
  std::vector<TextSource> sources_;
  BuildOutput output_;
  BuildState state_;
  SetPart part_ = SetPart::Train;  // of the current document
  double number_ = 0;              // of the current document, see held_out_number
  bool in_document_ = false;
  std::uint64_t tokens_in_document_ = 0;
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
