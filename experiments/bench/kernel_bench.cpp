#include "experiments/bench/kernel_bench.h"

#include <algorithm>
#include <cstring>

#include "core/memory/memory.h"
#include "core/system/parallel.h"

namespace krait {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kSecondsOnCpu = 1, kSecondsOnGpu = 0.25;

}  // namespace

KernelBench::KernelBench(const KernelBenchmark& options)
    : options_(options),
      context_(execution_context(options.device)),
      inputs_(options.device),
      timer_(options.device,
             options.seconds.value_or(options.device.is_cuda() ? kSecondsOnGpu : kSecondsOnCpu)) {}

void KernelBench::measure_copy() {
  const std::int64_t elements = on_gpu() ? std::int64_t{1} << 28 : std::int64_t{64} << 20;
  const Tensor from = random({elements}, DType::F32), to = empty({elements}, DType::F32);
  std::vector<double> ms;
  if (on_gpu()) {
    copy_kind_ = "the driver's device-to-device copy of 1 GiB";
    ms = timer_.time([&](std::size_t) {
      copy_memory({.to = to.data<float>(), .device = to.device()},
                  {.from = from.data<float>(), .device = from.device()}, from.bytes());
    });
  } else {
    constexpr std::int64_t kGrain = 1 << 18;
    copy_kind_ = "memcpy of 256 MiB by all threads";
    ms = timer_.time([&](std::size_t) {
      parallel_for(elements, kGrain, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to.data<float>() + begin, from.data<float>() + begin,
                    static_cast<std::size_t>(end - begin) * sizeof(float));
      });
    });
  }
  copy_rate_ = static_cast<double>(from.bytes() + to.bytes()) / quantile(ms, 0.5) / 1e6;
}

void KernelBench::add(const KernelCase& one, const std::function<void(std::size_t)>& call) {
  if (!wants(one.kernel)) return;
  const std::vector<double> ms = timer_.time(call);
  const double median = quantile(ms, 0.5), rate = one.bytes / median / 1e6;
  Json row{{"kernel", one.kernel},
           {"shape", one.shape},
           {"dtype", name_of(options_.dtype)},
           {"calls", ms.size()},
           {"median_ms", median},
           {"min_ms", ms.front()},
           {"max_ms", ms.back()},
           {"p05_ms", quantile(ms, 0.05)},
           {"p95_ms", quantile(ms, 0.95)},
           {"gb_per_s", rate},
           {"fraction_of_copy", rate / copy_rate_}};
  if (one.unit != WorkUnit::None) {
    const bool tera = one.unit == WorkUnit::FloatOperations && on_gpu();
    row["rate"] = one.work / median / (tera ? 1e9 : 1e6);
    row["unit"] = one.unit == WorkUnit::StateUpdates ? "G updates/s" : tera ? "TFLOP/s" : "GFLOP/s";
  }
  for (const Json& other : rows_) {
    if (other.at("kernel") != one.kernel || other.at("shape") != one.beside) continue;
    row["cost"] = {{"beside", one.beside},
                   {"ratio", other.at("rate").get<double>() / row.at("rate").get<double>()}};
  }
  rows_.push_back(std::move(row));
}

void KernelBench::trim() const {
  allocator(options_.device).trim();
}

}  // namespace krait
