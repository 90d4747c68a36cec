// Measures kernels and keeps a row for each.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/device.h"
#include "core/memory/allocator.h"
#include "core/stream/context.h"
#include "core/tensor/dtype.h"
#include "experiments/bench/inputs.h"
#include "experiments/bench/reference.h"
#include "experiments/bench/timer.h"
#include "kernels/contract/gradient.h"

namespace krait {

struct KernelBenchmark {
  Device device;
  DType dtype = DType::F32;       // of activations and matrix weights: f32, on CUDA also bf16
  std::string filter;             // only kernels whose name contains this
  int threads = 0;                // of the CPU; 0: all
  std::optional<double> seconds;  // each kernel at least this long, and at least three times;
                                  // not given: 1 on the CPU, 0.25 on a GPU
  std::vector<KernelReference> references;
};

/// The unit in which the work of a call is counted, besides bytes.
enum class WorkUnit : std::uint8_t { None, StateUpdates, FloatOperations };

/// One row of the report.
struct KernelCase {
  std::string kernel, shape;
  double bytes = 0;  // each input read once, each output written once
  double work = 0;
  WorkUnit unit = WorkUnit::None;
  std::string beside = {};  // the shape that a unit of work is compared with
};

/// Measures cases and keeps their rows.
class KernelBench {
 public:
  explicit KernelBench(const KernelBenchmark& options);

  bool wants(const std::string& kernel) const {
    return kernel.find(options_.filter) != std::string::npos;
  }
  bool on_gpu() const { return options_.device.is_cuda(); }
  /// The dtype of activations and matrix weights, and that of sums and of parameters used with
  /// them.
  DType dtype() const { return options_.dtype; }
  DType sum_dtype() const { return accumulate_dtype(options_.dtype); }
  const ExecutionContext& context() const { return context_; }

  Tensor random(const Shape& shape, DType dtype, double low = -1, double high = 1) {
    return inputs_.make(shape, dtype, low, high);
  }
  Tensor ids(const Shape& shape, std::int64_t limit) const { return inputs_.ids(shape, limit); }
  Tensor empty(const Shape& shape, DType dtype) const {
    return Tensor::empty(shape, dtype, options_.device);
  }
  Gradient gradient(const Tensor& like) const { return gradient(like, like.dtype()); }
  Gradient gradient(const Tensor& like, DType dtype) const {
    return {.tensor = empty(like.shape(), dtype), .mode = GradientMode::Overwrite};
  }

  /// Sets of arguments that the calls use in turn: one on the CPU; on a GPU so many that nothing of
  /// the next one is in the caches.
  template <class Make>
  auto sets(Make&& make) {
    const auto used = [this] { return allocator(options_.device).statistics().active; };
    const std::size_t before = used();
    std::vector<decltype(make())> made;
    made.push_back(make());
    const std::size_t wanted = on_gpu() ? used() - before < kLargeSet ? 4 : 2 : 1;
    while (made.size() < wanted) made.push_back(make());
    return made;
  }

  /// The ceiling of memory-bound kernels: bytes read and written by a plain copy. Before any add().
  void measure_copy();
  void add(const KernelCase& one, const std::function<void(std::size_t turn)>& call);
  /// Frees the blocks that the last cases left in the allocator's cache.
  void trim() const;

  double copy_rate() const { return copy_rate_; }
  const std::string& copy_kind() const { return copy_kind_; }
  const nlohmann::ordered_json& rows() const { return rows_; }

 private:
  static constexpr std::size_t kLargeSet = std::size_t{256} << 20;

  KernelBenchmark options_;
  ExecutionContext context_;
  RandomTensors inputs_;
  CallTimer timer_;
  double copy_rate_ = 0;  // GB/s
  std::string copy_kind_;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

}  // namespace krait
