// The time of single kernels.
#pragma once
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "experiments/bench/kernel_bench.h"

namespace krait {

/// Random inputs through the kernels of a training step; on CUDA in the dtypes of a bf16 or f32
/// model (core/tensor/dtype.h, accumulate_dtype). Gives
///   threads, dtype, krait (version and commit), date, seconds
///   device: its name, on CUDA with multiprocessors, clock_ghz, memory_gib, driver, runtime
///   copy_gb_per_s: the bandwidth of copy_kind, measured in the same run, read and written bytes
///   kernels: for each its name, shape, dtype, calls; median, fastest, slowest and the 5 % and 95 %
///     quantiles of single calls in milliseconds; gb_per_s (each input read and each output written
///     once) with its fraction of the copy bandwidth; the work done per second (`rate` in `unit`);
///     `cost` of a unit of work beside that of another length; `references`, where there are some
///     for kernel, shape and dtype, each with `speedup`: its time over this median.
/// Throws Error (Usage) when the filter matches no kernel or the CPU is to compute in bf16.
nlohmann::ordered_json run_kernel_benchmark(const KernelBenchmark& options);

/// The same as tables to read, at most 120 columns wide.
std::string kernel_benchmark_table(const nlohmann::ordered_json& report);

}  // namespace krait
