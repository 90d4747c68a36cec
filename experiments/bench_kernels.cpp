#include "experiments/bench_kernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "core/random.h"
#include "kernels/adamw.h"
#include "kernels/causal_conv1d.h"
#include "kernels/gemm.h"
#include "kernels/linear_cross_entropy.h"
#include "kernels/norm.h"
#include "kernels/selective_scan.h"

namespace krait {
namespace {

using Clock = std::chrono::steady_clock;

/// Uniform in [low, high).
Tensor random_tensor(const Shape& shape, double low = -1, double high = 1) {
  const Tensor t = Tensor::empty(shape, DType::F32);
  const std::span<float> values = t.span<float>();
  const RandomStream random{.seed = 1};
  parallel_for(t.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const double x = low + (high - low) * random.uniform(static_cast<std::uint64_t>(i));
      values[static_cast<std::size_t>(i)] = static_cast<float>(x);
    }
  });
  return t;
}

Tensor empty_like(const Tensor& t) {
  return Tensor::empty(t.shape(), t.dtype());
}

Gradient gradient_like(const Tensor& t) {
  return {.tensor = empty_like(t), .mode = GradientMode::Overwrite};
}

/// Bytes of tensors that are read or written once.
double bytes_of(std::initializer_list<const Tensor*> tensors) {
  double bytes = 0;
  for (const Tensor* t : tensors) bytes += static_cast<double>(t->bytes());
  return bytes;
}

/// What a call does.
struct Work {
  double bytes = 0;
  double amount = 0;
  const char* unit = "";  // of 1e9 of the amount per second; empty: bytes are all there is to say
};

class Bench {
 public:
  explicit Bench(const KernelBenchmark& options) : options_(options) {}

  bool wants(const std::string& name) const {
    return name.find(options_.filter) != std::string::npos;
  }

  /// Milliseconds of each call, rising, after one that is not counted.
  std::vector<double> time(const std::function<void()>& call) const {
    call();
    std::vector<double> ms;
    const auto start = Clock::now();
    while (ms.size() < 3 ||
           std::chrono::duration<double>(Clock::now() - start).count() < options_.seconds) {
      const auto begin = Clock::now();
      call();
      ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
    std::sort(ms.begin(), ms.end());
    return ms;
  }

  /// Bytes read and written per second, in 1e9, by all threads at once: the ceiling of `add`.
  void measure_copy() {
    constexpr std::int64_t kElements = std::int64_t{64} << 20;
    constexpr std::int64_t kGrain = 1 << 18;
    const Tensor from = random_tensor({kElements}), to = empty_like(from);
    const auto ms = time([&] {
      parallel_for(kElements, kGrain, [&](std::int64_t begin, std::int64_t end) {
        std::memcpy(to.data<float>() + begin, from.data<float>() + begin,
                    static_cast<std::size_t>(end - begin) * sizeof(float));
      });
    });
    copy_rate_ = bytes_of({&from, &to}) / ms[ms.size() / 2] / 1e6;
  }

  void add(const std::string& name, const std::string& shape, const Work& work,
           const std::function<void()>& call) {
    if (!wants(name)) return;
    const auto ms = time(call);
    const double median = ms[ms.size() / 2], rate = work.bytes / median / 1e6;
    nlohmann::ordered_json row{
        {"kernel", name},      {"shape", shape},      {"dtype", "f32"},
        {"calls", ms.size()},  {"median_ms", median}, {"min_ms", ms.front()},
        {"max_ms", ms.back()}, {"gb_per_s", rate},    {"fraction_of_copy", rate / copy_rate_}};
    if (*work.unit != '\0') {
      row["rate"] = work.amount / median / 1e6;
      row["unit"] = work.unit;
    }
    rows_.push_back(row);
  }

  nlohmann::ordered_json report() const {
    KRAIT_CHECK(Usage, !rows_.empty(), "No kernel's name contains '", options_.filter,
                "'. Leave the filter out to see all of them.");
    return {{"threads", thread_count()}, {"copy_gb_per_s", copy_rate_}, {"kernels", rows_}};
  }

 private:
  KernelBenchmark options_;
  double copy_rate_ = 0;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

struct ScanShape {
  std::int64_t b, d, n, l;
};

void bench_scan(Bench& bench, const ScanShape& s) {
  if (!bench.wants("selective_scan_forward") && !bench.wants("selective_scan_backward")) return;
  const std::string shape = fmt::format("b{} d{} n{} l{}", s.b, s.d, s.n, s.l);
  const std::int64_t chunk = selective_scan_chunk({});
  const SelectiveScanForward f{
      .u = random_tensor({s.b, s.l, s.d}),
      .delta = random_tensor({s.b, s.l, s.d}, -4, -1),
      .A = random_tensor({s.d, s.n}, -16, -1),
      .B = random_tensor({s.b, s.l, 1, s.n}),
      .C = random_tensor({s.b, s.l, 1, s.n}),
      .D = random_tensor({s.d}),
      .z = random_tensor({s.b, s.l, s.d}),
      .delta_bias = random_tensor({s.d}),
      .y = Tensor::empty({s.b, s.l, s.d}, DType::F32),
      .chunk_states = Tensor::empty({s.b, (s.l + chunk - 1) / chunk, s.d, s.n}, DType::F32)};
  const double updates = static_cast<double>(s.b * s.d * s.n * s.l);
  const char* unit = "G updates/s";
  bench.add("selective_scan_forward", shape,
            {bytes_of({&f.u, &f.delta, &f.z, &f.B, &f.C, &f.y, &f.chunk_states}), updates, unit},
            [&] { selective_scan_forward(f, {}); });
  if (!bench.wants("selective_scan_backward")) return;
  selective_scan_forward(f, {});
  const SelectiveScanBackward g{.forward = f,
                                .dy = random_tensor({s.b, s.l, s.d}),
                                .du = gradient_like(f.u),
                                .ddelta = gradient_like(f.delta),
                                .dA = gradient_like(f.A),
                                .dB = gradient_like(f.B),
                                .dC = gradient_like(f.C),
                                .dD = gradient_like(f.D),
                                .dz = gradient_like(f.z),
                                .ddelta_bias = gradient_like(f.delta_bias)};
  const double bytes =
      bytes_of({&f.u, &f.delta, &f.z, &g.dy, &g.du.tensor, &g.ddelta.tensor, &g.dz.tensor, &f.B,
                &f.C, &g.dB.tensor, &g.dC.tensor, &f.chunk_states});
  bench.add("selective_scan_backward", shape, {bytes, updates, unit},
            [&] { selective_scan_backward(g, {}); });
}

void bench_conv(Bench& bench, std::int64_t b, std::int64_t d, std::int64_t l) {
  if (!bench.wants("causal_conv1d_forward") && !bench.wants("causal_conv1d_backward")) return;
  const std::string shape = fmt::format("b{} d{} l{} w4", b, d, l);
  const CausalConv1dForward f{.x = random_tensor({b, l, d}),
                              .weight = random_tensor({d, 4}),
                              .bias = random_tensor({d}),
                              .y = Tensor::empty({b, l, d}, DType::F32)};
  bench.add("causal_conv1d_forward", shape, {bytes_of({&f.x, &f.y})},
            [&] { causal_conv1d_forward(f, {}); });
  const CausalConv1dBackward g{.forward = f,
                               .dy = random_tensor({b, l, d}),
                               .dx = gradient_like(f.x),
                               .dweight = gradient_like(f.weight),
                               .dbias = gradient_like(f.bias)};
  bench.add("causal_conv1d_backward", shape, {bytes_of({&f.x, &g.dy, &g.dx.tensor})},
            [&] { causal_conv1d_backward(g, {}); });
}

void bench_gemm(Bench& bench, std::int64_t m, std::int64_t n, std::int64_t k) {
  if (!bench.wants("gemm")) return;
  const Gemm g{.a = random_tensor({m, k}),
               .b = random_tensor({n, k}),
               .c = Tensor::empty({m, n}, DType::F32),
               .transpose_b = true};  // as in a linear layer
  bench.add("gemm", fmt::format("m{} n{} k{}", m, n, k),
            {bytes_of({&g.a, &g.b, &g.c}), 2.0 * static_cast<double>(m * n * k), "GFLOP/s"},
            [&] { gemm(g, {}); });
}

void bench_norm(Bench& bench, std::int64_t rows, std::int64_t d) {
  if (!bench.wants("rms_norm_forward") && !bench.wants("rms_norm_backward")) return;
  const std::string shape = fmt::format("rows{} d{}", rows, d);
  const NormForward f{.x = random_tensor({rows, d}),
                      .residual = random_tensor({rows, d}),
                      .weight = random_tensor({d}),
                      .y = Tensor::empty({rows, d}, DType::F32),
                      .residual_out = Tensor::empty({rows, d}, DType::F32),
                      .inverse_std = Tensor::empty({rows}, DType::F32)};
  bench.add("rms_norm_forward", shape, {bytes_of({&f.x, &f.residual, &f.y, &f.residual_out})},
            [&] { norm_forward(f, {}); });
  norm_forward(f, {});
  const NormBackward g{.r = f.residual_out,
                       .weight = f.weight,
                       .inverse_std = f.inverse_std,
                       .dy = random_tensor({rows, d}),
                       .dx = gradient_like(f.x),
                       .dweight = gradient_like(f.weight)};
  bench.add("rms_norm_backward", shape, {bytes_of({&g.r, &g.dy, &g.dx.tensor})},
            [&] { norm_backward(g, {}); });
}

void bench_cross_entropy(Bench& bench, std::int64_t rows, std::int64_t d, std::int64_t v) {
  if (!bench.wants("linear_cross_entropy_forward") && !bench.wants("linear_cross_entropy_backward"))
    return;
  const std::string shape = fmt::format("rows{} d{} v{}", rows, d, v);
  const Tensor targets = Tensor::empty({rows}, DType::I32);
  for (std::int64_t i = 0; i < rows; ++i) {
    targets.data<std::int32_t>()[i] = static_cast<std::int32_t>(i * 7919 % v);
  }
  const LinearCrossEntropyForward f{.x = random_tensor({rows, d}),
                                    .weight = random_tensor({v, d}),
                                    .targets = targets,
                                    .losses = Tensor::empty({rows}, DType::F32),
                                    .logsumexp = Tensor::empty({rows}, DType::F32)};
  const double product = 2.0 * static_cast<double>(rows * d * v);
  bench.add("linear_cross_entropy_forward", shape,
            {bytes_of({&f.x, &f.weight}), product, "GFLOP/s"},
            [&] { linear_cross_entropy_forward(f, {}); });
  linear_cross_entropy_forward(f, {});
  const LinearCrossEntropyBackward g{.forward = f,
                                     .dlosses = random_tensor({rows}),
                                     .dx = gradient_like(f.x),
                                     .dweight = gradient_like(f.weight)};
  // the logits again, dx and dweight
  bench.add("linear_cross_entropy_backward", shape,
            {bytes_of({&f.x, &f.weight, &g.dx.tensor, &g.dweight.tensor}), 3 * product, "GFLOP/s"},
            [&] { linear_cross_entropy_backward(g, {}); });
}

void bench_adamw(Bench& bench, std::int64_t parameters) {
  if (!bench.wants("adamw")) return;
  const AdamW a{.param = random_tensor({parameters}),
                .m = Tensor::zeros({parameters}, DType::F32),
                .v = Tensor::zeros({parameters}, DType::F32),
                .grad = random_tensor({parameters}),
                .learning_rate = Tensor::from<float>({1}, {1e-3f}),
                .grad_scale = Tensor::from<float>({1}, {1.0f}),
                .step = Tensor::from<std::int64_t>({1}, {1})};
  // param, m and v are read and written
  const double bytes = bytes_of({&a.param, &a.param, &a.m, &a.m, &a.v, &a.v, &a.grad});
  bench.add("adamw", fmt::format("{} parameters", parameters), {bytes}, [&] { adamw(a, {}); });
}

}  // namespace

nlohmann::ordered_json run_kernel_benchmark(const KernelBenchmark& options) {
  if (options.threads > 0) set_thread_count(options.threads);
  Bench bench(options);
  bench.measure_copy();
  for (const ScanShape& s :
       {ScanShape{8, 512, 16, 512}, ScanShape{8, 1536, 16, 2048}, ScanShape{1, 1536, 16, 16384},
        ScanShape{1, 64, 16, 16384}, ScanShape{8, 512, 64, 512}}) {
    bench_scan(bench, s);
  }
  bench_conv(bench, 8, 512, 512);
  bench_conv(bench, 8, 1536, 2048);
  bench_gemm(bench, 4096, 1024, 256);
  bench_gemm(bench, 4096, 3072, 768);
  bench_norm(bench, 16384, 768);
  bench_cross_entropy(bench, 4096, 256, 256);
  bench_cross_entropy(bench, 512, 768, 50280);
  bench_adamw(bench, 16 << 20);
  return bench.report();
}

std::string kernel_benchmark_table(const nlohmann::ordered_json& report) {
  std::string table =
      fmt::format("{} threads, copy {:.1f} GB/s\n{:<30} {:<24} {:>10} {:>10} {:>10} {:>8} {:>6}\n",
                  report.at("threads").get<int>(), report.at("copy_gb_per_s").get<double>(),
                  "kernel", "shape", "median ms", "min ms", "max ms", "GB/s", "copy");
  for (const auto& row : report.at("kernels")) {
    table += fmt::format("{:<30} {:<24} {:>10.3f} {:>10.3f} {:>10.3f} {:>8.2f} {:>5.0f}%",
                         row.at("kernel").get<std::string>(), row.at("shape").get<std::string>(),
                         row.at("median_ms").get<double>(), row.at("min_ms").get<double>(),
                         row.at("max_ms").get<double>(), row.at("gb_per_s").get<double>(),
                         100 * row.at("fraction_of_copy").get<double>());
    if (row.contains("rate")) {
      table += fmt::format("  {:.2f} {}", row.at("rate").get<double>(),
                           row.at("unit").get<std::string>());
    }
    table += '\n';
  }
  return table;
}

}  // namespace krait
