// The files that a build reads, found before any of them is opened.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "core/system/hash.h"
#include "data/files/byte_stream.h"

namespace krait {

/// One file, with the facts that its name and the file system give.
struct TextSource {
  std::filesystem::path path;
  bool is_jsonl = false;  // one document per line; otherwise the file is one document
  Compression compression = Compression::None;
  std::uint64_t bytes = 0;       // on the disk
  std::int64_t modified_ns = 0;  // since 1970
};

/// The files that the inputs of a build (see BuildOptions) stand for, in order. Throws MissingInput
/// and Io.
std::vector<TextSource> find_text_sources(const std::vector<std::filesystem::path>& inputs);

/// Adds the facts that tell whether a file has changed: path, size and time of modification.
void add_identity(Sha256& hash, const TextSource& source);

}  // namespace krait
