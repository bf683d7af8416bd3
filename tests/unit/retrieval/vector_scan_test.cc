// Long lists of small collections: every sketch is looked at. Against brute force.
#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/retrieval/row_set.h>
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

TEST_P(ScansOfMetric, RescoreAsManyRowsAsAreAskedFor) {
  const Matrix rows = Clustered(3000, 40, 20, 11), queries = Clustered(10, 40, 20, 12);
  const BuiltIndex graph(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16));
  const BuiltIndex none(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16, 9000));
  for (const BuiltIndex* built : {&graph, &none}) {
    const auto index = built->Open();
    ASSERT_TRUE(index.ok());
    for (std::size_t i = 0; i < queries.n; ++i) {
      for (const std::size_t rescore : {30, 700, 3000, 5000}) {
        VectorSearchReport report;
        ASSERT_TRUE(index->Search(queries.row(i), {.k = 20, .rescore = rescore}, &report).ok());
        EXPECT_EQ(report.plan, VectorPlan::kScanCodes);
        EXPECT_EQ(report.rescored, std::min<std::size_t>(rescore, 3000));
      }
    }
  }
}

// As vector_index.h says, also of so few rows that there is nothing to walk for.
TEST_P(ScansOfMetric, FindForASmallerKAPrefixOfALargerOne) {
  const Matrix rows = Clustered(700, 24, 20, 13), queries = Clustered(30, 24, 20, 14);
  const BuiltIndex built(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16));
  const auto index = built.Open();
  ASSERT_TRUE(index.ok());
  for (std::size_t i = 0; i < queries.n; ++i) {
    const auto large = index->Search(queries.row(i), {.k = 100, .ef_search = 100, .rescore = 120});
    ASSERT_TRUE(large.ok());
    for (const std::size_t k : {1, 10, 37, 99}) {
      VectorSearchReport report;
      const auto small =
          index->Search(queries.row(i), {.k = k, .ef_search = 100, .rescore = 120}, &report);
      ASSERT_TRUE(small.ok());
      EXPECT_EQ(report.plan, VectorPlan::kScanCodes);
      EXPECT_EQ(*small, std::vector<Scored>(large->begin(), large->begin() + static_cast<int>(k)));
    }
  }
}

TEST(VectorScan, IsNotForWhoAsksForABeamOrForSomeRows) {
  const Matrix rows = Clustered(3000, 40, 20, 15);
  const BuiltIndex built(rows.view(), SmallGraph(Metric::kCosine, VectorStorage::kInt8Float16));
  const auto index = built.Open();
  ASSERT_TRUE(index.ok());
  const RowSet some(3000, [](std::uint32_t row) { return row != 7; });
  const auto plan = [&](const VectorIndex::SearchParams& params) {
    VectorSearchReport report;
    EXPECT_TRUE(index->Search(rows.row(3), params, &report).ok());
    return report.plan;
  };
  EXPECT_EQ(plan({.k = kList}), VectorPlan::kScanCodes);
  EXPECT_EQ(plan({.k = kList, .margin = 0.2f}), VectorPlan::kScanCodes);
  EXPECT_EQ(plan({.k = kList, .ef_search = 128}), VectorPlan::kWalk);
  EXPECT_EQ(plan({.k = kList, .ef_search = 128, .margin = 0.2f}), VectorPlan::kWalk);
  EXPECT_EQ(plan({.k = 10}), VectorPlan::kWalk);
  EXPECT_EQ(plan({.k = kList, .allowed = &some}), VectorPlan::kWalk);
}

TEST_P(ScansOfMetric, FindRowsAndQueriesOfZeros) {
  Matrix rows = Clustered(2500, 32, 10, 16), queries = Clustered(10, 32, 10, 17);
  for (std::size_t i = 0; i < rows.n; i += 50) std::ranges::fill(rows.row(i), 0.0f);
  std::ranges::fill(queries.row(4), 0.0f);
  const BuiltIndex built(rows.view(), SmallGraph(GetParam(), VectorStorage::kInt8Float16));
  const auto index = built.Open();
  ASSERT_TRUE(index.ok());
  EXPECT_GE(MeanRecall(*index, rows, queries, {.k = kList}), 0.98);
}

// A sketch that is damaged costs time, not the rows beside it.
TEST(VectorScan, KeepsRowsBesideAnErrorThatIsNotANumber) {
  const Matrix rows = Clustered(3000, 64, 20, 18);
  const BuiltIndex built(rows.view(), SmallGraph(Metric::kCosine, VectorStorage::kInt8Float16));
  const std::string changed = built.folder.path("changed");
  {
    const auto file = CheckedFile::Open(built.graph, "graph", 4);
    ASSERT_TRUE(file.ok());
    auto writer = CheckedFileWriter::Create(changed, "graph", 4);
    for (const auto& section : file->Sections()) {
      const auto bytes = *file->Section(section.name);
      std::vector<std::byte> copy(bytes.begin(), bytes.end());
      if (section.name == "sketches") {
        const auto set = [&](std::size_t row, float error, float add) {
          SketchHeader header;
          std::byte* const at = copy.data() + row * SketchBytes(64);
          std::memcpy(&header, at, sizeof(header));
          header.error = error;
          header.add = add;
          std::memcpy(at, &header, sizeof(header));
        };
        set(5, std::numeric_limits<float>::quiet_NaN(), 0);
        set(10, 0, 1e6f);  // as if it were far
      }
      ASSERT_TRUE(writer->Section<std::byte>(section.name, copy).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
  }
  const auto index = VectorIndex::Open(built.vectors, changed);
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  VectorSearchReport report;
  const auto found = index->Search(rows.row(10), {.k = kList}, &report);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(report.plan, VectorPlan::kScanCodes);
  EXPECT_EQ(found->front().id, 10u);
  EXPECT_LT(report.distances, 3000u);
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
