#include "data/tokenizer/byte_alphabet.h"

#include "data/unicode/utf8.h"

namespace krait {
namespace {

constexpr char32_t kFirstOther = 0x100;
constexpr std::size_t kCharacters = 0x144;  // U+0143 stands for the last of the other bytes

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t other = kFirstOther;
  for (unsigned byte = 0; byte < 256; ++byte) {
    alphabet[byte] = stands_for_itself(byte) ? byte : other++;
  }
  return alphabet;
}

constexpr std::array<char32_t, 256> kAlphabet = make_alphabet();

constexpr std::array<std::int16_t, kCharacters> make_bytes() {
  std::array<std::int16_t, kCharacters> bytes{};
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    bytes[kAlphabet[byte]] = static_cast<std::int16_t>(byte);
  }
  return bytes;
}

constexpr std::array<std::int16_t, kCharacters> kBytes = make_bytes();

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() {
  return kAlphabet;
}

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(kAlphabet[static_cast<std::uint8_t>(byte)], text);
  return text;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const Utf8Character c = decode_utf8(text.data());
    if (c.code >= kCharacters || kBytes[c.code] < 0) return {};
    bytes += static_cast<char>(kBytes[c.code]);
    text.remove_prefix(c.bytes);
  }
  return bytes;
}

}  // namespace krait
