#include "train/evaluate/windows.h"

#include <algorithm>

#include "core/error.h"

namespace krait {
namespace {

using Windows = std::vector<PerplexityWindow>;

/// `size` is that of x: the prefix and the text.
Windows disjoint_windows(std::uint64_t size, std::uint64_t length, bool carries) {
  Windows windows;
  for (std::uint64_t begin = 0; begin + 1 < size; begin += length) {
    windows.push_back({.begin = begin,
                       .scored = begin + 1,
                       .end = std::min(begin + length, size - 1) + 1,
                       .carries = carries && begin > 0});
  }
  return windows;
}

Windows whole_windows(std::uint64_t size, std::uint64_t length) {
  Windows windows;
  for (std::uint64_t begin = 1; begin < size && size - begin > length; begin += length) {
    windows.push_back({.begin = begin, .scored = begin + 1, .end = begin + length + 1});
  }
  return windows;
}

Windows sliding_windows(std::uint64_t size, std::uint64_t length, std::uint64_t stride) {
  Windows windows;
  for (std::uint64_t begin = 0, scored = 1; scored < size; begin += stride) {
    const std::uint64_t end = std::min(begin + length, size);
    windows.push_back({.begin = begin, .scored = scored, .end = end});
    scored = end;
  }
  return windows;
}

Windows rolling_windows(std::uint64_t size, std::uint64_t length) {
  Windows windows;
  for (std::uint64_t scored = 1; scored < size;) {
    const std::uint64_t end = std::min(scored + length, size);
    const std::uint64_t begin = end - 1 > length ? end - 1 - length : 0;
    windows.push_back({.begin = begin, .scored = scored, .end = end});
    scored = end;
  }
  return windows;
}

}  // namespace

void check_windowing(const PerplexityWindowing& w) {
  const bool sliding = w.protocol == PerplexityProtocol::Sliding;
  const std::uint64_t shortest = sliding ? 2 : 1;
  KRAIT_CHECK(Usage, w.length >= shortest, "`max_length` must be at least ", shortest, ", got ",
              w.length, ".");
  KRAIT_CHECK(Usage, !sliding || (w.stride >= 1 && w.stride < w.length), "`stride` must be 1 to ",
              w.length - 1, ", got ", w.stride, ": a window of ", w.length,
              " tokens predicts all except its first.");
  KRAIT_CHECK(Usage, !w.drop_last || w.protocol == PerplexityProtocol::Blocks,
              "`drop_last` is for `protocol` blocks only; leave it out.");
}

std::vector<PerplexityWindow> perplexity_windows(const PerplexityWindowing& w,
                                                 std::uint64_t n_tokens) {
  check_windowing(w);
  const std::uint64_t size = n_tokens + 1;
  switch (w.protocol) {
    case PerplexityProtocol::Blocks:
      return w.drop_last ? whole_windows(size, w.length) : disjoint_windows(size, w.length, false);
    case PerplexityProtocol::Document:
      return disjoint_windows(size, w.length, true);
    case PerplexityProtocol::Sliding:
      return sliding_windows(size, w.length, w.stride);
    case PerplexityProtocol::LmEval:
      return rolling_windows(size, w.length);
  }
  return {};
}

}  // namespace krait
