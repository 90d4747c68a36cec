// Names and rules that the reader and the writer of labelled sets share.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/system/hash.h"
#include "data/hdf5/file_format.h"
#include "data/hdf5/narrow.h"
#include "data/labelled_set/info.h"

namespace krait::labelled_set_format {

inline constexpr FileFormat kFormat{.name = "krait-labelled-set",
                                    .version = 1,
                                    .thing = "labelled set",
                                    .made_by = "krait data lra"};
inline constexpr std::uint64_t kAlignment = 4096;                      // a page
inline constexpr std::uint64_t kBlockTokens = std::uint64_t{1} << 20;  // of one hash
inline constexpr std::string_view kTokens = "tokens";
inline constexpr std::string_view kOffsets = "input_offsets";
inline constexpr std::string_view kLabels = "labels";
inline constexpr std::string_view kHashes = "block_hashes";

inline std::int64_t token_bytes(const LabelledSetDescription& d) {
  return narrow_bytes(d.n_symbols);
}
inline std::uint64_t block_bytes(const LabelledSetDescription& d) {
  return kBlockTokens * static_cast<std::uint64_t>(token_bytes(d));
}

/// The names of symbols and classes as one JSON object.
std::string names_json(const LabelledSetDescription& d);

/// The hash over everything but the tokens, before input_offsets and labels are added to it.
Sha256 content_hash(const LabelledSetInfo& info, std::span<const std::uint8_t> block_hashes);

/// Why a description cannot be one; empty when it can.
std::string problem_with(const LabelledSetDescription& d);

}  // namespace krait::labelled_set_format
