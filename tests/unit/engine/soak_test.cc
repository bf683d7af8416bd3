// Searching, feedback and new configurations from eight threads for a while: answers are those of one
// thread, what was learned is what the log says, and memory is flat. EQUIPOISE_SOAK_SECONDS sets the while:
// 2 by default, 60 in .ci/run, 3600 for the whole.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "learning_data.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define EQUIPOISE_SANITIZED 1
#else
#define EQUIPOISE_SANITIZED 0
#endif

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::Made;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double ResidentMiB() {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

/// Of the later half: MiB a second.
double Slope(const std::vector<std::pair<double, double>>& all) {
  const std::vector points(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  double x = 0, y = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(points.size());
  for (const auto& [at, value] : points) x += at, y += value, xx += at * at, xy += at * value;
  return (n * xy - x * y) / (n * xx - x * x);
}

class Soak : public LearningTest {
 protected:
  static constexpr int kSearching = 4, kTelling = 2;
  static constexpr std::uint64_t kQueries = 64;

  /// Told apart by α; the last leaves it to the policy.
  static std::vector<Configuration> Configurations() {
    return {{.alpha = 0.11},
            {.alpha = 0.33, .lexical_depth = 30, .vector_depth = 15},
            {.alpha = 0.57, .fusion = FusionMethod::kRrf},
            {.alpha = 0.71, .mmr = 0.6, .mmr_candidates = 20},
            {.alpha = 0.93, .near_duplicate = 0.5},
            {.lexical_depth = 40, .vector_depth = 40, .filter = false},
            {}};
  }
  /// Those without an α of their own search alike, but for the depth.
  static const Configuration* ThatRan(const std::vector<Configuration>& all,
                                      const SearchResult& found) {
    for (const Configuration& c : all)
      if (c.alpha == found.weights.alpha) return &c;
    return nullptr;
  }

  struct Sample {
    std::uint64_t query = 0;
    SearchResult found;
  };
  /// Of all that a thread has found, each as likely as any other (Vitter 1985, algorithm R).
  struct Samples {
    std::vector<Sample> kept;
    std::uint64_t seen = 0;

    void Offer(std::uint64_t query, SearchResult found, Random* random) {
      constexpr std::size_t kMost = 200;
      const std::uint64_t place = random->Below(++seen);
      if (kept.size() < kMost)
        kept.push_back({query, std::move(found)});
      else if (place < kMost)
        kept[place] = {query, std::move(found)};
    }
  };
  /// MiB an hour by which memory may grow where the slope can be told from noise: of 3,600 s nothing is seen
  /// of it but the slope.
  static constexpr double kMostAnHour = 100;
};

TEST_F(Soak, EightThreads) {
  const char* const asked = std::getenv("EQUIPOISE_SOAK_SECONDS");
  const double seconds = asked != nullptr ? std::atof(asked) : 2;
  const auto configurations = Configurations();
  Engine engine = Open();
  ASSERT_TRUE(engine.KeepLearning(Made("curve"), {.remembered = 256}).ok());
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> searches{0}, told{0}, unknown{0}, reloads{0};
  std::mutex mutex;
  std::deque<std::pair<std::uint64_t, std::size_t>> waiting;  // queries and their hits
  std::array<Samples, kSearching> samples;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kSearching; ++t)
    threads.emplace_back([&, t] {
      Random random(100 + t);
      while (!done) {
        const std::uint64_t number = random.Below(kQueries);
        const Query query = MakeQuery(number);
        auto found = engine.Search(query.request("domain" + std::to_string(number % 8)));
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        ++searches;
        {
          const std::lock_guard lock(mutex);
          waiting.emplace_back(found->query_id, found->hits.size());
          if (waiting.size() > 200) waiting.pop_front();
        }
        samples[t].Offer(number, *std::move(found), &random);
      }
    });
  for (std::size_t t = 0; t < kTelling; ++t)
    threads.emplace_back([&, t] {
      Random random(200 + t);
      while (!done) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        std::pair<std::uint64_t, std::size_t> of;
        {
          const std::lock_guard lock(mutex);
          if (waiting.empty()) continue;
          of = waiting[random.Below(waiting.size())];
        }
        const auto out = engine.Feedback({.query_id = of.first,
                                          .hit = random.Below(of.second),
                                          .rating = static_cast<double>(random.Below(5)) / 4,
                                          .source = t == 0 ? "ann" : "bob"});
        // A query may be forgotten by the time.
        ASSERT_TRUE(out.ok() || out.error().code() == Code::kNotFound) << out.error().ToString();
        ++(out.ok() ? told : unknown);
      }
    });
  threads.emplace_back([&] {
    // Every other one as programs do: somebody has written a new file, and it is read again.
    const std::string file = folder_.path("configuration.json");
    for (std::size_t i = 0; !done; ++i) {
      Configuration next = configurations[i % configurations.size()];
      if (i % 2 == 0) {
        ASSERT_TRUE(WriteConfiguration(next, file).ok());
        const auto read = ReadConfiguration(file);
        ASSERT_TRUE(read.ok()) << read.error().ToString();
        ASSERT_EQ(*read, next);
        next = *read;
      }
      ASSERT_TRUE(engine.UseConfiguration(next).ok());
      ++reloads;
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
  });
  threads.emplace_back([&] {
    while (!done) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      ASSERT_TRUE(engine.SavePolicy().ok());
    }
  });
  std::vector<std::pair<double, double>> memory;
  const auto start = Clock::now();
  for (double at = 0; at < seconds; at = SecondsSince(start)) {
    memory.emplace_back(at, ResidentMiB());
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds / 50));
  }
  done = true;
  for (std::thread& thread : threads) thread.join();

  const double slope = Slope(memory);
  const std::string line = fmt::format(
      "{:.1f} s: {} searches, {} ratings ({} of forgotten queries), {} configurations, {:.1f} MiB, "
      "growing by {:.1f} MiB an hour\n",
      seconds, searches.load(), told.load(), unknown.load(), reloads.load(), memory.back().second,
      slope * 3600);
  fmt::print("{}", line);
  EXPECT_GT(told, 0u);
  EXPECT_GT(reloads, configurations.size());
  if (!EQUIPOISE_SANITIZED) {
    // In a few seconds noise is steeper than that.
    if (seconds >= 60)
      EXPECT_LT(slope * 3600, kMostAnHour) << line;
    else
      EXPECT_LT(slope * seconds / 2, 8) << line;
  }

  // Answers, in one thread.
  ASSERT_TRUE(engine.UsePolicy(nullptr).ok());
  const Engine alone = Open();
  std::size_t checked = 0;
  for (const Samples& of : samples)
    for (const Sample& sample : of.kept) {
      const Query query = MakeQuery(sample.query);
      const Configuration* ran = ThatRan(configurations, sample.found);
      SearchRequest request = query.request();
      request.alpha = sample.found.weights.alpha;
      request.fusion = sample.found.weights.method;
      request.both_paths = sample.found.lexical_searched && sample.found.vector_searched;
      // One that the policy has decided was of one of two depths.
      std::vector<Configuration> may = {configurations[5], configurations[6]};
      if (ran != nullptr) may = {*ran};
      bool same = false;
      for (const Configuration& configuration : may) {
        const auto again = alone.Search(request, configuration);
        ASSERT_TRUE(again.ok());
        bool equal = again->hits.size() == sample.found.hits.size();
        for (std::size_t i = 0; equal && i < again->hits.size(); ++i)
          equal = again->hits[i].id == sample.found.hits[i].id &&
                  again->hits[i].score == sample.found.hits[i].score;
        same = same || equal;
      }
      EXPECT_TRUE(same) << "query " << sample.query << " α " << sample.found.weights.alpha;
      ++checked;
    }
  EXPECT_GT(checked, 10u);

  // What was learned: by the snapshots and what came after them, and by the whole log.
  const auto learned = [&] {
    Engine again = Open();
    const auto kept =
        again.KeepLearning(Made("curve"), {.remembered = 256}, {.access = LogAccess::kRead});
    EXPECT_TRUE(kept.ok()) << kept.error().ToString();
    std::vector<std::vector<double>> out;
    for (int d = 0; d < 8; ++d) {
      const auto known =
          dynamic_cast<const CurvePolicy&>(*again.policy()).Inspect("domain" + std::to_string(d));
      out.push_back(known->mean);
    }
    return out;
  };
  const auto with = learned();
  std::filesystem::remove(folder_.path("index/POLICY"));
  EXPECT_EQ(learned(), with);
}

}  // namespace
}  // namespace equipoise
