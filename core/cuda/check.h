// CUDA's error codes as krait::Error. Only for code behind core/ and kernels/ interfaces.
#pragma once
#include <cuda_runtime_api.h>

#include "core/error.h"

namespace krait::cuda {

/// Throws unless `status` is cudaSuccess: kind Io when the device is out of memory or gone, else
/// Contract. `call` and `where` say what failed and in which line.
void check_status(cudaError_t status, const char* call, const char* where);

/// Makes a device the current one of this thread. Cheap when it is that already.
void use_device(int index);

}  // namespace krait::cuda

/// Checks a call of the CUDA runtime.
#define KRAIT_CUDA_CHECK(call) \
  ::krait::cuda::check_status((call), #call, __FILE__ ":" KRAIT_STRINGIFY(__LINE__))
/// Checks the kernel launch before it. What fails while the kernel runs is found by a later call.
#define KRAIT_CUDA_CHECK_LAUNCH(kernel)                                \
  ::krait::cuda::check_status(cudaGetLastError(), "launch of " kernel, \
                              __FILE__ ":" KRAIT_STRINGIFY(__LINE__))
