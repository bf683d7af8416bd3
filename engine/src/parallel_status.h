// Work over threads that can fail.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <new>
#include <stdexcept>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// body(i) for each i in [0, n), in batches, before each of which `more` is asked whether to go on, where it is
/// given.
/// Errors   that of the first i which failed; kOutOfMemory: a body threw bad_alloc or length_error, which
///          must not leave a thread; kCancelled: `more` said no
/// Threads  body from up to `threads` at once, `more` from the caller's, some fifty times
inline Status ForEach(std::size_t n, int threads, const std::function<Status(std::size_t)>& body,
                      const std::function<bool(std::size_t done)>& more = {}) {
  constexpr std::size_t kBatches = 50, kEach = 4;  // a thread has some to do in a batch
  const std::size_t least = kEach * static_cast<std::size_t>(std::max(1, threads));
  const std::size_t batch = more ? std::max(n / kBatches + 1, least) : n;
  std::vector<Status> failed(n);
  std::atomic<bool> no_memory = false;
  for (std::size_t from = 0; from < n; from += batch) {
    if (more && !more(from)) return Status(Code::kCancelled, "stopped before there was a result");
    ParallelFor(std::min(batch, n - from), threads, [&](std::size_t begin, std::size_t end, int) {
      for (std::size_t i = from + begin; i < from + end; ++i) {
        try {
          failed[i] = body(i);
        } catch (const std::bad_alloc&) {
          no_memory = true;
        } catch (const std::length_error&) {
          no_memory = true;
        }
      }
    });
    if (no_memory)
      return Status(Code::kOutOfMemory, "not enough memory; use fewer queries or depths");
    for (const Status& status : failed) EQUIPOISE_RETURN_IF_ERROR(status);
  }
  return {};
}

}  // namespace equipoise
