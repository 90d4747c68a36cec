// What make_lra_sets can be asked for.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/names.h"
#include "data/lra/task.h"

namespace krait {

/// What a text is cut into. Bytes are what the benchmark reads. Characters (code points) seen 15
/// times in the training texts, all others being one symbol, are what S4 and its successors read.
enum class TextUnits : std::uint8_t { Bytes, Characters };
template <>
inline constexpr std::array<std::string_view, 2> kNames<TextUnits>{"bytes", "characters"};

/// Where the validation set of Text comes from, which the release has not: reviews held out of the
/// training set, or, as in most of the literature, the test set, on which models are then chosen.
enum class TextValidation : std::uint8_t { HeldOut, TestSet };
template <>
inline constexpr std::array<std::string_view, 2> kNames<TextValidation>{"held-out", "test"};

struct LraOptions {
  LraTask task = LraTask::ListOps;
  std::filesystem::path output;  // folder for train.h5, valid.h5 and test.h5
  std::filesystem::path raw;     // folder with the released files; empty: generate the data
  std::uint64_t seed = 0;        // of generated data, and of which examples validate
  /// Also writes what is generated in the files of the release, under OUTPUT/raw.
  bool write_raw = false;
  /// Generated examples for train, valid and test; default: as many as the release has.
  std::optional<std::array<std::uint64_t, 3>> counts;
  std::int64_t max_length = 0;  // Text, Retrieval: longer inputs are cut; 0: not, or at 4000
  int levels = 0;               // ListOps: deeper operators are replaced by their value; 0: none
  TextUnits units = TextUnits::Bytes;                   // Text, Retrieval
  TextValidation validation = TextValidation::HeldOut;  // Text
  std::int64_t window = 32;          // Pathfinder: side of an image, 32, 64 or 128
  std::int64_t contour_length = 14;  // Pathfinder: dashes of a path, 6, 9 or 14
  std::string tool = "krait";        // name and version, for the provenance
  /// Called now and then, on the calling thread, with the examples done and, where it is known, how
  /// many there are, else 0.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

}  // namespace krait
