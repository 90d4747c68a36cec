// The labelled set: inputs of any length with a label each, in one HDF5 file that may be larger
// than memory. A task is a folder with train.h5, valid.h5 and test.h5 (see labelled_set_path).
//
// A file holds
//
//   tokens            (n_tokens) u8, u16 or u32, the narrowest that holds n_symbols - 1;
//   contiguous,
//                     at a multiple of 4096 bytes: read through a memory map. All inputs, one after
//                     the other
//   input_offsets     (n_inputs + 1) u64, contiguous: input i is tokens [offset[i], offset[i+1]),
//                     never empty; the first offset is 0, the last n_tokens. Example e has the
//                     inputs e k to e k + k - 1, with k = inputs_per_example
//   labels            (n_examples) i32, contiguous: 0 to the number of classes - 1
//   block_hashes      (n_blocks, 32) u8: SHA-256 of each 2^20 tokens (the last block is shorter)
//   attributes of /   format "krait-labelled-set", format_version 1, task, input_kind ("tokens" or
//                     "pixels"), n_symbols, inputs_per_example (1 or 2), height and width (of an
//                     image; 0 for tokens), names (JSON: "symbols", a name for each id or none at
//                     all, and "classes", a name for each label), provenance (JSON, see
//                     data/lra/provenance.h), content_sha256: over all of the above but the tokens,
//                     whose hashes it covers
//
// Opening checks everything but the tokens themselves (two sets with one content_sha256 are the
// same); verify() checks those too.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

#include "core/names.h"
#include "core/system/file.h"
#include "data/hdf5/mapped_array.h"
#include "data/labelled_set/info.h"

namespace krait {

enum class Split : std::uint8_t { Train, Valid, Test };
template <>
inline constexpr std::array<std::string_view, 3> kNames<Split>{"train", "valid", "test"};
inline constexpr Split kSplits[] = {Split::Train, Split::Valid, Split::Test};

/// FOLDER/train.h5, FOLDER/valid.h5 or FOLDER/test.h5.
std::filesystem::path labelled_set_path(const std::filesystem::path& folder, Split split);

/// Whether a path is an HDF5 file that says it is a labelled set, of any version.
bool is_labelled_set(const std::filesystem::path& path);

/// An open labelled set, memory-mapped: it costs no memory but 32 bytes for 2^20 tokens. All
/// functions are const and may be called from several threads.
class LabelledSet {
 public:
  /// Throws MissingInput, Io, or BadData when the file is not a labelled set, is of a newer
  /// version, or is damaged. Checks everything but the tokens; reads input_offsets and labels once.
  explicit LabelledSet(const std::filesystem::path& path);

  const LabelledSetInfo& info() const { return info_; }
  const LabelledSetDescription& description() const { return info_.description; }
  std::uint64_t n_examples() const { return info_.n_examples; }
  /// Of all examples.
  std::span<const std::int32_t> labels() const { return labels_; }
  /// Tokens of input number `input` < inputs_per_example of an example.
  std::uint64_t length(std::uint64_t example, std::int64_t input = 0) const;
  /// Of its longest input.
  std::uint64_t longest(std::uint64_t example) const;
  /// Copies the first out.size() tokens of an input, which must have as many. Throws BadData for a
  /// damaged id >= n_symbols, so that no id from a file reaches an embedding unchecked.
  void copy(std::uint64_t example, std::int64_t input, std::span<std::int32_t> out) const;
  /// Asks the system to read an example ahead.
  void prefetch(std::uint64_t example) const;

  /// Hashes every block, in parallel, and checks that ids are below n_symbols. Throws BadData
  /// naming the first bad block. `progress` gets the tokens done, on the calling thread.
  void verify(const std::function<void(std::uint64_t tokens)>& progress = {}) const;

 private:
  std::uint64_t first_input(std::uint64_t example) const;
  void copy_tokens(std::uint64_t first, std::span<std::int32_t> out) const;

  LabelledSetInfo info_;
  MappedFile map_;
  std::int64_t token_bytes_ = 1;
  std::span<const std::byte> tokens_;
  std::span<const std::uint64_t> offsets_;
  std::span<const std::int32_t> labels_;
  BlockHashes block_hashes_;
};

}  // namespace krait
