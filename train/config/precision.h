// Where a model computes, and in which arithmetic.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/device.h"
#include "core/names.h"
#include "core/stream/context.h"
#include "core/tensor/dtype.h"

namespace krait {

enum class DeviceChoice : std::uint8_t { Auto, Cpu, Cuda };
template <>
inline constexpr std::array<std::string_view, 3> kNames<DeviceChoice>{"auto", "cpu", "cuda"};

enum class Precision : std::uint8_t { F32, F64, Tf32, Bf16 };
template <>
inline constexpr std::array<std::string_view, 4> kNames<Precision>{"f32", "f64", "tf32", "bf16"};

/// The dtypes of a model: f64 for f64, else f32; activations and matrix weights are bf16 for bf16.
DType parameter_dtype(Precision precision);
std::optional<DType> compute_dtype(Precision precision);
/// The context to compute in `precision` on `device`.
ExecutionContext precision_context(Device device, Precision precision);

/// The device that `choice` means here: Auto is the first GPU where the backend is built in and a
/// GPU is there, else the CPU. Throws BadConfig for Cuda where either is missing.
Device resolve_device(DeviceChoice choice);

/// Why the device cannot compute in `precision`, such as "bf16 needs CUDA, but this machine has no
/// NVIDIA GPU"; empty where it can: tf32 and bf16 need CUDA, f64 the CPU.
std::string obstacle_to_precision(Device device, Precision precision);
/// `precision` where the device can compute in it, else f32: what a model trained elsewhere is used
/// in.
Precision usable_precision(Device device, Precision precision);
/// The precision in which weights of `precision` are kept and can be read without loss: f64 or f32.
Precision kept_precision(Precision precision);

/// "cpu" or "cuda:0 (NVIDIA H200)".
std::string describe_device(Device device);

}  // namespace krait
