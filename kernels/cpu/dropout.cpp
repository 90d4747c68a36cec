#include "kernels/dropout.h"

#include <algorithm>
#include <cmath>

#include "core/system/parallel.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // elements; a multiple of kBlock
constexpr std::int64_t kBlock = 256;      // elements whose random words are made together

template <class T>
void dropout_block(const DropoutForward& args, std::uint64_t start, std::int64_t begin,
                   std::int64_t end) {
  std::uint32_t words[kBlock];
  for (std::int64_t i = begin; i < end; i += 4) {
    const Philox4 w = args.random.bits(start + static_cast<std::uint64_t>(i) / 4);
    std::copy(w.begin(), w.end(), words + (i - begin));
  }
  // word * 2^-32 >= p, in integers
  const auto threshold = static_cast<std::uint64_t>(std::ceil(args.p * 0x1p32));
  const T kept = static_cast<T>(1 - args.p);
  const T* x = args.x.data<T>();
  T* y = args.y.data<T>();
#pragma GCC ivdep
  for (std::int64_t i = begin; i < end; ++i) {
    const T value = words[i - begin] >= threshold ? x[i] / kept : T(0);
    y[i] = args.accumulate ? y[i] + value : value;
  }
}

}  // namespace

void dropout(const DropoutForward& args, const ExecutionContext&) {
  std::uint64_t start = args.offset;
  if (args.pass.defined()) {
    start += static_cast<std::uint64_t>(*args.pass.data<std::int64_t>()) << kDropoutPassBits;
  }
  visit_float(args.x.dtype(), "dropout", [&](auto zero) {
    parallel_for(args.x.numel(), kGrain, [&](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; i += kBlock) {
        dropout_block<decltype(zero)>(args, start, i, std::min<std::int64_t>(end, i + kBlock));
      }
    });
  });
}

}  // namespace krait::cpu
