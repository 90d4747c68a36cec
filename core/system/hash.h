// SHA-256 (FIPS 180-4): the identity of files, token blocks and tokenizers. A checksum would find
// accidents; a cryptographic hash also tells any two different files apart.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace krait {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// Which code compresses the blocks. Best takes the SHA instructions of the processor when it has
/// them (about 1.5 GB/s a core) and the portable code otherwise (about 0.3 GB/s).
enum class Sha256Method : std::uint8_t { Best, Portable, ShaInstructions };

/// Whether this processor has the SHA, SSSE3 and SSE4.1 instructions.
bool has_sha_instructions();

/// Streaming SHA-256. Constant memory.
class Sha256 {
 public:
  /// Throws (Contract) when ShaInstructions is asked for and the processor lacks them.
  explicit Sha256(Sha256Method method = Sha256Method::Best);

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  /// The hash of all bytes so far. The stream can go on afterwards.
  Sha256Digest digest() const;
  /// The digest as 64 lower-case hexadecimal digits.
  std::string hex() const;

 private:
  static constexpr std::size_t kBlock = 64;
  using Compress = void (*)(std::uint32_t* state, const std::byte* blocks, std::size_t count);

  Compress compress_;
  std::array<std::uint32_t, 8> state_;
  std::array<std::byte, kBlock> pending_{};  // the bytes of an incomplete block
  std::uint64_t length_ = 0;                 // bytes hashed so far
};

/// Lower-case hexadecimal digits of `bytes`, two a byte.
std::string to_hex(std::span<const std::uint8_t> bytes);

Sha256Digest sha256(std::span<const std::byte> bytes);
std::string sha256_hex(std::span<const std::byte> bytes);
inline std::string sha256_hex(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace krait
