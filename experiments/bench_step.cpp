#include "experiments/bench_step.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include <nlohmann/json.hpp>

#include "autograd/engine.h"
#include "autograd/reduce.h"
#include "core/allocator.h"
#include "core/parallel.h"
#include "core/random.h"
#include "layers/mamba_lm.h"
#include "train/optimizer.h"
#include "train/parameter_arena.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

Tensor random_ids(const StepBenchmark& o, std::uint32_t stream) {
  const RandomStream random{.seed = 1, .stream = stream};
  const Tensor ids = Tensor::empty({o.batch, o.length}, DType::I32);
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    ids.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(random.bits64(static_cast<std::uint64_t>(i)) %
                                  static_cast<std::uint64_t>(o.model.vocab_size));
  }
  return ids;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// Milliseconds of one step and of its parts.
struct StepTime {
  double forward = 0, backward = 0, update = 0;
  double total() const { return forward + backward + update; }
};

double lap(Clock::time_point& since) {
  const auto now = Clock::now();
  const double ms = std::chrono::duration<double, std::milli>(now - since).count();
  since = now;
  return ms;
}

class Bench {
 public:
  explicit Bench(const StepBenchmark& o)
      : options_(o),
        model_(o.model),
        arena_((model_.initialise(1), model_)),
        optimizer_(arena_, {.lr = 1e-3}),
        inputs_(random_ids(o, 1)),
        targets_(random_ids(o, 2)) {}

  StepTime step() {
    StepTime t;
    auto since = Clock::now();
    arena_.zero_grad();
    const Variable loss = mean(
        model_.losses(model_.forward(inputs_, {.recompute = options_.recompute}).hidden, targets_));
    t.forward = lap(since);
    backward(loss);
    t.backward = lap(since);
    optimizer_.gradient_norm();
    optimizer_.update(++count_, 1e-3);
    t.update = lap(since);
    return t;
  }
  std::int64_t parameters() const { return model_.parameter_count(); }

 private:
  StepBenchmark options_;
  MambaLM model_;
  ParameterArena arena_;
  Optimizer optimizer_;
  Tensor inputs_, targets_;
  std::int64_t count_ = 0;
};

}  // namespace

nlohmann::ordered_json run_step_benchmark(const StepBenchmark& o) {
  if (o.threads > 0) set_thread_count(o.threads);
  Bench bench(o);
  bench.step();
  const std::uint64_t calls = allocator({}).statistics().driver_calls;
  for (int i = 1; i < o.warmup; ++i) bench.step();
  std::array<std::vector<double>, 4> times;  // total, forward, backward, update
  const auto start = Clock::now();
  while (times[0].size() < 5 ||
         std::chrono::duration<double>(Clock::now() - start).count() < o.seconds) {
    const StepTime t = bench.step();
    times[0].push_back(t.total());
    times[1].push_back(t.forward);
    times[2].push_back(t.backward);
    times[3].push_back(t.update);
  }
  const AllocatorStatistics memory = allocator({}).statistics();
  const double ms = median(times[0]);
  return {{"d_model", o.model.d_model},
          {"n_layer", o.model.n_layer},
          {"vocab_size", o.model.vocab_size},
          {"parameters", bench.parameters()},
          {"batch", o.batch},
          {"length", o.length},
          {"dtype", name_of(o.model.dtype)},
          {"recompute", o.recompute},
          {"threads", thread_count()},
          {"steps", times[0].size()},
          {"median_ms", ms},
          {"min_ms", *std::min_element(times[0].begin(), times[0].end())},
          {"max_ms", *std::max_element(times[0].begin(), times[0].end())},
          {"forward_ms", median(times[1])},
          {"backward_ms", median(times[2])},
          {"update_ms", median(times[3])},
          {"tokens_per_second", static_cast<double>(o.batch * o.length) / ms * 1000},
          {"peak_bytes", memory.peak},
          {"driver_calls_after_first_step", memory.driver_calls - calls}};
}

}  // namespace krait
