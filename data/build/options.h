// What a build of token sets is asked for.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace krait {

struct BuildProgress {
  std::uint64_t bytes_done = 0, bytes_total = 0;  // of input
  std::uint64_t documents = 0, tokens = 0;        // written
};

struct BuildOptions {
  /// Text files (a document each), .jsonl or .ndjson files (a document a line), either of them with
  /// .gz or .zst behind the name, and folders, which stand for the files below them in the order of
  /// their paths; names that start with a dot are left out there.
  std::vector<std::filesystem::path> inputs;
  /// A folder (made when it is not there) for train.h5 and, with held_out > 0, valid.h5, or for
  /// folders of shards; or, with held_out 0 and no shards, a file name that ends in .h5.
  std::filesystem::path output;
  std::string text_field = "text";  // of a JSONL object
  double held_out = 0;              // fraction, 0 <= held_out < 1
  std::uint64_t seed = 0;           // of the choice of held-out documents
  /// 0: each set is one file. Otherwise a shard ends with the document with which the training
  /// part reaches so many tokens: documents are never split, so shards have at least so many.
  std::uint64_t shard_tokens = 0;
  /// The longest JSONL line, and the longest stretch of a text that a tokenizer cannot cut.
  std::uint64_t max_line_bytes = std::uint64_t{1} << 27;
  std::string tool = "krait";  // name and version, for the provenance
  /// Called now and then, on the calling thread.
  std::function<void(const BuildProgress&)> progress;
};

}  // namespace krait
