#include "experiments/bench/loader.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/system/file.h"
#include "data/loader/loader.h"
#include "data/loader/sample_order.h"
#include "data/loader/token_windows.h"
#include "data/token_set/token_set.h"
#include "experiments/bench/timer.h"

namespace krait {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What something took: by the clock, and of processor time of all threads.
struct Time {
  double wall = 0, cpu = 0;
};

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Time time_of(const std::function<void()>& work) {
  const auto begin = Clock::now();
  const double cpu = cpu_seconds();
  work();
  return {.wall = std::chrono::duration<double>(Clock::now() - begin).count(),
          .cpu = cpu_seconds() - cpu};
}

/// A line of /proc/self/status in bytes.
std::uint64_t memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kib = 0;
    if (word == name + ":" && status >> kib) return kib << 10;
  }
  return 0;
}

nlohmann::ordered_json memory_now() {
  return {{"own", memory("RssAnon")}, {"mapped_files", memory("RssFile")}};
}

/// Gives the pages of a file, or of the files of a folder, back to the system. Those that a process
/// has mapped stay.
void drop_pages(const fs::path& set) {
  if (directory_exists(set)) {
    for (const auto& entry : fs::directory_iterator(set)) drop_pages(entry.path());
    return;
  }
  const FileDescriptor file = open_for_reading(set);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

class LoaderRounds {
 public:
  explicit LoaderRounds(const LoaderBenchmark& options) : o_(options) { open(); }

  nlohmann::ordered_json run() {
    const nlohmann::ordered_json before = memory_now();
    std::vector<Time> loader, bare;
    for (std::int64_t round = 0; round < o_.rounds; ++round) {
      const std::uint64_t first = static_cast<std::uint64_t>(round) * samples();
      if (!o_.cold) read_bare(first);  // now the pages are in memory for both
      // In turns, so that neither always comes first.
      if (round % 2 == 0) {
        loader.push_back(measure([&] { read_loader(first); }));
        bare.push_back(measure([&] { read_bare(first); }));
      } else {
        bare.push_back(measure([&] { read_bare(first); }));
        loader.push_back(measure([&] { read_loader(first); }));
      }
    }
    return report(loader, bare, before);
  }

 private:
  std::uint64_t samples() const { return static_cast<std::uint64_t>(o_.batch * o_.batches); }

  void open() {
    loader_.reset();
    windows_.reset();
    set_.reset();
    if (o_.cold) drop_pages(o_.set);
    open_seconds_.push_back(time_of([&] { set_ = std::make_shared<const TokenSet>(o_.set); }).wall);
    windows_ = std::make_shared<TokenWindows>(
        set_, o_.length, o_.reset ? DocumentBoundary::Reset : DocumentBoundary::Continue);
    loader_ = std::make_unique<Loader>(
        windows_, LoaderOptions{.batch_size = o_.batch, .seed = o_.seed, .prefetch = 0});
  }

  Time measure(const std::function<void()>& work) {
    if (o_.cold) open();
    return time_of(work);
  }

  void read_loader(std::uint64_t first) {
    if (o_.prefetch) {  // a loader of its own: its thread begins when it does
      Loader ahead(windows_, {.batch_size = o_.batch, .seed = o_.seed});
      ahead.skip_to(first);
      for (std::int64_t i = 0; i < o_.batches; ++i) sum_ += ahead.next().n_targets;
      return;
    }
    loader_->skip_to(first);
    for (std::int64_t i = 0; i < o_.batches; ++i) sum_ += loader_->next().n_targets;
  }

  void read_bare(std::uint64_t first) {
    const auto length = static_cast<std::uint64_t>(o_.length);
    SampleOrder order({{.size = windows_->size()}}, o_.seed, true);
    row_.resize((length + 1) * static_cast<std::size_t>(set_->info().token_bytes));
    for (std::uint64_t k = first; k < first + samples(); ++k) {
      const std::uint64_t token = order(k).index * length;
      std::byte* out = row_.data();
      for (std::uint64_t done = 0; done < length + 1;) {
        const auto stored = set_->stored(token + done, length + 1 - done);
        std::memcpy(out, stored.data(), stored.size());
        out += stored.size();
        done += stored.size() / static_cast<std::size_t>(set_->info().token_bytes);
      }
      sum_ += static_cast<std::int64_t>(row_[k % row_.size()]);  // or nothing would be copied
    }
  }

  /// Tokens per second of each round, rising.
  std::vector<double> rates(const std::vector<Time>& times, double Time::*seconds) const {
    std::vector<double> rates;
    for (const Time& time : times) {
      rates.push_back(static_cast<double>(samples()) * static_cast<double>(o_.length) /
                      (time.*seconds));
    }
    std::ranges::sort(rates);
    return rates;
  }

  nlohmann::ordered_json spread(const std::vector<Time>& times) const {
    const std::vector<double> wall = rates(times, &Time::wall);
    return {{"median", quantile(wall, 0.5)},
            {"slowest", wall.front()},
            {"fastest", wall.back()},
            {"per_cpu_second", quantile(rates(times, &Time::cpu), 0.5)}};
  }

  nlohmann::ordered_json report(const std::vector<Time>& loader, const std::vector<Time>& bare,
                                const nlohmann::ordered_json& before) {
    std::ranges::sort(open_seconds_);
    const TokenSetInfo& info = set_->info();
    const nlohmann::ordered_json of_loader = spread(loader), of_bare = spread(bare);
    const auto ratio = [&](const char* rate) {
      return of_loader[rate].get<double>() / of_bare[rate].get<double>();
    };
    return {{"set", o_.set},
            {"n_tokens", info.n_tokens},
            {"n_documents", info.n_documents},
            {"n_shards", info.n_shards},
            {"token_bytes", info.token_bytes},
            {"file_bytes", info.file_bytes},
            {"length", o_.length},
            {"batch", o_.batch},
            {"rounds", o_.rounds},
            {"samples_per_round", samples()},
            {"sequence_ids", o_.reset},
            {"prefetch", o_.prefetch},
            {"pages", o_.cold ? "cold" : "in memory"},
            {"open_ms", 1e3 * quantile(open_seconds_, 0.5)},
            {"loader_tokens_per_second", of_loader},
            {"bare_tokens_per_second", of_bare},
            {"ratio", ratio("median")},
            {"ratio_of_cpu_time", ratio("per_cpu_second")},
            {"memory_before", before},
            {"memory_after", memory_now()},
            {"checksum", sum_}};
  }

  const LoaderBenchmark& o_;
  std::shared_ptr<const TokenSet> set_;
  std::shared_ptr<const TokenWindows> windows_;
  std::unique_ptr<Loader> loader_;
  std::vector<double> open_seconds_;
  std::vector<std::byte> row_;
  std::int64_t sum_ = 0;
};

}  // namespace

nlohmann::ordered_json run_loader_benchmark(const LoaderBenchmark& options) {
  return LoaderRounds(options).run();
}

}  // namespace krait
