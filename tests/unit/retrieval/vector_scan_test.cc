// Long lists of small collections: every sketch is looked at. Against brute force.
#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/vector_index.h>

#include "retrieval/vector_truth.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

constexpr std::size_t kList = 100;

class ScansOfMetric : public ::testing::TestWithParam<Metric> {};

INSTANTIATE_TEST_SUITE_P(VectorScan, ScansOfMetric, ::testing::ValuesIn(kAllMetrics),
                         [](const auto& kind) { return std::string(MetricName(kind.param)); });

double RecallOfScans(const VectorIndex& index, const Matrix& rows, const Matrix& queries) {
  return MeanRecall(index, queries, BruteTruth(queries, rows, index.metric()), {.k = kList},
                    [](const VectorSearchReport& report) {
                      EXPECT_EQ(report.plan, VectorPlan::kScanCodes);
                      EXPECT_GE(report.rescored, kList);
                    });
}

TEST_P(ScansOfMetric, FindNearlyAllNeighbours) {
  for (const std::size_t d : {20, 65, 128}) {
    // In clusters, and evenly, where sketches tell least.
    for (const std::size_t clusters : {1, 50}) {
      const Matrix rows = Clustered(3000, d, clusters, 1), queries = Clustered(40, d, clusters, 2);
      const BuiltIndex built(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16));
      const auto index = built.Open();
      ASSERT_TRUE(index.ok()) << index.error().ToString();
      EXPECT_GE(RecallOfScans(*index, rows, queries), 0.985) << d << ' ' << clusters;
    }
  }
}

TEST_P(ScansOfMetric, FindRowsThatAreEqualAndRowsOfOtherLengths) {
  Matrix rows = Clustered(2000, 48, 10, 3);
  for (std::size_t i = 0; i < 600; ++i) std::copy_n(rows.row(0).data(), rows.d, rows.row(i).data());
  for (std::size_t i = 1000; i < 1100; ++i)
    for (float& value : rows.row(i)) value *= 20;
  const Matrix queries = Clustered(20, 48, 10, 4);
  const BuiltIndex built(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16));
  const auto index = built.Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_GE(RecallOfScans(*index, rows, queries), 0.97);
  const auto same = index->Search(rows.row(0), {.k = 300});
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(same->size(), 300u);
}

TEST_P(ScansOfMetric, FindAllRowsOfAFewAndOfLists) {
  for (const std::size_t n : {101, 129, 300, 1000}) {
    const Matrix rows = Clustered(n, 33, 5, 5), queries = Clustered(5, 33, 5, 6);
    const BuiltIndex built(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16));
    const auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    for (const std::size_t k : {std::size_t{11}, std::size_t{100}, n - 1, n, 2 * n}) {
      const auto found = index->Search(queries.row(0), {.k = k});
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(found->size(), std::min(k, n));
      std::vector<std::uint32_t> ids;
      for (const Scored& item : *found) ids.push_back(item.id);
      std::sort(ids.begin(), ids.end());
      EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end()) << n << ' ' << k;
    }
  }
}

// The sketches are put in groups by the first search that needs them.
TEST(VectorScan, FirstSearchesMayComeFromManyThreads) {
  const Matrix rows = Clustered(3000, 64, 20, 7), queries = Clustered(8, 64, 20, 8);
  const BuiltIndex built(rows.view(), SmallGraph(Metric::kCosine, VectorStorage::kInt8Float16));
  const auto index = built.Open();
  const auto again = built.Open();
  ASSERT_TRUE(index.ok() && again.ok());
  std::vector<std::vector<Scored>> found(queries.n);
  std::vector<std::thread> threads;
  for (std::size_t q = 0; q < queries.n; ++q)
    threads.emplace_back([&, q] { found[q] = *index->Search(queries.row(q), {.k = kList}); });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t q = 0; q < queries.n; ++q)
    EXPECT_EQ(found[q], *again->Search(queries.row(q), {.k = kList}));
}

}  // namespace
}  // namespace equipoise
