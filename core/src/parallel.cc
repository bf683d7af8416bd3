#include <algorithm>
#include <thread>
#include <vector>

#include <sched.h>

#include <equipoise/core/parallel.h>

namespace equipoise {
namespace {

// OpenMP ends the process where the system refuses it a thread.
constexpr int kMostThreads = 1024;

}  // namespace

int AvailableThreads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void ParallelFor(std::size_t n, int threads,
                 const std::function<void(std::size_t, std::size_t, int)>& body) {
  if (n == 0) return;
  const std::size_t parts =
      std::min<std::size_t>(n, static_cast<std::size_t>(std::clamp(threads, 1, kMostThreads)));
  auto run = [&](std::size_t part) {
    body(n * part / parts, n * (part + 1) / parts, static_cast<int>(part));
  };
  if (parts == 1) {
    run(0);
    return;
  }
#ifdef EQUIPOISE_STD_THREADS
  std::vector<std::thread> workers;
  workers.reserve(parts - 1);
  for (std::size_t part = 1; part < parts; ++part) workers.emplace_back(run, part);
  run(0);
  for (std::thread& worker : workers) worker.join();
#else
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
  for (std::size_t part = 0; part < parts; ++part) run(part);
#endif
}

}  // namespace equipoise
