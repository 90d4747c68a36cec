// The time of a whole training step.
#pragma once
#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "layers/mamba_config.h"

namespace krait {

struct StepBenchmark {
  MambaConfig model;
  std::int64_t batch = 4;
  std::int64_t length = 512;
  bool recompute = false;
  int threads = 0;      // 0: all
  int warmup = 1;       // steps not counted
  double seconds = 10;  // measured at least this long, and at least five steps
};

/// Random tokens through forward, backward, clipping and AdamW, the steps of `krait train` without
/// reading data. Gives the configuration, the median, fastest and slowest step in milliseconds, the
/// medians of its parts, tokens per second (median), the peak of allocated memory in bytes, and
/// allocations that reached the system after the first step.
nlohmann::ordered_json run_step_benchmark(const StepBenchmark& options);

}  // namespace krait
