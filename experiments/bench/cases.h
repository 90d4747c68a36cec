// The kernels and shapes of `krait bench kernels`.
#pragma once
#include "experiments/bench/kernel_bench.h"

namespace krait {

/// The cases for a CPU, and those for a GPU: the layers of a model of 130M parameters at 65,536
/// tokens, and shapes that are hard for a kernel.
void add_cpu_cases(KernelBench& bench);
void add_cuda_cases(KernelBench& bench);

}  // namespace krait
