// The choice of held-out text, see SplitRule.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/random.h"

namespace krait {

/// The number of a document: it is held out when it is below a threshold.
inline double held_out_number(std::uint64_t seed, std::uint64_t document) {
  constexpr std::uint32_t kStream = stream_of("held-out documents");
  return RandomStream{.seed = seed, .purpose = RandomPurpose::Sample, .stream = kStream}.uniform(
      document);
}

/// Where to cut a text so that about `fraction` of it is held out.
inline std::size_t cut_position(std::string_view text, double fraction) {
  const auto kept = static_cast<std::size_t>(static_cast<double>(text.size()) * (1 - fraction));
  std::size_t cut = std::min(kept, text.size());
  const std::size_t near = (text.size() - cut) / 4;
  const std::size_t line = text.substr(cut, near).find('\n');
  if (line != std::string_view::npos) return cut + line + 1;
  const auto continues = [&] { return (static_cast<std::uint8_t>(text[cut]) & 0xC0) == 0x80; };
  while (cut < text.size() && continues()) ++cut;
  return cut;
}

}  // namespace krait
