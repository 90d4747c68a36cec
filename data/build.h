// Text to token sets: files, folders and JSONL go in, train.h5 and valid.h5 come out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/token_set.h"
#include "data/tokenizer.h"

namespace krait {

struct BuildProgress {
  std::uint64_t bytes_done = 0, bytes_total = 0;  // of input
  std::uint64_t documents = 0, tokens = 0;        // written
};

struct BuildOptions {
  /// Text files (a document each), .jsonl or .ndjson files (a document a line) and folders, which
  /// stand for the files below them in the order of their paths; names that start with a dot are
  /// left out there.
  std::vector<std::filesystem::path> inputs;
  /// A folder (made when it is not there) for train.h5 and, with held_out > 0, valid.h5; or, with
  /// held_out 0, a file name that ends in .h5.
  std::filesystem::path output;
  std::string text_field = "text";  // of a JSONL object
  double held_out = 0;              // fraction, 0 <= held_out < 1
  std::uint64_t seed = 0;           // of the choice of held-out documents
  std::string tool = "krait";       // name and version, for the provenance
  /// Called now and then, on the calling thread.
  std::function<void(const BuildProgress&)> progress;
};

/// An input file that was left out.
struct SkippedFile {
  std::filesystem::path path;
  std::string reason;
};

/// How held-out text is chosen. By document: document i (of those that are not empty) is held out
/// when a number that depends on (seed, i) only is below the fraction; when chance would leave one
/// side without any, the nearest one goes there. By position, when there is one document only: the
/// last part of its bytes, cut after a line's end where one is near, between characters in any
/// case.
enum class SplitRule : std::uint8_t { None, ByDocument, ByPosition };

struct BuildResult {
  TokenSetInfo train;
  std::optional<TokenSetInfo> valid;
  SplitRule split = SplitRule::None;
  std::uint64_t empty_documents = 0;  // JSONL lines without text, left out
  std::vector<SkippedFile> skipped;   // binary (they hold a NUL byte) or empty
  std::vector<std::string> notes;     // sentences that the user should see
};

/// Builds the sets; the old ones stay as they were unless all succeed. Constant memory but for one
/// JSONL line, the list of files, and what the tokenizer needs to cut a text (see safe_cut). Input
/// is read twice, so that a malformed line shows before anything is written. Equal input makes
/// equal files.
///
/// The sets' provenance is a JSON object: tool, sources (as given), files, documents,
/// input_bytes, skipped_files, split (rule, part, fraction, seed), text_field.
///
/// Throws Usage for wrong options, MissingInput, Io, and BadData for input without a document, a
/// text too short to split, and a malformed JSONL line ("file:line: ...").
BuildResult build_token_sets(const BuildOptions& options, const Tokenizer& tokenizer);

}  // namespace krait
