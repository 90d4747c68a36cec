// One layer on the residual stream.
#pragma once
#include <cstdint>
#include <memory>

#include "layers/basic/dropout.h"
#include "layers/basic/norm.h"
#include "layers/mixers/mixer.h"
#include "layers/models/config.h"

namespace krait {

/// residual += hidden;  hidden = mixer(norm(residual)).
class Block : public Module {
 public:
  /// `index` is the layer's number, which keys its dropout.
  Block(const ModelConfig& config, const MixerConfig& mixer, std::uint32_t index);
  struct Output {
    Variable hidden, residual;  // (b, l, d_model)
    MixerState final;
  };
  /// `residual` is undefined in the first layer.
  Output forward(const Variable& hidden, const Variable& residual,
                 const MixerSequence& sequence) const;
  const Mixer& mixer() const { return *mixer_; }

 private:
  Norm norm_;
  std::unique_ptr<Mixer> mixer_;
  Dropout dropout_;
};

}  // namespace krait
