/// One way to split work over threads: OpenMP, or std::thread where the build asks for it (g++'s
/// thread sanitizer does not see OpenMP's synchronization and would report races that are none).
#pragma once

#include <cstddef>
#include <functional>

#include <equipoise/core/export.h>

namespace equipoise {

/// Runs body(begin, end, worker) over [0, n) cut into at most `threads` contiguous parts.
/// Range    threads: below 1 counts as 1, above 1,024 as 1,024; 1 runs in the caller's thread; never
///          more parts than n
/// Order    part boundaries depend on n and threads alone, so results written by index do not
///          depend on scheduling
/// Errors   body must not throw
/// Threads  body is called from up to `threads` threads at once; returns when all have finished
EQUIPOISE_API void ParallelFor(
    std::size_t n, int threads,
    const std::function<void(std::size_t begin, std::size_t end, int worker)>& body);

/// Threads that the machine offers to this process (its affinity mask counted), at least 1.
EQUIPOISE_API int AvailableThreads();

}  // namespace equipoise
