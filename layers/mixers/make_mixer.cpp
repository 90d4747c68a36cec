#include "layers/mixers/make_mixer.h"

namespace krait {
namespace {

std::unique_ptr<Mixer> make(const Mamba1Config& config, const LayerPlace& place) {
  return std::make_unique<Mamba1>(config, place);
}

std::unique_ptr<Mixer> make(const S4dConfig& config, const LayerPlace& place) {
  return std::make_unique<S4d>(config, place);
}

}  // namespace

std::unique_ptr<Mixer> make_mixer(const MixerConfig& config, const LayerPlace& place) {
  return std::visit([&](const auto& one) { return make(one, place); }, config);
}

}  // namespace krait
