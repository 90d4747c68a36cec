// The time of single kernels.
#pragma once
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace krait {

struct KernelBenchmark {
  std::string filter;  // only kernels whose name contains this
  int threads = 0;     // 0: all
  double seconds = 1;  // each kernel at least this long, and at least three times
};

/// Random f32 inputs through the kernels of a training step. Gives threads, the copy bandwidth
/// measured in the same run (copy_gb_per_s, read and written bytes), and `kernels`: for each its
/// name, shape, dtype, calls, median, fastest and slowest call in milliseconds, gb_per_s (each
/// input read and each output written once) with its fraction of the copy bandwidth, and the work
/// done per second (`rate` in `unit`: 1e9 state updates or floating-point operations). Throws Error
/// (Usage) when the filter fits no kernel.
nlohmann::ordered_json run_kernel_benchmark(const KernelBenchmark& options);

/// The same as a table for people.
std::string kernel_benchmark_table(const nlohmann::ordered_json& report);

}  // namespace krait
