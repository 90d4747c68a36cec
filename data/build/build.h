// Text to token sets: files, folders and JSONL go in, train.h5 and valid.h5 come out.
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
/// when a number that depends on (seed, i) only is below the fraction, so the choice needs no count
/// and does not change when documents are added behind; when chance leaves one side without any,
/// the nearest one goes there, and the input is read again. By position, when there is one document
/// only: the last part of its bytes, cut after a line's end where one is near, between characters
/// in any case; it is held in memory if it is compressed, and then refused above max_line_bytes.
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
/// compressed. Reading, encoding (by all threads) and writing go on at the same time; equal input
/// and options make equal files with any number of threads. Memory is that of TextEncoder, of two
/// TokenSetWriters and the list of files.
///
/// Without shards, OUTPUT/train.h5 and OUTPUT/valid.h5 appear when all has succeeded; whatever
/// happens before, a killed process included, leaves the old ones as they were. While it is written
/// a set takes twice its size on the disk.
///
/// With shards, OUTPUT/train/train-00000.h5, train-00001.h5, ... and OUTPUT/valid/valid-00000.h5,
/// ... are made, in the folder OUTPUT/unfinished-build: shard i of both, the held-out documents of
/// the same stretch of input, are finished together (there is none of valid when nothing was held
/// out there). The folders OUTPUT/train and OUTPUT/valid, each of which is one set to TokenSet,
/// appear at the end, the old ones stay until then. An interrupted build, whether it was killed,
/// the disk was full or a line malformed, goes on behind its last finished shard when it is called
/// again, and ends with the same bytes as one that never stopped. It is refused (BadData) when the
/// options are others, or the files that it has read have changed (path, size or time).
///
/// The sets' provenance is a JSON object: tool, sources (as given), split (rule, part, fraction,
/// seed), text_field; without shards also files, documents, input_bytes (of the files as they lie
/// on the disk), skipped_files, which nobody knows when a shard is written; with them shard (its
/// number) and shard_tokens.
///
/// Throws Usage for wrong options, MissingInput, Io, and BadData for input without a document, a
/// text too short to split, damaged compression, a line or stretch of text that is longer than
/// max_line_bytes and a malformed JSONL line ("file:line: ...").
BuildResult build_token_sets(const BuildOptions& options, const Tokenizer& tokenizer);

}  // namespace krait
