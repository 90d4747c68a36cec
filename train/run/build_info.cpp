#include "train/run/build_info.h"

#include <fmt/format.h>

#include "core/device.h"

namespace krait {

const BuildInfo& build_info() {
  static constexpr BuildInfo info{.version = KRAIT_VERSION,
                                  .source = KRAIT_SOURCE,
                                  .compiler = KRAIT_COMPILER,
                                  .flags = KRAIT_FLAGS,
                                  .build_type = KRAIT_BUILD_TYPE,
                                  .system = KRAIT_SYSTEM,
                                  .cuda = kCudaEnabled,
                                  .mpi = KRAIT_MPI,
                                  .nccl = KRAIT_NCCL};
  return info;
}

std::string describe_build() {
  const BuildInfo& info = build_info();
  const auto word = [](bool present) { return present ? "yes" : "no"; };
  return fmt::format("krait {} ({})\n{}, {}, {} {}\nCUDA {}, MPI {}, NCCL {}", info.version,
                     info.source, info.system, info.compiler, info.build_type, info.flags,
                     word(info.cuda), word(info.mpi), word(info.nccl));
}

}  // namespace krait
