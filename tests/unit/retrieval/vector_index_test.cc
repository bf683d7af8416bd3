#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/core/matrix_file.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_index.h>

#include "retrieval/vector_data.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only
using ::testing::HasSubstr;

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kL2};

VectorIndexOptions Forced(Metric metric) {
  VectorIndexOptions options;
  options.metric = metric;
  options.graph_from = 0;
  return options;
}

TEST(VectorIndex, FindsNearlyAllNeighboursThroughTheGraph) {
  const Matrix rows = Clustered(4000, 48, 60, 1), queries = Clustered(100, 48, 60, 2);
  for (const Metric metric : kMetrics) {
    BuiltIndex built(rows.view(), Forced(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    EXPECT_TRUE(index->settings().has_graph);
    EXPECT_GT(index->bytes().links, 4000u * 16 * 4);
    EXPECT_EQ(index->bytes().codes, 4000u * 48);
    double recall = 0;
    for (std::size_t i = 0; i < queries.n; ++i) {
      auto found = index->Search(queries.row(i), {.k = 10});
      ASSERT_TRUE(found.ok()) << found.error().ToString();
      ASSERT_EQ(found->size(), 10u);
      EXPECT_TRUE(IsSorted(*found));
      recall += Recall(*found, TrueScores(queries.row(i), rows, metric), 10, 1e-3);
    }
    EXPECT_GE(recall / 100, 0.99) << MetricName(metric);
  }
}

TEST(VectorIndex, ExactSearchAgreesWithBruteForce) {
  const Matrix rows = Clustered(500, 33, 5, 3), queries = Clustered(10, 33, 5, 4);
  for (const Metric metric : kMetrics) {
    VectorIndexOptions options;
    options.metric = metric;
    BuiltIndex built(rows.view(), options);
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    EXPECT_FALSE(index->settings().has_graph) << "fewer rows than graph_from";
    EXPECT_EQ(index->bytes().links, 0u);
    for (std::size_t i = 0; i < queries.n; ++i) {
      const auto truth = TrueScores(queries.row(i), rows, metric);
      auto found = index->Search(queries.row(i), {.k = 20, .exact = true});
      ASSERT_TRUE(found.ok());
      EXPECT_TRUE(IsSorted(*found));
      // float16 keeps 11 bits.
      const double tolerance = metric == Metric::kL2 ? 0.05 : 1e-3;
      EXPECT_EQ(Recall(*found, truth, 20, tolerance), 1);
      for (const Scored& s : *found) EXPECT_NEAR(s.score, truth[s.id], tolerance);
      EXPECT_EQ(*found, *index->Search(queries.row(i), {.k = 20})) << "there is no graph";
    }
  }
}

TEST(VectorIndex, ManyExactSearchesAgreeWithSingleOnes) {
  Matrix rows = Clustered(3000, 24, 20, 61);
  const Matrix queries = Clustered(40, 24, 20, 62);
  for (std::size_t i = 0; i < 24; ++i) rows.row(1700)[i] = rows.row(9)[i];  // a tie
  for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kInnerProduct}) {
    BuiltIndex built(rows.view(), Forced(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    for (const std::size_t k : {1, 10, 5000}) {
      auto many = index->SearchMany(queries.view(), {.k = k, .exact = true}, 2);
      ASSERT_TRUE(many.ok()) << many.error().ToString();
      for (std::size_t i = 0; i < queries.n; ++i)
        EXPECT_EQ((*many)[i], *index->Search(queries.row(i), {.k = k, .exact = true}));
    }
    auto walked = index->SearchMany(queries.view(), {.k = 10}, 2);
    ASSERT_TRUE(walked.ok());
    for (std::size_t i = 0; i < queries.n; ++i)
      EXPECT_EQ((*walked)[i], *index->Search(queries.row(i), {.k = 10}));
  }
}

TEST(VectorIndex, RanksFloat16RowsByTheirExactValues) {
  const Matrix rows = Clustered(300, 16, 3, 5);
  std::vector<Float16> halves(rows.values.size());
  FloatToHalf(rows.values.data(), halves.data(), halves.size());
  Matrix stored(rows.n, rows.d);
  HalfToFloat(halves.data(), stored.values.data(), halves.size());
  for (const Metric metric : kMetrics) {
    VectorIndexOptions options;
    options.metric = metric;
    BuiltIndex built(MatrixView<Float16>(halves.data(), rows.n, rows.d), options);
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    const auto truth = TrueScores(stored.row(0), stored, metric);
    auto found = index->Search(stored.row(0), {.k = 300});
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->size(), 300u);
    EXPECT_EQ(found->front().id, 0u);
    for (const Scored& s : *found)
      EXPECT_NEAR(s.score, truth[s.id], 1e-6 * (1 + std::fabs(truth[s.id])));
  }
}

TEST(VectorIndex, ScoreIsBitForBitWhatSearchReturns) {
  const Matrix rows = Clustered(2000, 31, 20, 6), queries = Clustered(20, 31, 20, 7);
  for (const Metric metric : kMetrics) {
    BuiltIndex built(rows.view(), Forced(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    for (std::size_t i = 0; i < queries.n; ++i) {
      for (const bool exact : {false, true}) {
        auto found = index->Search(queries.row(i), {.k = 50, .exact = exact});
        ASSERT_TRUE(found.ok());
        std::vector<std::uint32_t> ids;
        for (const Scored& s : *found) ids.push_back(s.id);
        std::vector<float> scores(ids.size());
        ASSERT_TRUE(index->Score(queries.row(i), ids, scores).ok());
        for (std::size_t j = 0; j < ids.size(); ++j) EXPECT_EQ(scores[j], (*found)[j].score);
      }
    }
  }
}

TEST(VectorIndex, ASmallerKIsAPrefixOfALargerOne) {
  const Matrix rows = Clustered(2000, 24, 20, 8), queries = Clustered(20, 24, 20, 9);
  BuiltIndex built(rows.view(), Forced(Metric::kCosine));
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  for (std::size_t i = 0; i < queries.n; ++i) {
    auto large = index->Search(queries.row(i), {.k = 100, .ef_search = 100, .rescore = 100});
    ASSERT_TRUE(large.ok());
    for (const std::size_t k : {1, 10, 37, 99}) {
      auto small = index->Search(queries.row(i), {.k = k, .ef_search = 100, .rescore = 100});
      ASSERT_TRUE(small.ok());
      large->resize(100);
      EXPECT_EQ(*small, std::vector<Scored>(large->begin(), large->begin() + static_cast<int>(k)));
    }
  }
}

TEST(VectorIndex, EveryRowComesBackWhereKIsLargerThanTheCollection) {
  for (const std::size_t n : {0, 1, 2, 9, 300}) {
    const Matrix rows = Clustered(n, 12, 3, 10);
    for (const std::size_t graph_from : {0, 1000}) {
      for (const Metric metric : kMetrics) {
        VectorIndexOptions options = Forced(metric);
        options.graph_from = graph_from;
        BuiltIndex built(rows.view(), options);
        auto index = built.Open();
        ASSERT_TRUE(index.ok()) << n << index.error().ToString();
        EXPECT_EQ(index->rows(), n);
        const std::vector<float> query(12, 0.5f);
        auto found = index->Search(query, {.k = 1000});
        ASSERT_TRUE(found.ok());
        EXPECT_EQ(found->size(), n);
        EXPECT_TRUE(IsSorted(*found));
        EXPECT_TRUE(index->Verify().ok());
      }
    }
  }
}

TEST(VectorIndex, WorksInEveryDimension) {
  for (const std::size_t d : {1, 7, 383, 4096}) {
    const Matrix rows = Clustered(d > 1000 ? 240 : 600, d, 4, 11);
    for (const Metric metric : kMetrics) {
      VectorIndexOptions options = Forced(metric);
      options.m = 16;
      options.ef_construction = 60;
      BuiltIndex built(rows.view(), options);
      auto index = built.Open();
      ASSERT_TRUE(index.ok()) << d << index.error().ToString();
      // A beam of an eighth of the rows is the widest that walks.
      auto found = index->Search(rows.row(3), {.k = 5, .ef_search = 30});
      ASSERT_TRUE(found.ok());
      const auto truth = TrueScores(rows.row(3), rows, metric);
      EXPECT_NEAR(found->front().score, truth[3], 0.02) << d << MetricName(metric);
    }
  }
}

TEST(VectorIndex, ZeroVectorsScoreZeroUnderCosine) {
  Matrix rows = Clustered(1000, 16, 3, 12);
  for (const std::size_t i : {0, 500, 999}) std::fill_n(rows.row(i).begin(), 16, 0.0f);
  BuiltIndex built(rows.view(), Forced(Metric::kCosine));
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  const std::uint32_t ids[] = {0, 500, 999};
  float scores[3] = {1, 1, 1};
  ASSERT_TRUE(index->Score(rows.row(1), ids, scores).ok());
  for (const float score : scores) EXPECT_EQ(score, 0);
  // A zero query is as far from everything: the first rows, all with score 0.
  const std::vector<float> zero(16);
  auto found = index->Search(zero, {.k = 3});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, (std::vector<Scored>{{0, 0}, {1, 0}, {2, 0}}));
}

TEST(VectorIndex, FindsARareRowAmongThousandsOfDuplicates) {
  for (const Metric metric : kMetrics) {
    Matrix rows = Clustered(3000, 16, 30, 13);
    // 2,000 copies of one row, in the middle of 1,000 different ones.
    for (std::size_t i = 500; i < 2500; ++i)
      std::copy_n(rows.row(500).begin(), 16, rows.row(i).begin());
    BuiltIndex built(rows.view(), Forced(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    double recall = 0;
    for (std::size_t i = 0; i < 100; ++i) {
      const std::span<const float> query = rows.row(i * 5);
      auto found = index->Search(query, {.k = 10});
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(found->size(), 10u);
      recall += Recall(*found, TrueScores(query, rows, metric), 10, 1e-3);
    }
    EXPECT_GE(recall / 100, 0.99) << MetricName(metric);
  }
}

TEST(VectorIndex, ConstantAndZeroCollectionsAreSearchable) {
  for (const float value : {0.0f, 0.25f, -3.0f}) {
    Matrix rows(1500, 8);
    std::fill(rows.values.begin(), rows.values.end(), value);
    for (const Metric metric : kMetrics) {
      BuiltIndex built(rows.view(), Forced(metric));
      auto index = built.Open();
      ASSERT_TRUE(index.ok()) << index.error().ToString();
      const std::vector<float> query(8, 1.0f);
      auto found = index->Search(query, {.k = 10});
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(found->size(), 10u);
      EXPECT_TRUE(IsSorted(*found));
      EXPECT_NEAR(found->front().score, TrueScore(query, rows.row(0), metric), 1e-3);
      EXPECT_EQ(index->max_norm() == 0, value == 0);
    }
  }
}

TEST(VectorIndex, OneOutlierDoesNotRuinTheCodes) {
  Matrix rows = Clustered(2000, 32, 20, 14);
  // One enormous row, which a cosine does not see.
  for (float& value : rows.row(7)) value *= 1000;
  const Matrix queries = Clustered(50, 32, 20, 15);
  for (const Metric metric : kMetrics) {
    BuiltIndex built(rows.view(), Forced(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    double recall = 0;
    for (std::size_t i = 0; i < queries.n; ++i) {
      auto found = index->Search(queries.row(i), {.k = 10});
      ASSERT_TRUE(found.ok());
      recall += Recall(*found, TrueScores(queries.row(i), rows, metric), 10,
                       metric == Metric::kL2 ? 0.1 : 1e-3);
    }
    EXPECT_GE(recall / 50, 0.99) << MetricName(metric);
  }
}

TEST(VectorIndex, L2TakesValuesThatFloat16DoesNotReach) {
  const Matrix base = Clustered(300, 12, 5, 16);
  for (const float size : {1e-15f, 1e-6f, 1.0f, 1e6f, 1e15f}) {
    Matrix rows = base;
    for (float& value : rows.values) value *= size;
    VectorIndexOptions options;
    options.metric = Metric::kL2;
    BuiltIndex built(rows.view(), options);
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    const auto truth = TrueScores(rows.row(1), rows, Metric::kL2);
    auto found = index->Search(rows.row(1), {.k = 10});
    ASSERT_TRUE(found.ok());
    const double unit = double{size} * size;
    EXPECT_EQ(Recall(*found, truth, 10, 0.05 * unit), 1) << size;
    EXPECT_NEAR(found->back().score / unit, truth[found->back().id] / unit, 0.05) << size;
    EXPECT_NEAR(index->max_norm() / size, BuiltIndex(base.view(), options).Open()->max_norm(), 0.1);
  }
}

TEST(VectorIndex, SurvivesQueriesFarBeyondTheRows) {
  const Matrix rows = Clustered(1500, 8, 5, 17);
  for (const Metric metric : kMetrics) {
    BuiltIndex built(rows.view(), Forced(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    for (const float size : {1e-45f, 3e38f, -3e38f}) {
      const std::vector<float> query(8, size);
      for (const bool exact : {false, true}) {
        auto found = index->Search(query, {.k = 5, .exact = exact});
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        EXPECT_EQ(found->size(), 5u);
        EXPECT_TRUE(IsSorted(*found));
      }
    }
  }
}

TEST(VectorIndex, RefusesWrongQueries) {
  const Matrix rows = Clustered(50, 6, 2, 18);
  BuiltIndex built(rows.view(), {});
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  const std::vector<float> query(6, 1), longer(7, 1);
  EXPECT_EQ(index->Search(query, {.k = 0}).error().code(), Code::kInvalidArgument);
  const Status dimension = index->Search(longer, {.k = 1}).error();
  EXPECT_EQ(dimension.code(), Code::kInvalidArgument);
  EXPECT_THAT(dimension.message(), HasSubstr("query.size() = 7"));
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> wrong = query;
    wrong[3] = bad;
    EXPECT_EQ(index->Search(wrong, {.k = 1}).error().code(), Code::kInvalidArgument);
  }
  const std::uint32_t ids[] = {0, 50};
  float scores[2];
  EXPECT_EQ(index->Score(query, ids, scores).code(), Code::kInvalidArgument);
  EXPECT_EQ(index->Score(query, std::span(ids, 1), scores).code(), Code::kInvalidArgument);
  EXPECT_EQ(index->Score(longer, std::span(ids, 1), std::span(scores, 1)).code(),
            Code::kInvalidArgument);
}

TEST(VectorIndex, EightThreadsFindWhatOneFinds) {
  const Matrix rows = Clustered(2000, 24, 20, 19), queries = Clustered(40, 24, 20, 20);
  BuiltIndex built(rows.view(), Forced(Metric::kCosine));
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  std::vector<std::vector<Scored>> alone;
  for (std::size_t i = 0; i < queries.n; ++i) alone.push_back(*index->Search(queries.row(i), {}));
  std::vector<int> wrong(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 2 * queries.n; ++i) {
        const std::size_t q = (i * 7 + t) % queries.n;
        auto found = index->Search(queries.row(q), {});
        wrong[t] += !found.ok() || *found != alone[q];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

TEST(VectorIndex, ReachesRecallOnJudgedSetsAtItsDefaults) {
  const char* root = std::getenv("EQUIPOISE_DATA");
  if (root == nullptr) GTEST_SKIP() << "set EQUIPOISE_DATA to the folder of judged sets";
  for (const std::string set : {"med", "cranfield"}) {
    const std::string folder = std::string(root) + "/" + set;
    auto corpus = MatrixFile::Open(folder + "/corpus.f16.npy");
    auto queries = MatrixFile::Open(folder + "/queries.f16.npy");
    if (!corpus.ok() || !queries.ok()) GTEST_SKIP() << "no embeddings in " << folder;
    Matrix rows(corpus->rows(), corpus->cols());
    HalfToFloat(corpus->view().f16.data, rows.values.data(), rows.values.size());
    const auto recall = [&](const VectorIndexOptions& options,
                            const VectorIndex::SearchParams& params) {
      BuiltIndex built(corpus->view(), options);
      auto index = built.Open();
      EXPECT_TRUE(index.ok()) << index.error().ToString();
      std::vector<float> query(corpus->cols());
      const std::size_t asked = std::min<std::size_t>(30, queries->rows());
      double found_share = 0;
      for (std::size_t i = 0; i < asked; ++i) {
        HalfToFloat(queries->view().f16.row(i), query.data(), query.size());
        auto found = index->Search(query, params);
        EXPECT_TRUE(found.ok());
        found_share += Recall(*found, TrueScores(query, rows, Metric::kCosine), 10, 1e-6);
      }
      return found_share / static_cast<double>(asked);
    };
    EXPECT_GE(recall({}, {}), 0.999) << set;
    // A graph, which sets of this size would not get.
    EXPECT_GE(recall(Forced(Metric::kCosine), {.ef_search = 128}), 0.99) << set;
    // The target is that of rows; real queries lie farther from them.
    EXPECT_GE(recall(Forced(Metric::kCosine), {}), 0.97) << set;
  }
}

}  // namespace
}  // namespace equipoise
