#include "layers/mixers/mixer.h"

#include "autograd/operations/view.h"

namespace krait {

MixerState rows(const MixerState& state, std::int64_t begin, std::int64_t end) {
  MixerState result;
  for (const Variable& part : state.parts) result.parts.push_back(slice(part, 0, begin, end));
  return result;
}

}  // namespace krait
