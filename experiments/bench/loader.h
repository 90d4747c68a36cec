// The speed at which training sequences come from a token set, compared with plain reads of the
// same bytes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace krait {

struct LoaderBenchmark {
  std::string set;             // a token set: a file or a folder
  std::int64_t length = 2048;  // tokens of a sequence; one more is read
  std::int64_t batch = 32;     // sequences
  std::int64_t rounds = 10;    // each of `batches` batches
  std::int64_t batches = 500;
  std::uint64_t seed = 0;  // of the order
  bool reset = false;      // sequence ids, as data.reset_at_documents gives them
  bool prefetch = false;   // a thread reads ahead, as in training; else this thread does everything
  /// Before every measurement the set is opened again and its pages are given back to the system,
  /// so that they come from the disk. Otherwise they are read once before, and come from memory.
  bool cold = false;
};

/// Draws shuffled sequences from the set with the Loader of a training run, and, in turns, copies
/// the stored tokens of the same sequences by a plain memcpy from the memory map. Gives the set,
/// its tokens, the time to open it in milliseconds, tokens per second of both (the median round,
/// the slowest and the fastest one; and the median per second of processor time, which does not
/// depend on what else the machine does), the ratios of the medians, and the memory of the process
/// before and after in bytes: its own (anonymous), and pages of files that it has mapped, which the
/// system takes back when it needs them.
nlohmann::ordered_json run_loader_benchmark(const LoaderBenchmark& options);

}  // namespace krait
