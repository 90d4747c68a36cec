#include "core/device_properties.h"
#include "core/error.h"
#include "train/config.h"

namespace krait {

using Precision = Config::Train::Precision;

Device resolve_device(Config::Run::Device choice) {
  const bool wanted = choice == Config::Run::Device::Cuda;
  KRAIT_CHECK(BadConfig, !wanted || kCudaEnabled,
              "device cuda was asked for, but this build has no CUDA backend; use cpu, or build "
              "with nvcc on the PATH.");
  KRAIT_CHECK(BadConfig, !wanted || cuda_device_count() > 0,
              "device cuda was asked for, but this machine has no NVIDIA GPU or no driver for it "
              "(nvidia-smi lists what there is); use cpu.");
  const bool cuda = choice != Config::Run::Device::Cpu && cuda_device_count() > 0;
  return {.type = cuda ? DeviceType::Cuda : DeviceType::Cpu};
}

void require_precision(Device device, Precision precision, std::string_view option) {
  if (usable_precision(device, precision) == precision) return;
  const std::string_view reason = device.is_cuda()
                                      ? " runs on the CPU only; compute there, or set "
                                      : " needs CUDA, and this run computes on the CPU; set ";
  throw Error(option.starts_with("--") ? ErrorKind::Usage : ErrorKind::BadConfig,
              str(option, " ", choice_name(precision), reason, option, "=f32."));
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
