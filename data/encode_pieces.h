// Encodes texts of any size piece by piece.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "data/tokenizer.h"

namespace krait {

/// Calls on_ids(ids, bytes) with the ids of the text's next `bytes` bytes, about a MiB at a time
/// where the tokenizer knows a place to cut, until all are encoded.
void encode_pieces(
    const Tokenizer& tokenizer, std::string_view text,
    const std::function<void(std::span<const std::int32_t> ids, std::size_t bytes)>& on_ids);

}  // namespace krait
