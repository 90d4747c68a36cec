#include "core/device.h"

namespace krait {

int cuda_device_count() {
  if constexpr (kCudaEnabled) {
    return cuda::device_count();
  } else {
    return 0;
  }
}

}  // namespace krait
