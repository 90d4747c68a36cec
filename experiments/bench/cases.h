// The kernels and shapes of `krait bench kernels`.
#pragma once
#include "experiments/bench/kernel_bench.h"

namespace krait {

/// The shapes that a CPU is measured with, and those of a GPU: the layers of a model of 130M
/// parameters at 65,536 tokens, and what tells good kernels from bad ones.
void add_cpu_cases(KernelBench& bench);
void add_cuda_cases(KernelBench& bench);

}  // namespace krait
