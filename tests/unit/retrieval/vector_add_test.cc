// Rows added to an index, against brute force and against an index that was built of all of them.
#include <cmath>
#include <filesystem>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/vector_index_update.h>

#include "retrieval/vector_data.h"
#include "retrieval/vector_truth.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

// The rows [begin, end) of a matrix.
MatrixView<float> Part(const Matrix& rows, std::size_t begin, std::size_t end) {
  return {rows.values.data() + begin * rows.d, end - begin, rows.d};
}

// An index of the first rows, and one beside it with the others behind them.
struct Extended {
  BuiltIndex before;
  std::string vectors = before.folder.path("v2");
  std::string graph = before.folder.path("g2");

  Extended(const Matrix& rows, std::size_t first, const VectorIndexOptions& options)
      : before(Part(rows, 0, first), options) {}
  Result<std::uint32_t> Add(const EmbeddingsView& rows, std::size_t graph_from = 0,
                            int threads = 1) {
    EXPECT_TRUE(before.status.ok()) << before.status.ToString();
    return AddVectorRows(rows, {.graph_from = graph_from, .threads = threads}, before.vectors,
                         before.graph, vectors, graph);
  }
  Result<VectorIndex> Open() const { return VectorIndex::Open(vectors, graph); }
};

TEST(AddVectorRows, FindsWhatAnIndexBuiltOfAllRowsFinds) {
  const Matrix rows = Clustered(3000, 16, 10, 1), queries = Clustered(100, 16, 10, 2);
  for (const VectorStorage storage : kAllStorages) {
    for (const Metric metric : kAllMetrics) {
      SCOPED_TRACE(std::string(VectorStorageName(storage)) + " " + std::string(MetricName(metric)));
      const BuiltIndex all(rows.view(), SmallGraph(metric, storage));
      Extended some(rows, 1500, SmallGraph(metric, storage));
      auto first = some.Add(Part(rows, 1500, 3000));
      ASSERT_TRUE(first.ok()) << first.error().ToString();
      EXPECT_EQ(*first, 1500u);
      auto index = some.Open();
      auto whole = all.Open();
      ASSERT_TRUE(index.ok() && whole.ok());
      EXPECT_TRUE(index->Verify().ok());
      EXPECT_EQ(index->rows(), 3000u);
      EXPECT_TRUE(index->settings().has_graph);
      EXPECT_EQ(index->settings().linked_by, "equipoise");
      EXPECT_FALSE(index->recall_points().empty());
      const auto truth = BruteTruth(queries, rows, metric);
      EXPECT_GE(MeanRecall(*index, queries, truth, {}),
                MeanRecall(*whole, queries, truth, {}) - 0.02);
      if (KeepsCodesOnly(storage)) continue;
      // The rows themselves are those that would have been built.
      std::vector<std::uint32_t> docs(rows.n);
      for (std::uint32_t i = 0; i < rows.n; ++i) docs[i] = i;
      std::vector<float> scores(rows.n), expected(rows.n);
      ASSERT_TRUE(index->Score(queries.row(0), docs, scores).ok());
      ASSERT_TRUE(whole->Score(queries.row(0), docs, expected).ok());
      for (std::size_t i = 0; i < rows.n; ++i)
        EXPECT_NEAR(scores[i], expected[i], 1e-3 * std::fabs(expected[i]) + 1e-3);
    }
  }
}

TEST(AddVectorRows, WithoutAGraphItIsTheIndexBuiltOfAllRowsToTheByte) {
  const Matrix rows = Clustered(900, 12, 6, 3);
  for (const std::size_t graph_from : {500, 10'000}) {
    for (const VectorStorage storage :
         {VectorStorage::kInt8Float16, VectorStorage::kInline, VectorStorage::kFloat32}) {
      for (const std::size_t had : {0, 1, 300}) {
        const auto options = SmallGraph(Metric::kCosine, storage, graph_from);
        const BuiltIndex all(rows.view(), options);
        Extended some(rows, had, options);
        ASSERT_TRUE(some.Add(Part(rows, had, 900), graph_from).ok());
        EXPECT_TRUE(ReadFile(some.vectors) == ReadFile(all.vectors)) << had;
        EXPECT_TRUE(ReadFile(some.graph) == ReadFile(all.graph)) << had;
      }
    }
  }
}

TEST(AddVectorRows, AnyNumberOfThreadsWritesTheSameBytes) {
  const Matrix rows = Clustered(2600, 16, 10, 4);
  for (const VectorStorage storage : kAllStorages) {
    Extended some(rows, 1000, SmallGraph(Metric::kL2, storage));
    ASSERT_TRUE(some.Add(Part(rows, 1000, 2600)).ok());
    const std::string vectors = ReadFile(some.vectors), graph = ReadFile(some.graph);
    ASSERT_TRUE(some.Add(Part(rows, 1000, 2600), 0, 3).ok());
    EXPECT_TRUE(ReadFile(some.vectors) == vectors);
    EXPECT_TRUE(ReadFile(some.graph) == graph);
  }
}

TEST(AddVectorRows, OneAfterTheOtherAreAllFound) {
  const Matrix rows = Clustered(525, 8, 5, 5);
  for (const VectorStorage storage : kAllStorages) {
    BuiltIndex built(Part(rows, 0, 500), SmallGraph(Metric::kL2, storage));
    std::string vectors = built.vectors, graph = built.graph;
    for (std::size_t i = 500; i < rows.n; ++i) {
      const std::string name = std::to_string(i);
      const std::string v = built.folder.path("v" + name), g = built.folder.path("g" + name);
      auto first = AddVectorRows(Part(rows, i, i + 1), {.graph_from = 0}, vectors, graph, v, g);
      ASSERT_TRUE(first.ok()) << first.error().ToString();
      EXPECT_EQ(*first, i);
      vectors = v;
      graph = g;
    }
    auto index = VectorIndex::Open(vectors, graph);
    ASSERT_TRUE(index.ok());
    EXPECT_TRUE(index->Verify().ok());
    for (std::uint32_t i = 0; i < rows.n; ++i) {
      auto found = index->Search(rows.row(i), {.k = 1});
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->front().id, i) << VectorStorageName(storage);
    }
  }
}

TEST(AddVectorRows, MuchLargerOnesCostTheOthersNothingButPrecision) {
  Matrix rows = Clustered(2000, 16, 10, 6);
  for (std::size_t i = 1000; i < 2000; ++i) {
    for (float& value : rows.row(i)) value *= 3e5f;
  }
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    for (const VectorStorage storage :
         {VectorStorage::kInt8Float16, VectorStorage::kInline, VectorStorage::kFloat32}) {
      Extended some(rows, 1000, SmallGraph(metric, storage));
      ASSERT_TRUE(some.Add(Part(rows, 1000, 2000)).ok());
      auto index = some.Open();
      ASSERT_TRUE(index.ok());
      EXPECT_TRUE(index->Verify().ok());
      double largest = 0;
      for (std::size_t i = 0; i < rows.n; ++i) {
        double squares = 0;
        for (const float value : rows.row(i)) squares += double{value} * value;
        largest = std::max(largest, std::sqrt(squares));
      }
      EXPECT_NEAR(index->max_norm(), largest, 1e-3 * largest);
      // Exact search tells what the rows have become.
      for (const std::size_t i : {3, 500, 1000, 1999}) {
        auto found = index->Search(rows.row(i), {.k = 1, .exact = true});
        ASSERT_TRUE(found.ok());
        const auto truth = TrueScores(rows.row(i), rows, Metric::kL2);
        if (metric == Metric::kL2) {
          EXPECT_EQ(truth[found->front().id], 0) << i;
        }
        if (metric == Metric::kInnerProduct) {
          EXPECT_GE(found->front().id, 1000u) << i;
        }
      }
    }
  }
}

TEST(AddVectorRows, RowsThatWereCopiesByOldCodesAreFoundByNewOnes) {
  // A few large rows make codes so coarse that the small ones are all alike; with many small ones in
  // addition they no longer are.
  Matrix rows = Clustered(4000, 8, 10, 7, 1.0f);
  for (std::size_t i = 0; i < 300; ++i) {
    for (float& value : rows.row(i)) value *= i < 30 ? 1000.0f : 1.0f;
  }
  for (const VectorStorage storage : {VectorStorage::kInt8Float16, VectorStorage::kInline}) {
    Extended some(rows, 300, SmallGraph(Metric::kL2, storage));
    ASSERT_TRUE(some.Add(Part(rows, 300, 4000)).ok());
    auto index = some.Open();
    ASSERT_TRUE(index.ok());
    EXPECT_TRUE(index->Verify().ok());
    for (std::uint32_t i = 30; i < 300; ++i) {
      auto found = index->Search(rows.row(i), {.k = 10, .ef_search = 200});
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->front().id, i) << VectorStorageName(storage);
    }
  }
}

TEST(AddVectorRows, CopiesOfOldRowsAreFoundWithThem) {
  Matrix rows = Clustered(2500, 8, 10, 8);
  for (std::uint32_t i = 2400; i < 2500; ++i)
    std::copy_n(rows.row(i % 2 == 0 ? 7 : 2399).begin(), 8, rows.row(i).begin());
  for (const VectorStorage storage : kAllStorages) {
    Extended some(rows, 2300, SmallGraph(Metric::kL2, storage));
    ASSERT_TRUE(some.Add(Part(rows, 2300, 2500)).ok());
    auto index = some.Open();
    ASSERT_TRUE(index.ok());
    EXPECT_TRUE(index->Verify().ok());
    auto found = index->Search(rows.row(7), {.k = 51});
    ASSERT_TRUE(found.ok());
    std::vector<bool> seen(rows.n);
    for (const Scored& item : *found) {
      EXPECT_TRUE(item.id == 7 || (item.id >= 2400 && item.id % 2 == 0)) << item.id;
      EXPECT_FALSE(seen[item.id]);
      seen[item.id] = true;
    }
  }
}

TEST(AddVectorRows, DeletedRowsStayDeleted) {
  const Matrix rows = Clustered(1500, 8, 10, 9);
  for (const std::size_t graph_from : {0, 100'000}) {
    Extended some(rows, 1000, SmallGraph(Metric::kCosine, VectorStorage::kInt8Float16, graph_from));
    const std::vector<std::uint32_t> gone{0, 5, 999};
    ASSERT_TRUE(
        DeleteVectorRows(gone, some.before.vectors, some.before.graph, some.before.graph).ok());
    ASSERT_TRUE(some.Add(Part(rows, 1000, 1500), graph_from).ok());
    auto index = some.Open();
    ASSERT_TRUE(index.ok());
    for (const std::uint32_t row : gone) {
      auto found = index->Search(rows.row(row), {.k = 1500});
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(found->size(), 1497u);
      for (const Scored& item : *found)
        EXPECT_EQ(std::count(gone.begin(), gone.end(), item.id), 0) << item.id;
    }
  }
}

TEST(AddVectorRows, TakesNoRowsAndFloat16Ones) {
  const Matrix rows = Clustered(700, 8, 10, 10);
  for (const Metric metric : kAllMetrics) {
    Extended some(rows, 700, SmallGraph(metric, VectorStorage::kInt8Float16));
    ASSERT_TRUE(some.Add(MatrixView<float>{nullptr, 0, 8}).ok());
    EXPECT_TRUE(ReadFile(some.vectors) == ReadFile(some.before.vectors));
    // 1, 2, ..., 8: the largest is where float16 ends.
    const std::vector<Float16> half{{0x3c00}, {0x4000}, {0x4200}, {0x4400},
                                    {0x4500}, {0x4600}, {0x4700}, {0x7bff}};
    ASSERT_TRUE(some.Add(MatrixView<Float16>{half.data(), 1, 8}).ok());
    auto index = some.Open();
    ASSERT_TRUE(index.ok());
    const std::vector<float> same{1, 2, 3, 4, 5, 6, 7, 65504};
    auto found = index->Search(same, {.k = 1, .exact = true});
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->front().id, 700u);
    EXPECT_NEAR(found->front().score, BruteScore(same, same, metric),
                metric == Metric::kInnerProduct ? 65504.0 * 65.504 : 1e-3);
  }
}

TEST(AddVectorRows, RefusesWhatItCannotAddAndLeavesNothingBehind) {
  const Matrix rows = Clustered(400, 8, 4, 11);
  Extended some(rows, 300, SmallGraph(Metric::kCosine, VectorStorage::kInt8Float16));
  const Matrix narrow(3, 7);
  EXPECT_EQ(some.Add(narrow.view()).error().code(), Code::kInvalidArgument);
  Matrix broken = Clustered(3, 8, 4, 12);
  broken.row(1)[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(some.Add(broken.view()).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(some.Add(Part(rows, 300, 400), 0, 0).error().code(), Code::kInvalidArgument);
  const auto add = [&](const std::string& v, const std::string& g) {
    return AddVectorRows(Part(rows, 300, 400), {}, some.before.vectors, some.before.graph, v, g);
  };
  EXPECT_EQ(add(some.before.vectors, some.graph).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(add(some.vectors, some.before.graph).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(add(some.vectors, some.vectors).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(add(some.vectors, some.before.folder.path("./v2")).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(add(some.vectors, some.before.folder.path("no/g")).error().code(), Code::kIo);
  const auto cancelled =
      AddVectorRows(Part(rows, 300, 400), {.progress = [](const Progress&) { return false; }},
                    some.before.vectors, some.before.graph, some.vectors, some.graph);
  EXPECT_EQ(cancelled.error().code(), Code::kCancelled);
  std::string damaged = ReadFile(some.before.graph);
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  WriteFile(some.before.graph, damaged);
  EXPECT_EQ(some.Add(Part(rows, 300, 400)).error().code(), Code::kCorruption);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(some.before.folder.path("")))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 2u);
}

}  // namespace
}  // namespace equipoise
