// Any bytes as a file of JSON lines: its documents come out, or BadData says why not. They are
// those that a parser of whole lines finds, wherever reading starts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/text/encoder.h"
#include "tests/fuzz/memory_file.h"

namespace {

using namespace krait;  // NOLINT: the whole file is about it

constexpr std::uint64_t kMaxLine = 3000;

struct Documents {
  std::vector<std::string> texts;
  std::vector<TextPosition> after;
  bool failed = false;  // behind them
};

Documents read(const std::vector<TextSource>& sources, TextPosition start) {
  Documents found;
  const ByteTokenizer tokenizer;
  try {
    TextReader reader(sources, tokenizer, {.max_line_bytes = kMaxLine}, start);
    while (const auto piece = reader.next()) {
      if (piece->kind == TextPiece::Kind::Skipped) continue;
      visit_lines(*piece, sources.front(), "text", [&](std::string text, const auto& after) {
        found.texts.push_back(std::move(text));
        found.after.push_back(after);
      });
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::BadData) std::abort();
    found.failed = true;
  }
  return found;
}

/// The text of a line, by another road; nothing when it has none.
std::optional<std::string> parsed(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("text") || !json["text"].is_string()) return {};
  return json["text"].get<std::string>();
}

void compare(std::string_view bytes, const Documents& found) {
  std::size_t next = 0;
  while (!bytes.empty() && next < found.texts.size()) {
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (line.size() > kMaxLine || parsed(line) != found.texts[next++]) std::abort();
  }
  if (next < found.texts.size()) std::abort();
  if (!found.failed && bytes.find_first_not_of(" \t\r\n") != std::string_view::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static const fuzz::MemoryFile file;
  file.set(bytes);
  const std::vector<TextSource> sources{{.path = file.path(), .is_jsonl = true, .bytes = size}};
  const Documents found = read(sources, {});
  compare(bytes, found);
  if (found.texts.empty()) return 0;
  const std::size_t middle = found.texts.size() / 2;
  const Documents rest = read(sources, found.after[middle]);
  const std::vector<std::string> expected(
      found.texts.begin() + static_cast<std::ptrdiff_t>(middle) + 1, found.texts.end());
  if (rest.texts != expected || rest.failed != found.failed) std::abort();
  return 0;
}
