#include "experiments/bench/kernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <set>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/device_properties.h"
#include "core/memory/memory.h"
#include "core/system/parallel.h"
#include "experiments/bench/cases.h"
#include "train/run/build_info.h"

namespace krait {
namespace {

using Json = nlohmann::ordered_json;

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

Json describe(Device device) {
  if constexpr (kCudaEnabled) {
    if (device.is_cuda()) {
      const cuda::DeviceProperties p = cuda::device_properties(device);
      return {{"name", p.name},
              {"multiprocessors", p.multiprocessors},
              {"clock_ghz", p.clock_hz / 1e9},
              {"memory_gib", static_cast<double>(p.memory_bytes) / 0x1p30},
              {"l2_mib", static_cast<double>(p.l2_bytes) / 0x1p20},
              {"driver", version_text(p.driver_version)},
              {"runtime", version_text(p.runtime_version)}};
    }
  }
  return {{"name", "CPU"}};
}

std::string now() {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::time(nullptr)));
}

/// Those for kernel, shape and dtype of the row.
Json references_of(const Json& row, const std::vector<KernelReference>& all,
                   const std::string& device) {
  Json found = Json::array();
  for (const KernelReference& r : all) {
    const auto is = [&](const char* key, const std::string& value) {
      return row.at(key).get<std::string>() == value;
    };
    if (!is("kernel", r.kernel) || !is("shape", r.shape) || !is("dtype", r.dtype)) continue;
    found.push_back({{"source", r.source},
                     {"gpu", r.gpu},
                     {"same_gpu", r.gpu == device},
                     {"ms", r.ms},
                     {"speedup", r.ms / row.at("median_ms").get<double>()}});
  }
  return found;
}

}  // namespace

Json run_kernel_benchmark(const KernelBenchmark& options) {
  KRAIT_CHECK(Usage, options.device.is_cuda() || options.dtype != DType::BF16,
              "--dtype bf16 needs CUDA, and this benchmark runs on the CPU; use f32.");
  if (options.threads > 0) set_thread_count(options.threads);
  const auto start = std::chrono::steady_clock::now();
  KernelBench bench(options);
  bench.measure_copy();
  if (options.device.is_cuda()) {
    add_cuda_cases(bench);
  } else {
    add_cpu_cases(bench);
  }
  Json rows = bench.rows();
  KRAIT_CHECK(Usage, !rows.empty(), "No kernel's name contains '", options.filter,
              "'. Leave the filter out to see all of them.");
  const Json device = describe(options.device);
  for (Json& row : rows) {
    Json references = references_of(row, options.references, device.at("name"));
    if (!references.empty()) row["references"] = std::move(references);
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  return {{"threads", thread_count()},
          {"dtype", name_of(options.dtype)},
          {"krait", fmt::format("{} ({})", build_info().version, build_info().source)},
          {"date", now()},
          {"seconds", taken.count()},
          {"device", device},
          {"copy_gb_per_s", bench.copy_rate()},
          {"copy_kind", bench.copy_kind()},
          {"kernels", std::move(rows)}};
}

namespace {

double number(const Json& object, const char* key) {
  return object.at(key).get<double>();
}
std::string text(const Json& object, const char* key) {
  return object.at(key).get<std::string>();
}

/// Four or five digits that count.
std::string milliseconds(double ms) {
  return fmt::format("{:.{}f}", ms, ms < 10 ? 4 : ms < 100 ? 3 : ms < 1000 ? 2 : 1);
}

std::string header(const Json& report) {
  const Json& device = report.at("device");
  std::string out;
  if (device.contains("multiprocessors")) {
    out = fmt::format("{}, {} SMs at up to {:.2f} GHz, {:.0f} GiB, driver CUDA {}, runtime {}\n",
                      text(device, "name"), device.at("multiprocessors").get<int>(),
                      number(device, "clock_ghz"), number(device, "memory_gib"),
                      text(device, "driver"), text(device, "runtime"));
    out += "Single calls timed by events; the L2 cache is overwritten before each.\n";
  } else {
    out = fmt::format("{} threads\n", report.at("threads").get<int>());
  }
  out += fmt::format("krait {}, {}, {}\n", text(report, "krait"), text(report, "date"),
                     text(report, "dtype"));
  out += fmt::format("copy {:.1f} GB/s: {}, read and written bytes\n",
                     number(report, "copy_gb_per_s"), text(report, "copy_kind"));
  return out;
}

std::string kernel_row(const Json& row) {
  const double median = number(row, "median_ms");
  std::string line =
      fmt::format("{:<29} {:<22}{:>9}{:>9}{:>9}{:>6.0f}%{:>8.1f}{:>6.0f}%", text(row, "kernel"),
                  text(row, "shape"), milliseconds(median), milliseconds(number(row, "min_ms")),
                  milliseconds(number(row, "max_ms")),
                  100 * (number(row, "p95_ms") - number(row, "p05_ms")) / median,
                  number(row, "gb_per_s"), 100 * number(row, "fraction_of_copy"));
  if (row.contains("rate")) {
    const double rate = number(row, "rate");
    std::string_view unit = row.at("unit").get_ref<const std::string&>();
    if (unit == "G updates/s") unit = "G upd/s";
    line += fmt::format(" {:>7.{}f} {}", rate, rate < 100 ? 2 : rate < 10000 ? 1 : 0, unit);
  }
  return line + '\n';
}

/// Costs beside those of other lengths.
std::string cost_lines(const Json& rows) {
  std::string out;
  for (const Json& row : rows) {
    if (!row.contains("cost")) continue;
    out += fmt::format("{} {}: an update costs {:.3f} of what it does at {}\n", text(row, "kernel"),
                       text(row, "shape"), number(row.at("cost"), "ratio"),
                       text(row.at("cost"), "beside"));
  }
  return out.empty() ? out : '\n' + out;
}

std::string reference_table(const Json& rows, const std::string& device) {
  std::string lines;
  std::set<std::string> elsewhere;
  for (const Json& row : rows) {
    if (!row.contains("references")) continue;
    for (const Json& reference : row.at("references")) {
      const bool same = reference.at("same_gpu").get<bool>();
      if (!same) elsewhere.insert(text(reference, "gpu"));
      lines += fmt::format("{:<29} {:<22}{:>9}{:>11}{:>8.2f}x {} {}\n", text(row, "kernel"),
                           text(row, "shape"), milliseconds(number(row, "median_ms")),
                           milliseconds(number(reference, "ms")), number(reference, "speedup"),
                           same ? ' ' : '*', text(reference, "source"));
    }
  }
  if (lines.empty()) return lines;
  std::string out = fmt::format("\n{:<29} {:<22}{:>9}{:>11}{:>9}   {}\n", "kernel", "shape",
                                "median ms", "reference", "faster", "source of the reference");
  out += lines;
  for (const std::string& gpu : elsewhere) {
    out += fmt::format("* on another device: {}, while this is {}.\n", gpu, device);
  }
  return out;
}

}  // namespace

std::string kernel_benchmark_table(const Json& report) {
  const Json& rows = report.at("kernels");
  std::string table = header(report);
  table += fmt::format("\n{:<29} {:<22}{:>9}{:>9}{:>9}{:>7}{:>8}{:>7}\n", "kernel", "shape",
                       "median ms", "min ms", "max ms", "90 %", "GB/s", "copy");
  for (const Json& row : rows) table += kernel_row(row);
  table +=
      "90 %: width of the middle 90 % of the calls relative to the median; copy: share of the "
      "copy's GB/s\n";
  table += cost_lines(rows);
  table += reference_table(rows, text(report.at("device"), "name"));
  return table;
}

}  // namespace krait
