#include "core/error.h"
#include "train/config.h"

namespace krait {

Device resolve_device(Config::Run::Device choice) {
  KRAIT_CHECK(BadConfig, choice != Config::Run::Device::Cuda || kCudaEnabled,
              "device cuda was asked for, but this build has no CUDA backend; use cpu, or build "
              "with nvcc on the PATH.");
  const bool cuda = choice != Config::Run::Device::Cpu && kCudaEnabled;
  return {.type = cuda ? DeviceType::Cuda : DeviceType::Cpu};
}

Device resolve_device(const Config& config) {
  using Precision = Config::Train::Precision;
  const Device device = resolve_device(config.run.device);
  const Precision precision = config.train.precision;
  KRAIT_CHECK(BadConfig,
              device.is_cuda() || precision == Precision::F32 || precision == Precision::F64,
              "train.precision ", choice_name(precision),
              " needs CUDA, and this run computes on the CPU; set train.precision=f32.");
  KRAIT_CHECK(BadConfig, !device.is_cuda() || precision != Precision::F64,
              "train.precision f64 runs on the CPU only; set run.device=cpu or "
              "train.precision=f32.");
  return device;
}

}  // namespace krait
