// The feedback filter: its usual path over sizes and threads beside the memory traffic that it needs,
// one call of 100 items many times, and a row for each further option. Prints one JSON object a line;
// bench/micro/filter_report.py makes tables and claims of them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <equipoise/core/parallel.h>
#include <equipoise/core/random.h>
#include <equipoise/core/telemetry.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/optimizer/feedback_filter.h>

namespace equipoise {
namespace {

using Json = nlohmann::ordered_json;
constexpr double kNow = 1.7e9;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Data {
  std::vector<float> rating, confidence;
  std::vector<double> time;
  std::vector<std::uint64_t> source, item;
  std::vector<std::uint32_t> domain;

  Data(std::size_t n, bool ids) {
    Random random(n);
    const auto unit = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
    for (std::size_t i = 0; i < n; ++i) {
      // The sum of twelve is near a normal distribution.
      double sum = -6;
      for (int k = 0; k < 12; ++k) sum += unit();
      rating.push_back(static_cast<float>(0.5 + 0.08 * sum));
      confidence.push_back(static_cast<float>(unit()));
      time.push_back(kNow - 60 * 86400 * unit());
      if (!ids) continue;
      source.push_back(random() % (n / 20 + 1));
      item.push_back(random() % (n / 50 + 1));
      domain.push_back(static_cast<std::uint32_t>(random() % 8));
    }
  }
  FeedbackBatch Columns() const {
    FeedbackBatch batch;
    batch.rating = rating;
    batch.time = time;
    batch.confidence = confidence;
    return batch;
  }
  FeedbackBatch All() const {
    FeedbackBatch batch = Columns();
    batch.source = source;
    batch.item = item;
    batch.domain = domain;
    return batch;
  }
};

// Seconds a call of each, the median of rounds in turn.
std::vector<double> Race(const std::vector<std::function<void()>>& runs) {
  std::vector<std::vector<double>> times(runs.size());
  std::vector<int> calls;
  for (const auto& run : runs) {
    run();
    const double start = Now();
    run();
    calls.push_back(std::max(1, static_cast<int>(0.03 / std::max(Now() - start, 1e-9))));
  }
  for (int round = 0; round < 15; ++round) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const double start = Now();
      for (int call = 0; call < calls[i]; ++call) runs[i]();
      times[i].push_back((Now() - start) / calls[i]);
    }
  }
  std::vector<double> out;
  for (auto& values : times) out.push_back(Median(values));
  return out;
}

std::function<void()> Call(const FeedbackFilter& filter, const FeedbackBatch& batch,
                           FeedbackResult* result) {
  return [&filter, batch, result] {
    if (!filter.Apply(batch, kNow, result).ok()) std::abort();
  };
}

template <typename T>
std::uint64_t ReadWords(const T* values, std::size_t n) {
  std::uint64_t sum[8] = {};
  const auto* words = reinterpret_cast<const unsigned char*>(values);
  for (std::size_t i = 0; i + 64 <= n * sizeof(T); i += 64) {
    std::uint64_t line[8];
    std::memcpy(line, words + i, sizeof(line));
    for (int k = 0; k < 8; ++k) sum[k] += line[k];
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

// The traffic of both passes without the arithmetic: 4 bytes read; then 16 read and 5 written.
void Traffic(const Data& data, FeedbackResult* result) {
  const std::size_t n = data.rating.size();
  constexpr std::size_t kBlock = 4096;
  std::uint64_t sum = ReadWords(data.rating.data(), n);
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t m = std::min(kBlock, n - begin);
    sum += ReadWords(data.rating.data() + begin, m) + ReadWords(data.time.data() + begin, m) +
           ReadWords(data.confidence.data() + begin, m);
    std::memset(result->weight.data() + begin, static_cast<int>(sum & 1), m * sizeof(float));
    std::memset(static_cast<void*>(result->verdict.data() + begin), 0, m);
  }
}

// Items a second that `processes` of one thread each reach together.
double Processes(int processes, const Data& data, const FeedbackFilter& filter, int calls) {
  std::vector<int> ends;
  const double start_at = Now() + 1.0;  // after all have warmed up
  for (int p = 0; p < processes; ++p) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) return 0;
    if (fork() == 0) {
      FeedbackResult result;
      const auto run = Call(filter, data.Columns(), &result);
      run();
      while (Now() < start_at) std::this_thread::yield();
      const double start = Now();
      for (int call = 0; call < calls; ++call) run();
      const double seconds = Now() - start;
      const bool written = write(pipe_ends[1], &seconds, sizeof(seconds)) == sizeof(seconds);
      _exit(written ? 0 : 1);
    }
    close(pipe_ends[1]);
    ends.push_back(pipe_ends[0]);
  }
  double rate = 0;
  for (const int end : ends) {
    double seconds = 0;
    if (read(end, &seconds, sizeof(seconds)) == sizeof(seconds) && seconds > 0)
      rate += static_cast<double>(data.rating.size()) * calls / seconds;
    close(end);
  }
  while (wait(nullptr) > 0) {
  }
  return rate;
}

void Print(const Json& row) { std::printf("%s\n", row.dump().c_str()); }

void Sizes() {
  const FeedbackFilter one{FeedbackOptions{}};
  for (const std::size_t n : {100, 1'000, 100'000}) {
    const Data data(n, false);
    FeedbackResult result;
    Print({{"case", "size"}, {"n", n}, {"seconds", Race({Call(one, data.Columns(), &result)})[0]}});
  }
}

void Large() {
  const std::size_t n = 10'000'000;
  const Data data(n, false);
  FeedbackOptions options;
  const FeedbackFilter one(options);
  options.threads = 2;
  const FeedbackFilter two(options);
  options.threads = 8;
  const FeedbackFilter eight(options);
  // Before OpenMP has started a thread: forked processes would lack it, and its waiting threads would
  // be measured with one's.
  FeedbackResult a, b, c;
  const auto alone = Race({Call(one, data.Columns(), &a), [&] { Traffic(data, &a); }});
  std::vector<double> rates;
  for (int round = 0; round < 5; ++round) rates.push_back(Processes(2, data, one, 20));
  const auto together = Race({Call(two, data.Columns(), &b), Call(eight, data.Columns(), &c)});
  Call(one, data.Columns(), &a)();
  Call(eight, data.Columns(), &c)();
  const bool same = a.weight == c.weight && a.total.mean == c.total.mean && a.weight == b.weight &&
                    a.total.squares == b.total.squares;
  Print({{"case", "large"},
         {"n", n},
         {"seconds", alone[0]},
         {"traffic_seconds", alone[1]},
         {"two_threads_seconds", together[0]},
         {"eight_threads_seconds", together[1]},
         {"two_processes_items_a_second", Median(rates)},
         {"same_bits", same},
         {"cores", AvailableThreads()}});
}

void Latency() {
  const Data data(100, false);
  FeedbackOptions options;
  for (const int threads : {1, 8}) {
    options.threads = threads;
    const FeedbackFilter filter(options);
    FeedbackResult result;
    const auto run = Call(filter, data.Columns(), &result);
    LatencyCounts counts;
    for (int call = 0; call < 100'000; ++call) {
      const auto start = std::chrono::steady_clock::now();
      run();
      counts.Record(static_cast<std::uint64_t>(
          std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count()));
    }
    Print({{"case", "latency"},
           {"threads", threads},
           {"p50_ns", counts.QuantileNs(0.5)},
           {"p95_ns", counts.QuantileNs(0.95)},
           {"p99_ns", counts.QuantileNs(0.99)}});
  }
}

// What each further option costs, alone.
void Options() {
  const std::size_t n = 100'000;
  const Data data(n, true);
  FeedbackOptions plain;
  plain.abuse.duplicates = plain.by_item = plain.by_source = false;
  plain.confidence.reliability = plain.confidence.evidence = false;
  const auto of = [&](const char* name, FeedbackOptions options, const FeedbackBatch& batch) {
    const FeedbackFilter filter(std::move(options));
    FeedbackResult result;
    Print({{"case", "option"},
           {"name", name},
           {"n", n},
           {"seconds", Race({Call(filter, batch, &result)})[0]}});
  };
  const auto row = [&](const char* name, FeedbackOptions options) {
    of(name, std::move(options), data.All());
  };
  const auto with = [&](const std::function<void(FeedbackOptions*)>& change) {
    FeedbackOptions options = plain;
    change(&options);
    return options;
  };
  row("usual path", plain);
  std::vector<float> stars, clicks;
  std::vector<double> old(n, kNow - 1e12);
  std::vector<float> dwell;
  std::vector<std::uint32_t> position;
  std::vector<std::uint64_t> event;
  for (std::size_t i = 0; i < n; ++i) {
    stars.push_back(static_cast<float>(data.source[i] % 5) / 4);
    clicks.push_back(data.source[i] % 20 == 0 ? 1.0f : 0.0f);
    dwell.push_back(static_cast<float>(data.item[i] % 100));
    position.push_back(data.domain[i]);
    event.push_back(i * 977);
  }
  FeedbackBatch batch = data.Columns();
  batch.rating = stars;
  of("ratings of 5 values", plain, batch);
  batch.rating = clicks;
  of("ratings of 2 values", plain, batch);
  batch = data.Columns();
  batch.time = old;
  of("ages of 1e12 s", plain, batch);
  batch = data.Columns();
  batch.event = event;
  of("event ids", plain, batch);
  batch = data.Columns();
  batch.dwell = dwell;
  batch.position = position;
  of("dwell times and positions", with([](auto* o) {
       o->confidence.dwell_half = 20;
       o->confidence.position_power = 1;
     }),
     batch);
  row("half-lives of 8 domains", with([](auto* o) {
        for (std::uint32_t d = 0; d < 8; ++d)
          o->domain_half_lives.push_back({d, 86400.0 * (d + 1)});
      }));
  row("clip", with([](auto* o) { o->outliers.method = OutlierMethod::kClip; }));
  row("MAD", with([](auto* o) { o->outliers.method = OutlierMethod::kMad; }));
  row("sigma per item", with([](auto* o) { o->grouping = FeedbackGrouping::kItem; }));
  row("aggregates per item", with([](auto* o) { o->by_item = true; }));
  row("aggregates per source", with([](auto* o) { o->by_source = true; }));
  row("duplicates", with([](auto* o) { o->abuse.duplicates = true; }));
  row("bursts", with([](auto* o) { o->abuse.burst_votes = 50; }));
  row("rate limit", with([](auto* o) { o->abuse.rate_votes = 50; }));
  row("sources that say the same", with([](auto* o) { o->abuse.constant_votes = 10; }));
  row("known sources", with([](auto* o) {
        for (std::uint64_t source = 0; source < 10'000; ++source)
          o->known_sources.push_back(source);
      }));
  row("reliability of sources", with([](auto* o) { o->confidence.reliability = true; }));
  row("evidence", with([](auto* o) { o->confidence.evidence = true; }));
  row("all defaults, with ids", FeedbackOptions{});
}

// Duplicates, sigma and the aggregates of each item and source, which pandas has too; then all that
// the filter learns beside it.
void Grouped() {
  for (const std::size_t n : {100'000, 1'000'000}) {
    const Data data(n, true);
    FeedbackOptions options;
    options.confidence.reliability = options.confidence.evidence = false;
    std::vector<FeedbackFilter> filters;
    for (const bool learn : {false, true}) {
      options.confidence.reliability = options.confidence.evidence = learn;
      for (const int threads : {1, 2, 8}) {
        options.threads = threads;
        filters.emplace_back(options);
      }
    }
    std::vector<FeedbackResult> results(filters.size());
    std::vector<std::function<void()>> runs;
    for (std::size_t i = 0; i < filters.size(); ++i)
      runs.push_back(Call(filters[i], data.All(), &results[i]));
    const std::vector<double> seconds = Race(runs);
    bool same = true;
    for (const std::size_t i : {1, 2, 4, 5}) {
      const FeedbackResult &one = results[i / 3 * 3], &other = results[i];
      same &= one.weight == other.weight && one.verdict == other.verdict &&
              one.total.squares == other.total.squares && one.reliability == other.reliability;
      for (std::size_t item = 0; item < one.items.size(); ++item)
        same &= one.items[item].mean == other.items[item].mean;
    }
    Print({{"case", "grouped"},
           {"n", n},
           {"seconds", seconds[0]},
           {"two_threads_seconds", seconds[1]},
           {"learned_seconds", seconds[3]},
           {"learned_two_threads_seconds", seconds[4]},
           {"learned_eight_threads_seconds", seconds[5]},
           {"same_bits", same}});
  }
}

}  // namespace
}  // namespace equipoise

int main() {
  equipoise::Print(
      {{"case", "machine"}, {"simd", equipoise::SimdLevelName(*equipoise::DefaultSimdLevel())}});
  equipoise::Large();
  equipoise::Sizes();
  equipoise::Latency();
  equipoise::Options();
  equipoise::Grouped();
  return 0;
}
