// The kinds of mixers that a configuration can name.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>

#include "core/names.h"
#include "layers/mixers/mamba1.h"
#include "layers/mixers/s4d.h"

namespace krait {

/// In the order of MixerConfig's alternatives.
enum class MixerKind : std::uint8_t { Mamba1, S4d };
template <>
inline constexpr std::array<std::string_view, 2> kNames<MixerKind>{"mamba1", "s4d"};

using MixerConfig = std::variant<Mamba1Config, S4dConfig>;
static_assert(std::variant_size_v<MixerConfig> == kNames<MixerKind>.size());

inline MixerKind kind_of(const MixerConfig& config) {
  return static_cast<MixerKind>(config.index());
}

std::unique_ptr<Mixer> make_mixer(const MixerConfig& config, const LayerPlace& place);

}  // namespace krait
