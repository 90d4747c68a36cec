#include "core/stream/profile.h"

#include <string>

#include <nvtx3/nvToolsExt.h>  // header-only: finds a profiler, if there is one, at run time

namespace krait::cuda {

void push_profile_range(std::string_view name) {
  nvtxRangePushA(std::string(name).c_str());
}

void pop_profile_range() noexcept {
  nvtxRangePop();
}

}  // namespace krait::cuda
