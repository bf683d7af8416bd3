// Searches that may find some rows only, against brute force over those.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/vector_index.h>

#include "retrieval/vector_truth.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

VectorIndexOptions Graph(Metric metric, VectorStorage storage = VectorStorage::kInt8Float16) {
  VectorIndexOptions options;
  options.metric = metric;
  options.storage = storage;
  options.graph_from = 0;
  options.m = 10;
  options.ef_construction = 40;
  return options;
}

RowSet Randomly(std::size_t n, double share, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution allowed(share);
  return RowSet(n, [&](std::uint32_t) { return allowed(random); });
}

TEST(RowSet, HoldsWhatWasAdded) {
  for (const std::size_t n : {0, 1, 63, 64, 65, 1000}) {
    RowSet some(n, [](std::uint32_t row) { return row % 7 == 3; });
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      EXPECT_EQ(some.Has(i), i % 7 == 3);
      count += i % 7 == 3;
    }
    EXPECT_EQ(some.Count(), count);
    EXPECT_EQ(RowSet(n).Count(), 0u);
    for (std::uint32_t i = 0; i < n; ++i) some.Add(i);
    EXPECT_EQ(some.Count(), n);
  }
}

TEST(VectorFilter, RandomFiltersGiveWhatBruteForceGives) {
  constexpr std::size_t kRows = 20000;
  constexpr std::size_t kScanned = 7071;  // 50 times the root of it
  const Matrix rows = Clustered(kRows, 16, 150, 1), queries = Clustered(20, 16, 150, 2);
  const std::pair<VectorStorage, Metric> kinds[] = {
      {VectorStorage::kInt8Float16, Metric::kCosine},
      {VectorStorage::kInline, Metric::kInnerProduct}};
  for (const auto& [storage, metric] : kinds) {
    const auto truth = BruteTruth(queries, rows, metric);
    BuiltIndex built(rows.view(), Graph(metric, storage));
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    std::uint32_t seed = 0;
    for (const double share : {1.0, 0.999, 0.7, 0.42, 0.38, 0.21, 0.19, 0.01, 1e-3}) {
      const RowSet allowed = Randomly(kRows, share, ++seed);
      const std::size_t count = allowed.Count();
      for (const std::size_t k : {1, 10, 100}) {
        const double recall = MeanRecall(*index, queries, truth, {.k = k, .allowed = &allowed},
                                         [&](const VectorSearchReport& report) {
                                           if (count == kRows) {
                                             EXPECT_EQ(report.plan, VectorPlan::kWalk);
                                           } else if (count <= kScanned) {
                                             EXPECT_TRUE(report.plan == VectorPlan::kScanAllowed ||
                                                         report.plan == VectorPlan::kScan);
                                             EXPECT_LE(report.distances, count);
                                           } else {
                                             EXPECT_EQ(report.plan, VectorPlan::kWalk);
                                             EXPECT_LT(report.distances, kRows);
                                           }
                                           EXPECT_GE(report.rescored, std::min(k, count));
                                         });
        // Margins are measured at ten neighbours of a search without a filter. Inner products fall
        // short of their recall beyond ten, and where two hops are taken in a thin graph.
        const double product = k > 10 ? 0.75 : 0.85;
        const double walked = metric == Metric::kInnerProduct ? product : 0.95;
        EXPECT_GE(recall, count <= kScanned ? 0.99 : walked)
            << VectorStorageName(storage) << " " << share << " k " << k;
      }
    }
    // One row of all, and none.
    // Two hops are for larger collections: asked for here. Where they lead to too few rows, all that
    // are allowed are scanned.
    for (const double share : {0.3, 0.1}) {
      const RowSet allowed = Randomly(kRows, share, ++seed);
      EXPECT_GE(MeanRecall(*index, queries, truth,
                           {.k = 10, .allowed = &allowed, .plan = VectorPlan::kTwoHop},
                           [](const VectorSearchReport& report) {
                             EXPECT_TRUE(report.plan == VectorPlan::kTwoHop ||
                                         report.plan == VectorPlan::kScan);
                           }),
                metric == Metric::kInnerProduct ? 0.8 : 0.95)
          << VectorStorageName(storage) << " " << share;
    }
    for (const std::uint32_t only : {0u, 12345u, 19999u}) {
      RowSet one(kRows);
      one.Add(only);
      EXPECT_EQ(MeanRecall(*index, queries, truth, {.k = 10, .allowed = &one}), 1);
    }
    const RowSet none(kRows);
    EXPECT_EQ(MeanRecall(*index, queries, truth, {.k = 10, .allowed = &none},
                         [](const VectorSearchReport& report) {
                           EXPECT_EQ(report.plan, VectorPlan::kNothing);
                         }),
              1);
  }
}

TEST(VectorFilter, FiltersThatGoWithTheQueryOrAgainstIt) {
  // What is allowed lies on one side of the space, as documents of one date or language do.
  constexpr std::size_t kRows = 20000;
  const Matrix rows = Clustered(kRows, 16, 150, 3), queries = Clustered(40, 16, 150, 4);
  for (const Metric metric : {Metric::kL2}) {
    const auto truth = BruteTruth(queries, rows, metric);
    BuiltIndex built(rows.view(), Graph(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    for (const float above : {-0.7f, 0.0f, 0.6f, 0.8f, 2.0f}) {
      RowSet allowed(kRows, [&](std::uint32_t row) { return rows.row(row)[0] > above; });
      EXPECT_GE(MeanRecall(*index, queries, truth, {.k = 10, .allowed = &allowed}), 0.93)
          << MetricName(metric) << " " << allowed.Count();
    }
  }
}

TEST(VectorFilter, CopiesOfARowThatIsNotAllowedAreFound) {
  constexpr std::size_t kRows = 20000;
  for (const VectorStorage storage : {VectorStorage::kInt8Float16, VectorStorage::kInt8}) {
    Matrix rows = Clustered(kRows, 12, 100, 5);
    // Each row of the first half comes again in the second.
    for (std::size_t i = 0; i < kRows / 2; ++i)
      std::copy_n(rows.row(i).begin(), 12, rows.row(kRows / 2 + i).begin());
    const Matrix queries = Clustered(40, 12, 100, 6);
    BuiltIndex built(rows.view(), Graph(Metric::kCosine, storage));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    // Of each pair one, or the second one of some pairs: by two hops, and by the walk.
    RowSet second(kRows, [](std::uint32_t row) { return row >= kRows / 2; });
    RowSet fewer(kRows, [](std::uint32_t row) { return row >= kRows / 2 && row % 2 == 0; });
    RowSet either(kRows, [](std::uint32_t row) { return (row >= kRows / 2) == (row % 2 == 0); });
    for (const RowSet* allowed : {&second, &fewer, &either}) {
      EXPECT_GE(MeanRecall(*index, rows, queries,
                           {.k = 10,
                            .allowed = allowed,
                            .plan = allowed == &fewer ? VectorPlan::kTwoHop : VectorPlan::kNothing},
                           [](const VectorSearchReport& report) {
                             EXPECT_TRUE(report.plan == VectorPlan::kWalk ||
                                         report.plan == VectorPlan::kTwoHop);
                           }),
                storage == VectorStorage::kInt8 ? 0.9 : 0.95)
          << allowed->Count();
    }
  }
}

TEST(VectorFilter, OneVectorByTheThousandFiltered) {
  Matrix rows = Clustered(12000, 8, 50, 7);
  for (std::size_t i = 1000; i < 7000; ++i)
    std::copy_n(rows.row(1000).begin(), 8, rows.row(i).begin());
  const Matrix queries = Clustered(30, 8, 50, 8);
  BuiltIndex built(rows.view(), Graph(Metric::kL2));
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  for (const double share : {0.5, 0.35, 0.001}) {
    const RowSet allowed = Randomly(rows.n, share, 9);
    EXPECT_GE(MeanRecall(*index, rows, queries, {.k = 10, .allowed = &allowed}), 0.95) << share;
    // The copies themselves, each once, the first ones first.
    auto found = index->Search(rows.row(1000), {.k = 5, .allowed = &allowed});
    ASSERT_TRUE(found.ok());
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 1000; expected.size() < found->size() && i < 7000; ++i) {
      if (allowed.Has(i)) expected.push_back(i);
    }
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ((*found)[i].id, expected[i]);
  }
}

TEST(VectorFilter, ManyMoreAskedThanThereAre) {
  const Matrix rows = Clustered(6000, 8, 50, 10), queries = Clustered(3, 8, 50, 11);
  for (const VectorStorage storage : {VectorStorage::kInline, VectorStorage::kInt4Int8}) {
    BuiltIndex built(rows.view(), Graph(Metric::kCosine, storage));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    const std::size_t huge = std::numeric_limits<std::size_t>::max();
    for (const double share : {0.9, 0.3, 0.01}) {
      const RowSet allowed = Randomly(rows.n, share, 12);
      for (const std::size_t k : {std::size_t{700}, std::size_t{5500}, huge}) {
        for (const std::size_t ef : {std::size_t{0}, std::size_t{5}, huge}) {
          for (const std::size_t rescore : {std::size_t{0}, huge}) {
            EXPECT_GE(
                MeanRecall(*index, rows, queries,
                           {.k = k, .ef_search = ef, .rescore = rescore, .allowed = &allowed}),
                0.9);
          }
        }
      }
    }
  }
}

TEST(VectorFilter, OfAnotherCollectionIsRefused) {
  const Matrix rows = Clustered(100, 8, 5, 13);
  BuiltIndex built(rows.view(), {});
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  const RowSet shorter(99);
  EXPECT_EQ(index->Search(rows.row(0), {.allowed = &shorter}).error().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace equipoise
