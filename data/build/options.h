// The options of a build of token sets.
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
  /// Text files (one document each), .jsonl or .ndjson files (one document per line), both also
  /// compressed (.gz, .zst), and folders, which stand for the files below them in the order of
  /// their paths, except names that start with a dot.
  std::vector<std::filesystem::path> inputs;
  /// A folder (made if it does not exist) for train.h5 and, with held_out > 0, valid.h5, or for
  /// folders of shards. With held_out 0 and no shards it may be a file name that ends in .h5.
  std::filesystem::path output;
  std::string text_field = "text";  // of a JSONL object
  double held_out = 0;              // fraction, 0 <= held_out < 1
  std::uint64_t seed = 0;           // of the choice of held-out documents
  /// 0: each set is one file. Otherwise a shard ends with the document with which the training part
  /// reaches this number of tokens; since documents are never split, it may have more.
  std::uint64_t shard_tokens = 0;
  /// The longest JSONL line, and the longest stretch of a text that a tokenizer cannot cut.
  std::uint64_t max_line_bytes = std::uint64_t{1} << 27;
  std::string tool = "krait";  // name and version, for the provenance
  /// Called from time to time, on the calling thread.
  std::function<void(const BuildProgress&)> progress;
};

}  // namespace krait
