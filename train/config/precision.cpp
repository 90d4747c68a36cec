#include "train/config/precision.h"

#include "core/device_properties.h"
#include "core/error.h"

namespace krait {

namespace {

/// Why nothing can run on a GPU here, and what to do; empty where something can.
std::string_view obstacle_to_cuda() {
  if constexpr (!kCudaEnabled) {
    return "this build has no CUDA backend (build with nvcc on the PATH to have one)";
  }
  if (cuda_device_count() > 0) return {};
  return "this machine has no NVIDIA GPU, or a driver older than the CUDA of this build "
         "(nvidia-smi shows both)";
}

}  // namespace

Device resolve_device(DeviceChoice choice) {
  const std::string_view obstacle = obstacle_to_cuda();
  KRAIT_CHECK(BadConfig, choice != DeviceChoice::Cuda || obstacle.empty(),
              "device cuda was asked for, but ", obstacle, "; use cpu.");
  const bool cuda = choice != DeviceChoice::Cpu && obstacle.empty();
  return {.type = cuda ? DeviceType::Cuda : DeviceType::Cpu};
}

std::string obstacle_to_precision(Device device, Precision precision) {
  if (usable_precision(device, precision) == precision) return {};
  if (device.is_cuda()) return str(name_of(precision), " runs on the CPU only");
  std::string_view reason = obstacle_to_cuda();
  if (reason.empty()) reason = "this run computes on the CPU";
  return str(name_of(precision), " needs CUDA, but ", reason);
}

Precision usable_precision(Device device, Precision precision) {
  const Precision elsewhere = device.is_cuda() ? Precision::F64 : Precision::Bf16;
  const bool usable = precision != elsewhere && (device.is_cuda() || precision != Precision::Tf32);
  return usable ? precision : Precision::F32;
}

Precision kept_precision(Precision precision) {
  return precision == Precision::F64 ? Precision::F64 : Precision::F32;
}

DType parameter_dtype(Precision precision) {
  return precision == Precision::F64 ? DType::F64 : DType::F32;
}

std::optional<DType> compute_dtype(Precision precision) {
  if (precision == Precision::Bf16) return DType::BF16;
  return std::nullopt;
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
