// Counter-based random numbers, Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random
// numbers: as easy as 1, 2, 3"). A number is a pure function of (seed, purpose, stream, index), so
// it is the same on every device, at any world size, and after a resume.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace krait {

using Philox4 = std::array<std::uint32_t, 4>;

/// Ten rounds of Philox4x32 on a counter and a key.
constexpr Philox4 philox4x32(Philox4 counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

/// What the numbers are for: different purposes never share a number.
enum class RandomPurpose : std::uint32_t { Initialise = 1, Shuffle, Dropout, Sample, Test };

/// A stream of random numbers addressed by index.
struct RandomStream {
  std::uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::Test;
  std::uint32_t stream = 0;  // such as a layer, an epoch, or stream_of(a parameter's name)

  constexpr Philox4 bits(std::uint64_t index) const {
    // purpose and stream share the upper half of the counter
    return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                       stream, static_cast<std::uint32_t>(purpose)},
                      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  }
  /// 64 random bits.
  constexpr std::uint64_t bits64(std::uint64_t index) const {
    const Philox4 r = bits(index);
    return (std::uint64_t{r[0]} << 32) | r[1];
  }
  /// Uniform in [0, 1), 53 bits.
  constexpr double uniform(std::uint64_t index) const {
    return static_cast<double>(bits64(index) >> 11) * 0x1.0p-53;
  }
  /// Standard normal (Box-Muller).
  double normal(std::uint64_t index) const {
    const Philox4 r = bits(index);
    const double u =
        (static_cast<double>(((std::uint64_t{r[0]} << 32) | r[1]) >> 11) + 1) * 0x1.0p-53;
    const double v = static_cast<double>(((std::uint64_t{r[2]} << 32) | r[3]) >> 11) * 0x1.0p-53;
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
  }
};

/// A stream number from a name (FNV-1a): a parameter's initial values depend on its name and the
/// seed only, not on the order in which modules are built.
constexpr std::uint32_t stream_of(std::string_view name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return hash;
}

/// A pseudo-random permutation of [0, size), evaluated one element at a time in constant memory: a
/// six-round Feistel network on the next power of four, applied again until its result is below
/// `size`.
class Permutation {
 public:
  Permutation(std::uint64_t size, const RandomStream& stream);
  /// The image of `index` < size.
  std::uint64_t operator()(std::uint64_t index) const;

 private:
  static constexpr int kRounds = 6;
  std::uint64_t size_;
  int half_bits_;
  std::array<std::uint32_t, kRounds> keys_{};
};

}  // namespace krait
