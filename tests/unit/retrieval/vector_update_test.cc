// Rows deleted from an index, against brute force over those that remain.
#include <filesystem>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/vector_index_update.h>

#include "retrieval/vector_data.h"
#include "retrieval/vector_truth.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

Result<std::size_t> Delete(const BuiltIndex& built, std::span<const std::uint32_t> rows) {
  return DeleteVectorRows(rows, built.vectors, built.graph, built.graph);
}

// Every answer has min(k, alive) rows, none of them deleted; mean recall among those alive.
double RecallOfAlive(const BuiltIndex& built, const Matrix& rows, const Matrix& queries,
                     const RowSet& alive, std::size_t k, bool exact) {
  auto index = built.Open();
  EXPECT_TRUE(index.ok()) << index.error().ToString();
  if (!index.ok()) return 0;
  EXPECT_TRUE(index->Verify().ok());
  EXPECT_EQ(index->rows(), rows.n);
  double sum = 0;
  for (std::size_t i = 0; i < queries.n; ++i) {
    auto found = index->Search(queries.row(i), {.k = k, .exact = exact});
    EXPECT_TRUE(found.ok());
    if (!found.ok()) return 0;
    EXPECT_EQ(found->size(), std::min(k, alive.Count()));
    for (const Scored& item : *found) EXPECT_TRUE(alive.Has(item.id));
    sum += RecallAmong(*found, BruteScores(queries.row(i), rows, index->metric()), k, &alive);
  }
  return sum / static_cast<double>(queries.n);
}

TEST(DeleteVectorRows, RandomDeletionsLeaveWhatBruteForceFinds) {
  const Matrix rows = Clustered(1500, 16, 10, 1), queries = Clustered(15, 16, 10, 2);
  for (const std::size_t graph_from : {0, 100'000}) {
    for (const VectorStorage storage : kAllStorages) {
      for (const Metric metric : kAllMetrics) {
        const BuiltIndex built(rows.view(), SmallGraph(metric, storage, graph_from));
        ASSERT_TRUE(built.status.ok());
        RowSet alive(rows.n, [](std::uint32_t) { return true; });
        std::mt19937 random(7);
        for (const std::size_t count : {1, 200, 900, 395}) {
          std::vector<bool> gone(rows.n);
          std::vector<std::uint32_t> some;
          while (some.size() < count) {
            some.push_back(static_cast<std::uint32_t>(random() % rows.n));
            gone[some.back()] = true;
          }
          const std::size_t before = alive.Count();
          alive = RowSet(rows.n, [&](std::uint32_t i) { return alive.Has(i) && !gone[i]; });
          auto deleted = Delete(built, some);
          ASSERT_TRUE(deleted.ok()) << deleted.error().ToString();
          EXPECT_EQ(*deleted, before - alive.Count());
          const double least = KeepsCodesOnly(storage) ? 0.75 : 0.95;
          EXPECT_GE(RecallOfAlive(built, rows, queries, alive, 10, false),
                    metric == Metric::kInnerProduct ? least - 0.15 : least)
              << VectorStorageName(storage) << " " << MetricName(metric) << " " << alive.Count();
          EXPECT_GE(RecallOfAlive(built, rows, queries, alive, 10, true),
                    KeepsCodesOnly(storage) ? 0.8 : 0.99);
        }
      }
    }
  }
}

TEST(DeleteVectorRows, WithoutAnyRowLeftNothingIsFound) {
  for (const std::size_t n : {1, 40, 600}) {
    const Matrix rows = Clustered(n, 8, 4, 3);
    const BuiltIndex built(rows.view(), SmallGraph(Metric::kL2, VectorStorage::kInt8Float16));
    std::vector<std::uint32_t> all(n);
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(*Delete(built, all), n);
    EXPECT_EQ(*Delete(built, all), 0u);
    EXPECT_EQ(RecallOfAlive(built, rows, rows, RowSet(n), 5, false), 1);
  }
}

TEST(DeleteVectorRows, FindsCopiesOfADeletedRow) {
  Matrix rows = Clustered(2500, 8, 10, 4);
  for (std::uint32_t i = 100; i < 120; ++i)
    std::copy_n(rows.row(7).begin(), 8, rows.row(i).begin());
  const BuiltIndex built(rows.view(), SmallGraph(Metric::kL2, VectorStorage::kInt8Float16));
  ASSERT_TRUE(Delete(built, std::vector<std::uint32_t>{7, 100}).ok());
  auto found = built.Open()->Search(rows.row(7), {.k = 19});
  ASSERT_TRUE(found.ok());
  for (const Scored& item : *found) EXPECT_TRUE(item.id > 100 && item.id < 120) << item.id;
}

TEST(DeleteVectorRows, RefusesWhatItCannotDoAndLeavesTheIndex) {
  const Matrix rows = Clustered(300, 8, 4, 5);
  const BuiltIndex built(rows.view(), SmallGraph(Metric::kCosine, VectorStorage::kInt8Float16));
  const std::string before = ReadFile(built.graph);
  EXPECT_EQ(Delete(built, std::vector<std::uint32_t>{1, 300}).error().code(),
            Code::kInvalidArgument);
  const std::vector<std::uint32_t> one{1};
  const std::string nowhere = built.folder.path("no/g");
  EXPECT_EQ(DeleteVectorRows(one, built.vectors, built.graph, nowhere).error().code(), Code::kIo);
  EXPECT_EQ(DeleteVectorRows(one, built.vectors, nowhere, built.graph).error().code(),
            Code::kNotFound);
  // A folder's name cannot be taken.
  const std::string folder = built.folder.path("folder");
  std::filesystem::create_directory(folder);
  EXPECT_EQ(DeleteVectorRows(one, built.vectors, built.graph, folder).error().code(), Code::kIo);
  EXPECT_EQ(ReadFile(built.graph), before);
  std::string damaged = before;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  WriteFile(built.graph, damaged);
  EXPECT_EQ(Delete(built, one).error().code(), Code::kCorruption);
  EXPECT_EQ(ReadFile(built.graph), damaged);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(built.folder.path("")))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 2u);
}

TEST(DeleteVectorRows, AnIndexThatIsOpenKeepsWhatItHad) {
  const Matrix rows = Clustered(2500, 8, 10, 6);
  const BuiltIndex built(rows.view(), SmallGraph(Metric::kL2, VectorStorage::kInt8Float16));
  auto open = built.Open();
  ASSERT_TRUE(open.ok());
  ASSERT_TRUE(Delete(built, std::vector<std::uint32_t>{42}).ok());
  EXPECT_EQ(open->Search(rows.row(42), {.k = 1})->front().id, 42u);
  EXPECT_NE(built.Open()->Search(rows.row(42), {.k = 1})->front().id, 42u);
}

}  // namespace
}  // namespace equipoise
