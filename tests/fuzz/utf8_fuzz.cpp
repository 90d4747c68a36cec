// Any bytes as text: repaired, normalised, streamed in pieces, encoded and decoded. The first byte
// chooses the tokenizer, the second the places where the text is cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/bpe_tokenizer.h"
#include "data/unicode/characters.h"
#include "data/unicode/utf8.h"
#include "data/unicode/utf8_stream.h"

namespace {

using krait::Tokenizer;

void require(bool holds) {
  if (!holds) std::abort();
}

/// The first one restores any valid text.
const std::vector<std::unique_ptr<Tokenizer>>& tokenizers() {
  static const auto all = [] {
    std::vector<std::unique_ptr<Tokenizer>> made;
    for (const char* style : {"llama3", "gpt2", "neox", "qwen2"}) {
      made.push_back(krait::load_bpe_tokenizer(std::string(KRAIT_SOURCE_DIR) +
                                               "/tests/data/tokenizers/" + style + "_style.json"));
    }
    return made;
  }();
  return all;
}

std::string repaired(std::string_view text) {
  std::string buffer;
  return std::string(krait::repaired_utf8(text, buffer));
}

void stream(std::string_view text, std::size_t step) {
  krait::Utf8Stream stream;
  std::string together;
  for (std::size_t at = 0; at < text.size(); at += step)
    together += stream.push(text.substr(at, step));
  require(together + stream.finish() == repaired(text));
}

void normalise(std::string_view text) {
  const std::string valid = repaired(text);
  require(repaired(valid) == valid);
  std::string buffer, again;
  const std::string once(krait::to_nfc(valid, buffer));
  require(krait::to_nfc(once, again) == once);
  require(repaired(once) == once);
}

void encode(const Tokenizer& tokenizer, std::string_view text, std::size_t step) {
  const std::vector<std::int32_t> whole = tokenizer.encode(text);
  require(tokenizer.encode(repaired(text)) == whole);
  for (const std::int32_t id : whole) require(id >= 0 && id < tokenizer.vocab_size());
  const std::string decoded = tokenizer.decode(whole);
  if (&tokenizer == tokenizers().front().get()) require(decoded == repaired(text));
  for (std::size_t seen = step; seen <= text.size(); seen += step) {
    const std::size_t cut = tokenizer.safe_cut(text.substr(0, seen));
    require(cut <= seen);
    if (cut == 0) continue;
    std::vector<std::int32_t> parts = tokenizer.encode(text.substr(0, cut));
    for (const std::int32_t id : tokenizer.encode(text.substr(cut))) parts.push_back(id);
    require(parts == whole);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t step = 1 + data[1] % 32;
  stream(text, step);
  normalise(text);
  encode(*tokenizers()[data[0] % tokenizers().size()], text, step);
  return 0;
}
