// Parallel loops whose results do not depend on the number of threads.
#pragma once
#include <cstdint>
#include <functional>

namespace krait {

/// Calls body(begin, end) for the chunks [0, grain), [grain, 2 grain), ... of [0, count), each
/// once, on the threads of the pool and the calling one; returns when all are done. The chunks
/// depend on `count` and `grain` only, so a body that writes per-chunk results, summed afterwards
/// in the order of chunks, gives the same bits with any number of threads. A loop of one chunk, or
/// one inside another parallel_for, runs on the calling thread. Rethrows the first exception.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// Threads that parallel_for uses, the caller included. Default: KRAIT_THREADS, else the cores this
/// process may run on.
int thread_count();
/// `count` >= 1. Not while a parallel_for is running.
void set_thread_count(int count);

}  // namespace krait
