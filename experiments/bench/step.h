// The time of a whole training step.
#pragma once
#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "layers/mixers/config.h"
#include "train/config/config.h"

namespace krait {

struct StepBenchmark {
  MambaConfig model;
  std::int64_t batch = 4;
  std::int64_t length = 512;
  bool recompute = false;
  Device device;
  Precision precision = Precision::F32;  // sets the model's dtypes
  int threads = 0;                       // 0: all
  int warmup = 1;                        // steps not counted
  double seconds = 10;                   // measured at least this long, and at least five steps
};

/// The optimizer steps of `krait train` (train/step/training_step.h) on random tokens, without
/// reading data. Gives the configuration, the median, fastest and slowest step in milliseconds, the
/// medians of its parts, tokens per second (median), the peak of allocated memory in bytes, and
/// allocations that reached the system (the driver) after the first step. On a GPU the times are
/// those between marks in its stream, and as in training the host is up to one step ahead.
nlohmann::ordered_json run_step_benchmark(const StepBenchmark& options);

}  // namespace krait
