/// What it costs to leave telemetry on: one record, from one thread and from several at once, beside
/// reading the clock, which every measured scope does twice.
#include <chrono>
#include <cstdint>

#include <benchmark/benchmark.h>

#include <equipoise/core/telemetry.h>

namespace equipoise {
namespace {

LatencyHistogram& Shared() {
  static LatencyHistogram histogram;
  return histogram;
}

void BM_LatencyHistogramRecord(benchmark::State& state) {
  LatencyHistogram& histogram = Shared();
  std::uint64_t ns = 1;
  for (auto _ : state) {
    histogram.Record(ns);
    ns = (ns * 2862933555777941757u + 3037000493u) >> 44;  // up to a millisecond
  }
}
BENCHMARK(BM_LatencyHistogramRecord)->ThreadRange(1, 8)->UseRealTime();

void BM_LatencyCountsRecord(benchmark::State& state) {
  LatencyCounts counts;
  std::uint64_t ns = 1;
  for (auto _ : state) {
    counts.Record(ns);
    ns = (ns * 2862933555777941757u + 3037000493u) >> 44;
  }
  benchmark::DoNotOptimize(counts.count());
}
BENCHMARK(BM_LatencyCountsRecord);

void BM_ScopedLatency(benchmark::State& state) {
  for (auto _ : state) ScopedLatency timer(Shared());
}
BENCHMARK(BM_ScopedLatency);

void BM_ReadClockTwice(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::chrono::steady_clock::now());
    benchmark::DoNotOptimize(std::chrono::steady_clock::now());
  }
}
BENCHMARK(BM_ReadClockTwice);

void BM_HistogramSnapshot(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Shared().Snapshot().Summary());
}
BENCHMARK(BM_HistogramSnapshot);

}  // namespace
}  // namespace equipoise
