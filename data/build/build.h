// Builds token sets from text: from files, folders and JSONL to train.h5 and valid.h5.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "data/build/options.h"
#include "data/text/skipped_file.h"
#include "data/token_set/token_set.h"
#include "data/token_set/writer.h"
#include "data/tokenizer/tokenizer.h"

namespace krait {

/// How held-out text is chosen. By document: document i (of those that are not empty) is held out
/// when a number that depends only on (seed, i) is below the fraction, so the choice needs no count
/// and does not change when documents are added at the end. When chance leaves one side empty, the
/// document nearest to the threshold goes there, and the input is read again. By position, when
/// there is only one document: the last part of its bytes is held out, cut at the end of a line if
/// one is near, and between characters in any case. A compressed document is held in memory for
/// that, and refused above max_line_bytes.
enum class SplitRule : std::uint8_t { None, ByDocument, ByPosition };
template <>
inline constexpr std::array<std::string_view, 3> kNames<SplitRule>{"none", "document", "position"};

struct BuildResult {
  TokenSetInfo train;
  std::optional<TokenSetInfo> valid;
  SplitRule split = SplitRule::None;
  std::uint64_t empty_documents = 0;  // JSONL lines without text, left out
  std::vector<SkippedFile> skipped;   // binary text files (they hold a NUL byte) and empty files
  std::vector<std::string> notes;     // sentences that the user should see
};

/// Builds the sets in one pass over the input, which may be larger than any disk when it is
/// compressed. Reading, encoding (by all threads) and writing overlap; the same input and options
/// give the same files with any number of threads. Takes the memory of a TextEncoder, two
/// TokenSetWriters and the list of files.
///
/// Without shards, OUTPUT/train.h5 and OUTPUT/valid.h5 are replaced only when everything has
/// succeeded; whatever happens before, even a kill, leaves the old ones as they were. While it is
/// written, a set takes twice its size on the disk.
///
/// With shards, OUTPUT/train/train-00000.h5, train-00001.h5, ... and OUTPUT/valid/valid-00000.h5,
/// ... are made in the folder OUTPUT/unfinished-build. Shard i of both is finished at the same time
/// and covers the same stretch of input; there is no shard of valid where nothing was held out. At
/// the end the folders OUTPUT/train and OUTPUT/valid, each of which is one set for TokenSet,
/// replace the old ones. A build that was interrupted by a kill, a full disk or a malformed line
/// continues after its last finished shard when it is called again, and ends with the same bytes as
/// one that never stopped. It refuses to continue (BadData) when the options differ or when files
/// that it has read have changed (path, size or time).
///
/// The sets' provenance is a JSON object: tool, sources (as given), split (rule, part, fraction,
/// seed), text_field; without shards also files, documents, input_bytes (of the files on the disk)
/// and skipped_files, which are not known yet when a shard is written; with shards also shard (its
/// number) and shard_tokens.
///
/// Throws Usage for wrong options, MissingInput, Io, and BadData for input without a document, a
/// text too short to split, damaged compression, a line or stretch of text that is longer than
/// max_line_bytes and a malformed JSONL line ("file:line: ...").
BuildResult build_token_sets(const BuildOptions& options, const Tokenizer& tokenizer);

}  // namespace krait
