// Any bytes as a tokenizer.json: a tokenizer is made of it, or BadData says why not. One that was
// made encodes a text, whole and in pieces, to the same ids, and decodes them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/tokenizer/bpe_tokenizer.h"

namespace {

constexpr std::string_view kText =
    "The text's words, 1234 of them:\n\n  caf\u00e9 e\u0301 \u4e2d\u6587\u3002\t<|endoftext|>don't "
    "DON'T a\u0301\u0323 \uac00\u11a8 \xff\xe4\xb8 "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabababababababababababababab       \r\n end\n";

void require(bool holds) {
  if (!holds) std::abort();
}

void use(const krait::BpeTokenizer& tokenizer) {
  const std::vector<std::int32_t> whole = tokenizer.encode(kText);
  for (const std::int32_t id : whole) require(id >= 0 && id < tokenizer.vocab_size());
  (void)tokenizer.decode(whole);
  for (std::size_t seen = 1; seen <= kText.size(); seen += 7) {
    const std::size_t cut = tokenizer.safe_cut(kText.substr(0, seen));
    require(cut <= seen);
    if (cut == 0) continue;
    std::vector<std::int32_t> parts = tokenizer.encode(kText.substr(0, cut));
    for (const std::int32_t id : tokenizer.encode(kText.substr(cut))) parts.push_back(id);
    require(parts == whole);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    use(krait::BpeTokenizer(std::string(reinterpret_cast<const char*>(data), size), "fuzz", {}));
  } catch (const krait::Error& error) {
    require(error.kind() == krait::ErrorKind::BadData);
  }
  return 0;
}
