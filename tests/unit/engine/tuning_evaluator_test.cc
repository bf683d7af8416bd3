// Configurations judged without searching: against real searches. And what tuning counts and shares by.
#include "tuning_evaluator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/retrieval/vector_path.h>

#include "parallel_status.h"
#include "tuning_cost.h"
#include "tuning_data.h"
#include "tuning_space.h"

namespace equipoise {
namespace {

TEST(TuningEvaluator, ValuesAreThoseOfRealSearches) {
  // The second has a graph.
  for (const std::size_t documents : {std::size_t{300}, std::size_t{2300}}) {
    const Judged judged(documents, 12);
    std::vector<JudgedSource> sources;
    sources.push_back(*OpenJudgedSource(judged.source()));
    const Engine& engine = sources[0].engine;
    const auto space = ConfigurationSpace::Create(TuningSpace{}, {});
    ASSERT_TRUE(space.ok());
    const auto made = TuningEvaluator::Create(sources, {.longest = space->longest(), .threads = 2});
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    TuningEvaluator& evaluator = **made;
    Random random(9);
    std::vector<Configuration> tried = {{.alpha = 0.0}, {.alpha = 1.0}};
    while (tried.size() < 60) {
      std::vector<double> x;
      for (const Variable& v : space->variables())
        x.push_back(v.kind == VariableKind::kReal
                        ? v.low + random.Uniform() * (v.high - v.low)
                        : v.low + static_cast<double>(random.Below(
                                      static_cast<std::uint64_t>(v.high - v.low) + 1)));
      tried.push_back(space->Decode(x));
    }
    // Prepared in two parts: what is found does not depend on the order.
    ASSERT_TRUE(evaluator.Prepare(std::span(tried).first(20)).ok());
    ASSERT_TRUE(evaluator.Prepare(tried).ok());
    for (const Configuration& c : tried)
      for (std::size_t q = 0; q < evaluator.queries(); ++q) {
        const SearchRequest request = evaluator.RequestOf(q);
        const auto found = engine.Search(request, c);
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        std::vector<std::string_view> ids;
        for (const Hit& hit : found->hits) ids.push_back(hit.id);
        const Queries::Item* item = nullptr;
        for (const Queries::Item& each : sources[0].queries.items())
          if (each.text == request.text) item = &each;
        ASSERT_NE(item, nullptr);
        const auto value = evaluator.Judge(c, q);
        EXPECT_EQ(value.quality, EvaluateRanking(ids, *sources[0].judgments.Find(item->id)).ndcg_10)
            << ConfigurationJson(c);
        // By its definition: over all pairs, in double.
        std::vector<std::uint32_t> docs;
        for (const Hit& hit : found->hits) docs.push_back(hit.doc);
        std::vector<float> rows(docs.size() * kDimensions);
        ASSERT_TRUE(engine.collection().vectors()->Read(docs, rows).ok());
        double sum = 0;
        for (std::size_t a = 0; a < docs.size(); ++a)
          for (std::size_t b = 0; b < a; ++b) {
            double dot = 0, na = 0, nb = 0;
            for (std::size_t j = 0; j < kDimensions; ++j) {
              const double x = rows[a * kDimensions + j], y = rows[b * kDimensions + j];
              dot += x * y;
              na += x * x;
              nb += y * y;
            }
            sum += 1 - dot / std::sqrt(na * nb);
          }
        const auto n = static_cast<double>(docs.size());
        EXPECT_NEAR(value.diversity, n < 2 ? 0 : 2 * sum / (n * (n - 1)), 1e-5);
      }
  }
}

TEST(TuningEvaluator, WholeListsAreThoseOfRealSearchesWhereWalksEndEarly) {
  constexpr std::size_t kMany = 120, kWide = 48;
  const Judged judged(9000, 20, 3, kWide);  // fewer rows are scanned for lists as long as these
  std::vector<JudgedSource> sources;
  sources.push_back(*OpenJudgedSource(judged.source()));
  const Engine& engine = sources[0].engine;
  const VectorIndex& vectors = *engine.collection().vectors();
  ASSERT_TRUE(vectors.settings().has_graph);
  // As many results as there are candidates, or some of them.
  for (const std::size_t k : {std::size_t{10}, kMany, 2 * kMany}) {
    std::vector<Configuration> tried;
    for (const double alpha : {0.0, 0.3, 0.7})
      for (const double target : {0.0, 0.5, 0.9})
        for (const std::size_t depth : {std::size_t{20}, kMany}) {
          tried.push_back({.alpha = alpha,
                           .fusion = FusionMethod::kMinMaxUnion,
                           .lexical_depth = 50,
                           .vector_depth = depth,
                           .target_recall = target});
          tried.push_back(tried.back());
          tried.back().rescore = 2 * std::max(depth, k);
          tried.push_back(tried.back());
          tried.back().ef_search = std::max(depth, k);
        }
    const auto made = TuningEvaluator::Create(sources, {.k = k, .longest = 2 * kMany});
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    TuningEvaluator& evaluator = **made;
    ASSERT_TRUE(evaluator.Prepare(tried).ok());
    for (const Configuration& c : tried)
      for (std::size_t q = 0; q < evaluator.queries(); ++q) {
        const auto found = engine.Search(evaluator.RequestOf(q), c);
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        SearchCounts counts;
        std::vector<std::pair<std::uint32_t, float>> expected, ranked;
        for (const Hit& hit : found->hits) expected.emplace_back(hit.doc, hit.score);
        for (const Candidate& hit : evaluator.Rank(c, q, &counts))
          ranked.emplace_back(hit.doc, hit.score);
        EXPECT_EQ(ranked, expected) << ConfigurationJson(c) << " k " << k << " query " << q;
      }
  }
  // The lists of another margin are others: the comparison can fail. (At low targets both may be 0 here.)
  std::size_t differ = 0;
  for (std::size_t q = 0; q < sources[0].queries.size(); ++q) {
    const std::vector<float> embedding = sources[0].EmbeddingOf(q);
    const SearchRequest request{.embedding = embedding};
    const auto as_search = vectors.Search(embedding, VectorPathParams(vectors, request, kMany));
    const auto plain = vectors.Search(embedding, {.k = kMany});
    ASSERT_TRUE(as_search.ok() && plain.ok());
    for (std::size_t i = 0; i < kMany; ++i)
      if ((*as_search)[i].id != (*plain)[i].id) {
        ++differ;
        break;
      }
  }
  EXPECT_GT(differ, 0u);
}

TEST(ConfigurationSpace, EqualBoundsOfTheBeamFixItThere) {
  TuningSpace bounds;
  bounds.ef_low = bounds.ef_high = 64;
  bounds.depth_low = bounds.depth_high = 20;
  bounds.exact = false;
  const auto space = ConfigurationSpace::Create(bounds, {.k = 10, .graph = true});
  ASSERT_TRUE(space.ok());
  // Every value of every whole variable: the target recall, or that beam.
  std::set<std::size_t> beams;
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    std::vector<double> x;
    for (const Variable& v : space->variables())
      x.push_back(v.kind == VariableKind::kReal
                      ? 0.5
                      : v.low + static_cast<double>(
                                    random.Below(static_cast<std::uint64_t>(v.high - v.low) + 1)));
    beams.insert(space->Decode(x).ef_search);
  }
  EXPECT_EQ(beams, (std::set<std::size_t>{0, 64}));
}

TEST(ConfigurationSpace, AlphaStaysWithinBoundsOfMoreThanTwoDigits) {
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0.125, 0.125}, {0.004, 0.2}, {0.004, 0.004}, {0.123, 0.997}, {0, 1}, {0.3, 0.3}}) {
    TuningSpace bounds;
    bounds.alpha_low = low;
    bounds.alpha_high = high;
    const auto space = ConfigurationSpace::Create(bounds, {});
    ASSERT_TRUE(space.ok());
    const Variable& alpha = space->variables()[0];
    std::vector<double> x;
    for (const Variable& v : space->variables()) x.push_back(v.low);
    for (int i = 0; i <= 1000; ++i) {
      x[0] = alpha.low + (alpha.high - alpha.low) * i / 1000;
      const double found = space->Decode(x).alpha.value_or(-1);
      EXPECT_GE(found, low);
      EXPECT_LE(found, high);
      if (found != low && found != high) {
        EXPECT_EQ(found, std::round(found * 100) / 100);
      }
      if (i == 0) {
        EXPECT_EQ(found, low);
      }
      if (i == 1000) {
        EXPECT_EQ(found, high);
      }
    }
  }
}

TEST(ForEach, ABodyWithoutMemoryIsAStatusAtAnyNumberOfThreads) {
  for (const int threads : {1, 4}) {
    std::atomic<int> calls = 0;
    const auto run = [&](const std::function<Status(std::size_t)>& body) {
      calls = 0;
      return ForEach(40, threads, [&](std::size_t i) {
        ++calls;
        return body(i);
      });
    };
    EXPECT_TRUE(run([](std::size_t) { return Status(); }).ok());
    EXPECT_EQ(calls, 40);
    EXPECT_EQ(run([](std::size_t i) -> Status {
                if (i == 17) throw std::bad_alloc();
                return {};
              }).code(),
              Code::kOutOfMemory);
    EXPECT_EQ(run([](std::size_t i) -> Status {
                if (i == 17) throw std::length_error("too long");
                return {};
              }).code(),
              Code::kOutOfMemory);
    // Of several the first.
    const Status failed = run([](std::size_t i) {
      return i % 10 == 7 ? Status(Code::kInvalidArgument, std::to_string(i)) : Status();
    });
    EXPECT_EQ(failed.message(), "7");
    // Stopped between batches.
    std::size_t asked = 0;
    calls = 0;
    const Status stopped = ForEach(
        1000, threads,
        [&](std::size_t) {
          ++calls;
          return Status();
        },
        [&](std::size_t done) {
          EXPECT_EQ(static_cast<std::size_t>(calls), done);
          return ++asked < 3;
        });
    EXPECT_EQ(stopped.code(), Code::kCancelled);
    EXPECT_GT(calls, 0);
    EXPECT_LT(calls, 200);
  }
}

TEST(EveryNth, TakesNoMoreThanItSaysAndAllWhereTheyAreFew) {
  for (const std::size_t n : {1, 39, 40, 41, 79, 80, 81, 225, 5000}) {
    std::size_t taken = 0;
    for (std::size_t i = 0; i < n; i += EveryNth(n, 40)) ++taken;
    EXPECT_LE(taken, 40u) << n;
    EXPECT_GE(taken, std::min<std::size_t>(n, 21)) << n;
  }
}

TEST(FitNonNegative, FindsTheUnitsThatCountsWereMadeFrom) {
  Random random(4);
  const std::vector<double> truth = {1500, 0, 7.5, 0.25};
  std::vector<double> rows, y;
  for (int i = 0; i < 60; ++i) {
    const std::vector<double> row = {1, random.Uniform() * 50, random.Uniform() * 900,
                                     random.Uniform() * 20'000};
    double sum = 0;
    for (std::size_t j = 0; j < row.size(); ++j) sum += row[j] * truth[j];
    rows.insert(rows.end(), row.begin(), row.end());
    y.push_back(sum);
  }
  const auto found = FitNonNegative(rows, truth.size(), y);
  for (std::size_t j = 0; j < truth.size(); ++j) EXPECT_NEAR(found[j], truth[j], 1e-3 * truth[0]);
  // What would be negative is 0, and a column of zeros too.
  const auto falling =
      FitNonNegative(std::vector<double>{1, 0, 2, 0, 3, 0}, 2, std::vector<double>{-1, -2, -3});
  EXPECT_EQ(falling, (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace equipoise
