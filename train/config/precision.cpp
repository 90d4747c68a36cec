#include "core/device_properties.h"
#include "core/error.h"
#include "train/config/config.h"

namespace krait {

using Precision = Config::Train::Precision;

namespace {

/// Why nothing can run on a GPU here, and what to do; empty where something can.
std::string_view obstacle_to_cuda() {
  if constexpr (!kCudaEnabled) {
    return "this build has no CUDA backend (build with nvcc on the PATH to have one)";
  }
  if (cuda_device_count() > 0) return {};
  return "this machine has no NVIDIA GPU, or a driver older than the CUDA of this build "
         "(nvidia-smi "
         "shows both)";
}

}  // namespace

Device resolve_device(Config::Run::Device choice) {
  const std::string_view obstacle = obstacle_to_cuda();
  KRAIT_CHECK(BadConfig, choice != Config::Run::Device::Cuda || obstacle.empty(),
              "device cuda was asked for, but ", obstacle, "; use cpu.");
  const bool cuda = choice != Config::Run::Device::Cpu && obstacle.empty();
  return {.type = cuda ? DeviceType::Cuda : DeviceType::Cpu};
}

void require_precision(Device device, Precision precision, std::string_view option) {
  if (usable_precision(device, precision) == precision) return;
  std::string_view reason = obstacle_to_cuda();
  if (reason.empty()) reason = "this run computes on the CPU";
  throw Error(option.starts_with("--") ? ErrorKind::Usage : ErrorKind::BadConfig,
              device.is_cuda()
                  ? str(option, " ", name_of(precision),
                        " runs on the CPU only; compute there, or set ", option, "=f32.")
                  : str(option, " ", name_of(precision), " needs CUDA, but ", reason, "; set ",
                        option, "=f32."));
}

Device resolve_device(const Config& config) {
  const Device device = resolve_device(config.run.device);
  require_precision(device, config.train.precision, "train.precision");
  return device;
}

Precision usable_precision(Device device, Precision precision) {
  const Precision elsewhere = device.is_cuda() ? Precision::F64 : Precision::Bf16;
  const bool usable = precision != elsewhere && (device.is_cuda() || precision != Precision::Tf32);
  return usable ? precision : Precision::F32;
}

ExecutionContext precision_context(Device device, Precision precision) {
  ExecutionContext context = execution_context(device);
  context.tf32 = precision == Precision::Tf32;
  return context;
}

std::string describe_device(Device device) {
  std::string text = str(device);
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) text += " (" + cuda::device_properties(device).name + ")";
  }
  return text;
}

}  // namespace krait
