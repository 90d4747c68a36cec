// The documents in text files, folders and JSONL files, one after the other.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/build.h"

namespace krait {

/// What an input turned out to be.
struct TextSource {
  std::filesystem::path path;
  bool is_jsonl = false;
  std::uint64_t bytes = 0;
  std::uint64_t documents = 0;  // that are not empty
};

struct TextSources {
  std::vector<TextSource> files;
  std::vector<SkippedFile> skipped;
  std::uint64_t bytes = 0, documents = 0, empty_documents = 0;
};

/// Looks through all inputs of a build (see BuildOptions) once: finds binary files, counts
/// documents and parses every JSONL line. Throws MissingInput, Io, and BadData, "file:line: ...",
/// for a line that is not an object with one string `text_field`.
TextSources find_text_sources(const std::vector<std::filesystem::path>& inputs,
                              const std::string& text_field);

/// Calls visit(text, input bytes) for every document of a source that is not empty, in order. The
/// text is valid during the call.
void visit_documents(const TextSource& source, const std::string& text_field,
                     const std::function<void(std::string_view text, std::uint64_t bytes)>& visit);

/// The string `field` of the JSON object in `line`. Throws BadData starting with `where`.
std::string json_text_field(std::string_view line, const std::string& field,
                            const std::string& where);

}  // namespace krait
