#include "kernels/embedding.h"

#include <algorithm>

#include "core/system/parallel.h"

namespace krait::cpu {
namespace {

constexpr std::int64_t kTaskWork = 1 << 14;  // elements: some microseconds

/// The ids, all within [0, rows).
const std::int32_t* checked_ids(const Tensor& ids, std::int64_t rows, std::string_view op) {
  const std::int32_t* id = ids.data<std::int32_t>();
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    KRAIT_CHECK(BadData, id[i] >= 0 && id[i] < rows, "[", op, "] ids must be in [0, ", rows,
                "), got ", id[i], " at position ", i,
                ". Was the text encoded with another vocabulary?");
  }
  return id;
}

}  // namespace

void embedding_forward(const EmbeddingForward& args, const ExecutionContext&) {
  visit_float(args.table.dtype(), "embedding_forward", [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t d = args.table.size(1);
    const std::int32_t* ids = checked_ids(args.ids, args.table.size(0), "embedding_forward");
    const T* table = args.table.data<T>();
    T* y = args.y.data<T>();
    const std::int64_t grain = std::max<std::int64_t>(1, kTaskWork / std::max<std::int64_t>(1, d));
    parallel_for(args.ids.numel(), grain, [&](auto begin, auto end) {
      for (std::int64_t i = begin; i < end; ++i) std::copy_n(table + ids[i] * d, d, y + i * d);
    });
  });
}

void embedding_backward(const EmbeddingBackward& args, const ExecutionContext&) {
  visit_float(args.dy.dtype(), "embedding_backward", [&](auto zero) {
    using T = decltype(zero);
    const Tensor& table = args.dtable.tensor;
    const std::int64_t d = table.size(1), count = args.ids.numel();
    const std::int32_t* ids = checked_ids(args.ids, table.size(0), "embedding_backward");
    const T* dy = args.dy.data<T>();
    T* dtable = table.data<T>();
    if (!args.dtable.accumulates()) {
      parallel_for(table.numel(), kTaskWork,
                   [&](auto begin, auto end) { std::fill(dtable + begin, dtable + end, T(0)); });
    }
    constexpr std::int64_t kColumns = 64;  // each task goes through all ids for some columns
    parallel_for(d, kColumns, [&](auto begin, auto end) {
      for (std::int64_t i = 0; i < count; ++i) {
        T* to = dtable + ids[i] * d;
        const T* from = dy + i * d;
#pragma GCC ivdep
        for (std::int64_t j = begin; j < end; ++j) to[j] += from[j];
      }
    });
  });
}

}  // namespace krait::cpu
