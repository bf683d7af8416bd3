/// Where the time goes: counters and latency histograms that are cheap enough to stay on.
///
///   Telemetry telemetry;                                        // one per engine, say
///   LatencyHistogram& lexical = telemetry.Histogram("lexical"); // once, when it is set up
///   { ScopedLatency timer(lexical); SearchLexical(); }          // in the hot path: no names
///   program.Show(telemetry.Snapshot().ToJson());
///
/// Histograms are log-linear: values below 64 ns have a bucket each, above that every power of two
/// is cut into 32 equal buckets and a bucket's middle stands for it, so that every quantile is
/// within 1/64 (1.6 %) of the true one; count, sum and maximum are exact. The idea is
/// HdrHistogram's (Gil Tene). Recording is three relaxed atomic operations without a lock:
/// 7 to 11 ns of processor time, from one thread as from 2, 4 or 8 at once, where reading the clock
/// twice takes 48 ns (2 cores of an AMD EPYC at 2.6 GHz with other work on them, g++ 12 -O3;
/// bench/micro/telemetry_bench.cc).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <equipoise/core/export.h>

namespace equipoise {

/// The numbers of one histogram that people look at.
struct LatencySummary {
  std::uint64_t count = 0;
  std::uint64_t sum_ns = 0;
  std::uint64_t max_ns = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p95_ns = 0;
  std::uint64_t p99_ns = 0;
};

/// A histogram for one thread: plain numbers that can be copied and added up (15 KiB).
/// Units    nanoseconds, any 64-bit number
/// Threads  a value type: one thread at a time
class EQUIPOISE_API LatencyCounts {
 public:
  static constexpr std::size_t kBuckets = 1920;

  void Record(std::uint64_t ns);
  /// Adds all that `other` has recorded; the result is as if one histogram had seen both.
  void Merge(const LatencyCounts& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t sum_ns() const { return sum_; }
  std::uint64_t max_ns() const { return max_; }

  /// The q-quantile by nearest rank: the smallest recorded value that at least q count() values do
  /// not exceed, within 1/64 of it.
  /// Range    q in [0, 1], clamped; 1 is the exact maximum; 0 where nothing is recorded or q is NaN
  std::uint64_t QuantileNs(double q) const;

  LatencySummary Summary() const;

 private:
  friend class LatencyHistogram;
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

/// A histogram that any number of threads record into at once (61 KiB: four shards, so that
/// threads rarely wait for each other's cache lines).
/// Threads  all functions, from any thread
class EQUIPOISE_API LatencyHistogram {
 public:
  LatencyHistogram() = default;
  LatencyHistogram(const LatencyHistogram&) = delete;
  LatencyHistogram& operator=(const LatencyHistogram&) = delete;

  /// Units    nanoseconds
  void Record(std::uint64_t ns);

  /// What was recorded up to now. A Record that is running meanwhile may be in it, in part (its
  /// sum without its count) or not at all; none is lost or counted twice in the end.
  LatencyCounts Snapshot() const;

 private:
  static constexpr std::size_t kShards = 4;
  struct alignas(64) Shard {
    std::atomic<std::uint64_t> sum{0};
    std::atomic<std::uint64_t> max{0};
    std::array<std::atomic<std::uint64_t>, LatencyCounts::kBuckets> buckets{};
  };
  std::array<Shard, kShards> shards_;
};

/// A number that only grows.
/// Threads  all functions, from any thread
class TelemetryCounter {
 public:
  void Add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::uint64_t> value_{0};
};

/// Measures a scope, or up to Stop, and records it once.
class ScopedLatency {
 public:
  explicit ScopedLatency(LatencyHistogram& histogram)
      : histogram_(&histogram), start_(std::chrono::steady_clock::now()) {}
  ~ScopedLatency() { Stop(); }
  ScopedLatency(const ScopedLatency&) = delete;
  ScopedLatency& operator=(const ScopedLatency&) = delete;

  /// Records now and returns the nanoseconds; later calls return the same and record nothing.
  std::uint64_t Stop() {
    if (histogram_ != nullptr) {
      ns_ = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                           std::chrono::steady_clock::now() - start_)
                                           .count());
      std::exchange(histogram_, nullptr)->Record(ns_);
    }
    return ns_;
  }

 private:
  LatencyHistogram* histogram_;
  std::chrono::steady_clock::time_point start_;
  std::uint64_t ns_ = 0;
};

/// All that a Telemetry held at one moment, in order of registration.
struct EQUIPOISE_API TelemetrySnapshot {
  struct Counter {
    std::string name;
    std::uint64_t value = 0;
  };
  struct Histogram {
    std::string name;
    LatencySummary latency;
  };
  std::vector<Counter> counters;
  std::vector<Histogram> histograms;

  /// One line: {"counters": {NAME: n, ...}, "histograms": {NAME: {"count", "sum_ns", "max_ns",
  /// "p50_ns", "p95_ns", "p99_ns"}, ...}}. Names that are not UTF-8 come out with U+FFFD.
  std::string ToJson() const;
};

/// Named counters and histograms. Names are looked up (under a lock) only when they are registered;
/// what is returned stays where it is while this object lives and is recorded into without a lock.
/// Threads  all functions, from any thread
class EQUIPOISE_API Telemetry {
 public:
  Telemetry();
  ~Telemetry();
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  /// The histogram of this name, made at the first call.
  LatencyHistogram& Histogram(std::string_view name);
  /// The counter of this name, made at the first call; counters and histograms have their own
  /// names.
  TelemetryCounter& Counter(std::string_view name);

  TelemetrySnapshot Snapshot() const;

 private:
  template <typename T>
  struct Named {
    std::string name;
    std::unique_ptr<T> object;
  };
  mutable std::mutex mutex_;  // guards the two lists, not what they point to
  std::vector<Named<LatencyHistogram>> histograms_;
  std::vector<Named<TelemetryCounter>> counters_;
};

}  // namespace equipoise
