#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <thread>

#include <nlohmann/json.hpp>

#include <equipoise/core/telemetry.h>

namespace equipoise {
namespace {

// Each power of two from 2^6 on has 2^5 buckets; below, a bucket a value. The middle of a bucket is
// at most half its width, 1/64 of its lower end, from any value in it.
constexpr int kSubBits = 5;
constexpr std::size_t kSub = std::size_t{1} << kSubBits;

std::size_t BucketOf(std::uint64_t ns) {
  if (ns < 2 * kSub) return static_cast<std::size_t>(ns);
  const int shift = 63 - std::countl_zero(ns) - kSubBits;
  return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(ns >> shift);
}

std::uint64_t MiddleOf(std::size_t bucket) {
  if (bucket < 2 * kSub) return bucket;
  const std::size_t shift = bucket / kSub - 1;
  return ((bucket % kSub + kSub) << shift) + (std::uint64_t{1} << (shift - 1));
}

static_assert(LatencyCounts::kBuckets == (64 - kSubBits + 1) * kSub);

std::size_t ShardOfThisThread(std::size_t shards) {
  const std::uint64_t id = std::hash<std::thread::id>{}(std::this_thread::get_id());
  // Thread ids are addresses that differ in their middle bits; the product's high bits depend on
  // all of them.
  return static_cast<std::size_t>((id * 0x9e3779b97f4a7c15u) >> 32) % shards;
}

template <typename List>
auto& FindOrAdd(List& list, std::string_view name) {
  for (auto& named : list)
    if (named.name == name) return *named.object;
  using Object = typename decltype(list.front().object)::element_type;
  list.push_back({std::string(name), std::make_unique<Object>()});
  return *list.back().object;
}

}  // namespace

void LatencyCounts::Record(std::uint64_t ns) {
  ++buckets_[BucketOf(ns)];
  ++count_;
  sum_ += ns;
  max_ = std::max(max_, ns);
}

void LatencyCounts::Merge(const LatencyCounts& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t LatencyCounts::QuantileNs(double q) const {
  if (count_ == 0 || std::isnan(q)) return 0;
  if (q >= 1) return max_;
  const double wanted = std::ceil(std::max(q, 0.0) * static_cast<double>(count_));
  const std::uint64_t rank =
      std::clamp(static_cast<std::uint64_t>(wanted), std::uint64_t{1}, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen < rank) continue;
    const std::uint64_t middle = MiddleOf(i);
    return BucketOf(max_) == i ? std::min(middle, max_) : middle;
  }
  return max_;
}

LatencySummary LatencyCounts::Summary() const {
  return {.count = count_,
          .sum_ns = sum_,
          .max_ns = max_,
          .p50_ns = QuantileNs(0.50),
          .p95_ns = QuantileNs(0.95),
          .p99_ns = QuantileNs(0.99)};
}

void LatencyHistogram::Record(std::uint64_t ns) {
  Shard& shard = shards_[ShardOfThisThread(kShards)];
  shard.sum.fetch_add(ns, std::memory_order_relaxed);
  std::uint64_t max = shard.max.load(std::memory_order_relaxed);
  while (ns > max && !shard.max.compare_exchange_weak(max, ns, std::memory_order_relaxed)) {
  }
  shard.buckets[BucketOf(ns)].fetch_add(1, std::memory_order_relaxed);
}

LatencyCounts LatencyHistogram::Snapshot() const {
  LatencyCounts out;
  for (const Shard& shard : shards_) {
    for (std::size_t i = 0; i < LatencyCounts::kBuckets; ++i) {
      const std::uint64_t n = shard.buckets[i].load(std::memory_order_relaxed);
      out.buckets_[i] += n;
      out.count_ += n;
    }
    out.sum_ += shard.sum.load(std::memory_order_relaxed);
    out.max_ = std::max(out.max_, shard.max.load(std::memory_order_relaxed));
  }
  return out;
}

Telemetry::Telemetry() = default;
Telemetry::~Telemetry() = default;

LatencyHistogram& Telemetry::Histogram(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return FindOrAdd(histograms_, name);
}

TelemetryCounter& Telemetry::Counter(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return FindOrAdd(counters_, name);
}

TelemetrySnapshot Telemetry::Snapshot() const {
  const std::lock_guard lock(mutex_);
  TelemetrySnapshot out;
  for (const auto& counter : counters_)
    out.counters.push_back({counter.name, counter.object->value()});
  for (const auto& histogram : histograms_)
    out.histograms.push_back({histogram.name, histogram.object->Snapshot().Summary()});
  return out;
}

std::string TelemetrySnapshot::ToJson() const {
  using Json = nlohmann::ordered_json;
  Json json = {{"counters", Json::object()}, {"histograms", Json::object()}};
  for (const Counter& counter : counters) json["counters"][counter.name] = counter.value;
  for (const Histogram& histogram : histograms) {
    const LatencySummary& l = histogram.latency;
    json["histograms"][histogram.name] = {{"count", l.count},   {"sum_ns", l.sum_ns},
                                          {"max_ns", l.max_ns}, {"p50_ns", l.p50_ns},
                                          {"p95_ns", l.p95_ns}, {"p99_ns", l.p99_ns}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace equipoise
