#include "core/random.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace krait {

Permutation::Permutation(std::uint64_t size, const RandomStream& stream) : size_(size) {
  half_bits_ = static_cast<int>(std::bit_width(std::max<std::uint64_t>(size, 2) - 1) + 1) / 2;
  for (int i = 0; i < kRounds; ++i) {
    keys_[static_cast<std::size_t>(i)] = stream.bits(static_cast<std::uint64_t>(i))[0];
  }
}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  KRAIT_REQUIRE(index < size_, "[Permutation] index ", index, " must be < ", size_, ".");
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  do {  // the walk stays on one cycle of the network, so the restriction is a permutation too
    std::uint64_t left = index >> half_bits_, right = index & mask;
    for (const std::uint32_t key : keys_) {
      const Philox4 r = philox4x32(
          {static_cast<std::uint32_t>(right), static_cast<std::uint32_t>(right >> 32), 0, 0},
          {key, 0});
      const std::uint64_t mixed = left ^ (((std::uint64_t{r[1]} << 32) | r[0]) & mask);
      left = right;
      right = mixed;
    }
    index = (left << half_bits_) | right;
  } while (index >= size_);
  return index;
}

}  // namespace krait
