// The kinds of mixers that a configuration can name.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>

#include "core/names.h"
#include "layers/mixers/mamba1.h"

namespace krait {

/// In the order of MixerConfig's alternatives.
enum class MixerKind : std::uint8_t { Mamba1 };
template <>
inline constexpr std::array<std::string_view, 1> kNames<MixerKind>{"mamba1"};

using MixerConfig = std::variant<Mamba1Config>;
static_assert(std::variant_size_v<MixerConfig> == kNames<MixerKind>.size());

inline MixerKind kind_of(const MixerConfig& config) {
  return static_cast<MixerKind>(config.index());
}

std::unique_ptr<Mixer> make_mixer(const MixerConfig& config, const LayerPlace& place);

}  // namespace krait
