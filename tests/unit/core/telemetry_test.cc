#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/core/telemetry.h>

namespace equipoise {
namespace {

std::uint64_t ExactQuantile(const std::vector<std::uint64_t>& sorted, double q) {
  const double rank = std::ceil(q * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

void ExpectWithinBound(std::uint64_t got, std::uint64_t exact) {
  const double error =
      std::abs(static_cast<double>(got) - static_cast<double>(exact)) / static_cast<double>(exact);
  EXPECT_LE(error, 1.0 / 64) << got << " for " << exact;
}

TEST(LatencyCounts, QuantilesAreWithinTheStatedBoundOfTheExactOnes) {
  Random random(1);
  for (int round = 0; round < 20; ++round) {
    LatencyCounts counts;
    std::vector<std::uint64_t> values(1 + random.Below(5000));
    // Spread over all magnitudes, or around one, as latencies are.
    const double octaves = round % 2 == 0 ? 62 : 3;
    for (std::uint64_t& value : values) {
      value = static_cast<std::uint64_t>(std::exp2(1 + octaves * random.Uniform()));
      counts.Record(value);
    }
    std::sort(values.begin(), values.end());
    for (double q : {0.0, 0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999})
      ExpectWithinBound(counts.QuantileNs(q), ExactQuantile(values, q));
    EXPECT_EQ(counts.QuantileNs(1), values.back());
    EXPECT_EQ(counts.max_ns(), values.back());
    EXPECT_EQ(counts.count(), values.size());
  }
}

TEST(LatencyCounts, EveryPowerOfTwoAndItsNeighboursAreWithinTheBound) {
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (std::uint64_t value : {power - 1, power, power + 1, power + power / 2, power * 2 - 1}) {
      if (value == 0) continue;
      LatencyCounts counts;
      counts.Record(value);
      counts.Record(std::numeric_limits<std::uint64_t>::max());
      ExpectWithinBound(counts.QuantileNs(0.5), value);
    }
  }
}

TEST(LatencyCounts, SmallValuesAreExact) {
  LatencyCounts counts;
  for (std::uint64_t value = 0; value < 64; ++value) counts.Record(value);
  for (std::uint64_t value = 0; value < 64; ++value)
    EXPECT_EQ(counts.QuantileNs(static_cast<double>(value + 1) / 64), value);
}

TEST(LatencyCounts, OfOneValueEveryQuantileIsAtMostThatValue) {
  LatencyCounts counts;
  counts.Record(1'000'000);
  for (double q : {0.0, 0.5, 0.99}) {
    EXPECT_LE(counts.QuantileNs(q), 1'000'000u);
    ExpectWithinBound(counts.QuantileNs(q), 1'000'000);
  }
  EXPECT_EQ(counts.QuantileNs(1), 1'000'000u);
}

TEST(LatencyCounts, EmptyGivesZerosAndOddQuantilesAreDefined) {
  LatencyCounts counts;
  EXPECT_EQ(counts.QuantileNs(0.5), 0u);
  EXPECT_EQ(counts.QuantileNs(1), 0u);
  EXPECT_EQ(counts.Summary().count, 0u);
  counts.Record(5);
  EXPECT_EQ(counts.QuantileNs(-1), 5u);
  EXPECT_EQ(counts.QuantileNs(7), 5u);
  EXPECT_EQ(counts.QuantileNs(std::nan("")), 0u);
}

TEST(LatencyCounts, MergingIsAsIfOneHistogramHadSeenBoth) {
  Random random(2);
  LatencyCounts all, parts[2];
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t value = random.Next() >> random.Below(64);
    all.Record(value);
    parts[i % 2].Record(value);
  }
  LatencyCounts merged = parts[0];
  merged.Merge(parts[1]);
  EXPECT_EQ(merged.count(), all.count());
  EXPECT_EQ(merged.sum_ns(), all.sum_ns());
  EXPECT_EQ(merged.max_ns(), all.max_ns());
  for (int i = 0; i <= 100; ++i) EXPECT_EQ(merged.QuantileNs(i / 100.0), all.QuantileNs(i / 100.0));
}

TEST(LatencyHistogram, EightThreadsRecordingAtOnceLoseNothing) {
  constexpr std::uint64_t kThreads = 8;
  constexpr std::uint64_t kEach = 50'000;
  LatencyHistogram histogram;
  TelemetryCounter counter;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        histogram.Record(t * kEach + i);
        counter.Add();
      }
    });
  // A reader meanwhile sees counts that only grow.
  std::uint64_t seen = 0;
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t now = histogram.Snapshot().count();
    EXPECT_GE(now, seen);
    seen = now;
  }
  for (std::thread& thread : threads) thread.join();
  const LatencyCounts counts = histogram.Snapshot();
  constexpr std::uint64_t kAll = kThreads * kEach;
  EXPECT_EQ(counts.count(), kAll);
  EXPECT_EQ(counts.sum_ns(), kAll * (kAll - 1) / 2);
  EXPECT_EQ(counts.max_ns(), kAll - 1);
  EXPECT_EQ(counter.value(), kAll);
  ExpectWithinBound(counts.QuantileNs(0.5), kAll / 2 - 1);
}

TEST(LatencyHistogram, SnapshotIsWhatOneThreadWouldHaveCounted) {
  LatencyHistogram histogram;
  LatencyCounts plain;
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = random.Next() >> random.Below(64);
    histogram.Record(value);
    plain.Record(value);
  }
  const LatencySummary a = histogram.Snapshot().Summary();
  const LatencySummary b = plain.Summary();
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.sum_ns, b.sum_ns);
  EXPECT_EQ(a.max_ns, b.max_ns);
  EXPECT_EQ(a.p50_ns, b.p50_ns);
  EXPECT_EQ(a.p95_ns, b.p95_ns);
  EXPECT_EQ(a.p99_ns, b.p99_ns);
}

TEST(ScopedLatency, RecordsOnceAtStopOrAtTheEndOfTheScope) {
  LatencyHistogram histogram;
  {
    ScopedLatency timer(histogram);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const std::uint64_t ns = timer.Stop();
    EXPECT_GE(ns, 2'000'000u);
    EXPECT_EQ(timer.Stop(), ns);
  }
  EXPECT_EQ(histogram.Snapshot().count(), 1u);
  EXPECT_GE(histogram.Snapshot().max_ns(), 2'000'000u);
  { ScopedLatency timer(histogram); }
  EXPECT_EQ(histogram.Snapshot().count(), 2u);
}

TEST(Telemetry, TheSameNameIsTheSameHistogramAndStaysWhereItIs) {
  Telemetry telemetry;
  LatencyHistogram& lexical = telemetry.Histogram("lexical");
  TelemetryCounter& queries = telemetry.Counter("lexical");
  for (int i = 0; i < 100; ++i) {
    telemetry.Histogram("h" + std::to_string(i));
    telemetry.Counter("c" + std::to_string(i));
  }
  EXPECT_EQ(&telemetry.Histogram("lexical"), &lexical);
  EXPECT_EQ(&telemetry.Counter("lexical"), &queries);
  EXPECT_EQ(telemetry.Snapshot().histograms.size(), 101u);
}

TEST(Telemetry, SnapshotKeepsTheOrderOfRegistrationAndTheJsonHoldsEveryNumber) {
  Telemetry telemetry;
  LatencyHistogram& vector = telemetry.Histogram("vector");
  telemetry.Histogram("analysis");
  telemetry.Counter("queries").Add(3);
  vector.Record(10);
  vector.Record(20);
  const TelemetrySnapshot snapshot = telemetry.Snapshot();
  ASSERT_EQ(snapshot.histograms.size(), 2u);
  EXPECT_EQ(snapshot.histograms[0].name, "vector");
  EXPECT_EQ(snapshot.histograms[1].name, "analysis");
  EXPECT_EQ(snapshot.ToJson(),
            R"({"counters":{"queries":3},"histograms":{)"
            R"("vector":{"count":2,"sum_ns":30,"max_ns":20,"p50_ns":10,"p95_ns":20,"p99_ns":20},)"
            R"("analysis":{"count":0,"sum_ns":0,"max_ns":0,"p50_ns":0,"p95_ns":0,"p99_ns":0}}})");
}

TEST(Telemetry, JsonIsWellFormedWhateverTheNamesAre) {
  Telemetry telemetry;
  telemetry.Counter("quote \" and \n newline");
  telemetry.Counter("\xff\xfe");
  EXPECT_EQ(nlohmann::json::parse(telemetry.Snapshot().ToJson())["counters"].size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(Telemetry().Snapshot().ToJson())["histograms"].size(), 0u);
}

TEST(Telemetry, ThreadsMayRegisterAndTakeSnapshotsAtOnce) {
  Telemetry telemetry;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        telemetry.Histogram("layer" + std::to_string(i % 5)).Record(7);
        telemetry.Counter("queries").Add();
        (void)telemetry.Snapshot();
      }
    });
  for (std::thread& thread : threads) thread.join();
  const TelemetrySnapshot snapshot = telemetry.Snapshot();
  EXPECT_EQ(snapshot.histograms.size(), 5u);
  for (const auto& histogram : snapshot.histograms) EXPECT_EQ(histogram.latency.count, 32u);
  EXPECT_EQ(snapshot.counters.at(0).value, 160u);
}

}  // namespace
}  // namespace equipoise
