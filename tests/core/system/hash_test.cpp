#include "core/system/hash.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/random.h"

namespace krait {
namespace {

std::string hash_of(std::string_view text, Sha256Method method) {
  Sha256 hash(method);
  hash.update(text);
  return hash.hex();
}

// FIPS 180-4 example values (NIST "SHA256.pdf" and the CAVP short and long messages).
void expect_fips_vectors(Sha256Method method) {
  EXPECT_EQ(hash_of("", method),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc", method),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", method),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                    "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                    method),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(hash_of(std::string(1'000'000, 'a'), method),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

std::string random_text(std::size_t size) {
  const RandomStream random{.seed = 7};
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(random.bits(i)[0]);
  return text;
}

TEST(Sha256, PortableCodeGivesTheFipsVectors) {
  expect_fips_vectors(Sha256Method::Portable);
}

TEST(Sha256, ShaInstructionsGiveTheFipsVectors) {
  if (!has_sha_instructions()) GTEST_SKIP() << "SKIP: this processor has no SHA instructions";
  expect_fips_vectors(Sha256Method::ShaInstructions);
}

TEST(Sha256, BothMethodsAgreeAtEveryLengthAroundTheBlockSize) {
  if (!has_sha_instructions()) GTEST_SKIP() << "SKIP: this processor has no SHA instructions";
  const std::string text = random_text(300);
  for (std::size_t n = 0; n <= text.size(); ++n) {
    const std::string_view part = std::string_view(text).substr(0, n);
    ASSERT_EQ(hash_of(part, Sha256Method::Portable), hash_of(part, Sha256Method::ShaInstructions))
        << n << " bytes";
  }
}

TEST(Sha256, PiecesOfAnySizeHashLikeTheWhole) {
  const std::string text = random_text(5000);
  const RandomStream random{.seed = 8};
  for (std::uint32_t trial = 0; trial < 50; ++trial) {
    Sha256 hash;
    std::size_t at = 0;
    for (std::uint64_t i = 0; at < text.size(); ++i) {
      const std::size_t n = random.bits(trial * 1000 + i)[0] % 200;
      hash.update(std::string_view(text).substr(at, n));
      at += n;
    }
    ASSERT_EQ(hash.hex(), sha256_hex(text)) << "trial " << trial;
  }
}

TEST(Sha256, TheStreamGoesOnAfterADigest) {
  Sha256 hash;
  hash.update("a");
  EXPECT_EQ(hash.hex(), sha256_hex("a"));
  hash.update("bc");
  EXPECT_EQ(hash.hex(), sha256_hex("abc"));
}

TEST(Sha256, HexWritesLeadingZerosAndLowerCase) {
  EXPECT_EQ(to_hex(std::vector<std::uint8_t>{0x00, 0x0a, 0xff}), "000aff");
}

}  // namespace
}  // namespace krait
