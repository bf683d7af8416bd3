// Batched similarity and fused top-k against sums in double, on every instruction set, for every
// element type and metric.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/similarity.h>

#include "typed_rows.h"

namespace equipoise {
namespace {

struct Case {
  SimdLevel level;
  ElementType type;
  Metric metric;
};

std::vector<Case> AllCases() {
  std::vector<Case> out;
  for (const SimdLevel level : AvailableSimdLevels())
    for (const ElementType type :
         {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16, ElementType::kInt8})
      for (const Metric metric : {Metric::kInnerProduct, Metric::kCosine, Metric::kL2})
        out.push_back({level, type, metric});
  return out;
}

class EveryKernel : public testing::TestWithParam<Case> {
 protected:
  SimilarityOptions Options(int threads = 1) const {
    SimilarityOptions options;
    options.backend = Backend::kCpu;
    options.simd = GetParam().level;
    options.threads = threads;
    return options;
  }
  ElementType type() const { return GetParam().type; }
  Metric metric() const { return GetParam().metric; }

  // All scores, and for all k the best, of a set and of borrowed items.
  void Check(const Rows& queries, const Rows& items) {
    const std::size_t m = queries.n, n = items.n;
    auto set = ItemSet::Create(items.view(), metric(), Options());
    ASSERT_TRUE(set.ok()) << set.error().ToString();
    for (const bool kept : {true, false}) {
      std::vector<float> scores(m * n, 7);
      const Status status =
          kept ? set->Similarity(queries.view(), scores)
               : Similarity(queries.view(), items.view(), metric(), scores, Options());
      ASSERT_TRUE(status.ok()) << status.ToString();
      for (std::size_t q = 0; q < m; ++q) {
        for (std::size_t i = 0; i < n; ++i) {
          const Reference expected = ScoreOf(queries, q, items, i, metric());
          ASSERT_NEAR(scores[q * n + i], expected.score,
                      expected.bound + 1e-6 * std::fabs(expected.score))
              << "m " << m << " n " << n << " d " << items.d << " kept " << kept;
        }
      }
      for (const std::size_t k : {std::size_t{1}, std::min<std::size_t>(n, 10), n}) {
        std::vector<Scored> best(m * k);
        const Status found = kept
                                 ? set->TopK(queries.view(), k, best)
                                 : TopK(queries.view(), items.view(), metric(), k, best, Options());
        ASSERT_TRUE(found.ok()) << found.ToString();
        for (std::size_t q = 0; q < m; ++q) {
          const auto expected = TopK(std::span<const float>(scores).subspan(q * n, n), k,
                                     -std::numeric_limits<float>::infinity());
          std::set<std::uint32_t> ids;
          for (std::size_t j = 0; j < k; ++j) {
            const Scored& hit = best[q * k + j];
            ASSERT_EQ(hit.score, expected[j].score) << "k " << k << " j " << j;
            ASSERT_EQ(hit.score, scores[q * n + hit.id]);
            // Codes are ranked before their scores are rounded: among equal scores any id may come.
            if (type() != ElementType::kInt8) {
              ASSERT_EQ(hit.id, expected[j].id);
            }
            ids.insert(hit.id);
          }
          ASSERT_EQ(ids.size(), k) << "an item was found twice";
        }
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryKernel, testing::ValuesIn(AllCases()),
                         [](const testing::TestParamInfo<Case>& p) {
                           return std::string(SimdLevelName(p.param.level)) + "_" +
                                  std::string(ElementTypeName(p.param.type)) + "_" +
                                  std::string(MetricName(p.param.metric));
                         });

TEST_P(EveryKernel, AgreesWithSumsInDoubleForEveryShape) {
  for (const std::size_t m : {1, 2, 3, 4, 5, 8, 9, 13, 14, 15, 29})
    for (const std::size_t n : {1, 31, 32, 33, 70})
      Check(RowsOf(type(), Normal(m * 37, 1), m, 37, 0),
            RowsOf(type(), Normal(n * 37, 2), n, 37, 0));
}

TEST_P(EveryKernel, AgreesWithSumsInDoubleForEveryDimension) {
  for (const std::size_t d :
       {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 129, 384, 517})
    for (const std::size_t m : {1, 3, 12})
      Check(RowsOf(type(), Normal(m * d, 3), m, d, 0), RowsOf(type(), Normal(40 * d, 4), 40, d, 0));
}

TEST_P(EveryKernel, AgreesWithSumsInDoubleForLongVectors) {
  const std::size_t d = 4096;
  Check(RowsOf(type(), Normal(11 * d, 5), 11, d, 0), RowsOf(type(), Normal(33 * d, 6), 33, d, 0));
  // Equal values: all rounding errors go one way.
  Check(RowsOf(type(), std::vector<float>(9 * d, 0.1f), 9, d, 0),
        RowsOf(type(), std::vector<float>(33 * d, 0.7f), 33, d, 0));
}

TEST_P(EveryKernel, TakesRowsThatAreApart) {
  Check(RowsOf(type(), Normal(10 * 30, 7), 10, 30, 3),
        RowsOf(type(), Normal(50 * 30, 8), 50, 30, 5));
}

TEST_P(EveryKernel, ReadsNothingPastTheLastRow) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for (const std::size_t d : {1, 5, 13, 33, 97}) {
    const Rows items = RowsOf(type(), Normal(33 * d, 9), 33, d, 0);
    const std::size_t size = items.bytes.size();
    const std::size_t mapped = (size + page - 1) / page * page + page;
    auto* memory = static_cast<std::byte*>(
        mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(memory, MAP_FAILED);
    ASSERT_EQ(mprotect(memory + mapped - page, page, PROT_NONE), 0);
    std::byte* start = memory + mapped - page - size;
    std::copy(items.bytes.begin(), items.bytes.end(), start);
    VectorsView at_the_end = items.view();
    at_the_end.data = start;
    for (const std::size_t m : {1, 4, 12}) {
      std::vector<float> scores(m * 33);
      EXPECT_TRUE(Similarity(at_the_end.Slice(0, m), at_the_end, metric(), scores, Options()).ok());
      EXPECT_TRUE(
          Similarity(at_the_end.Slice(33 - m, m), at_the_end, metric(), scores, Options()).ok());
      EXPECT_TRUE(ItemSet::Create(at_the_end, metric(), Options()).ok());
    }
    munmap(memory, mapped);
  }
}

TEST_P(EveryKernel, KeepsTheSmallestIdsAmongEqualScores) {
  const std::size_t n = 300, d = 20;
  const std::vector<float> row = Normal(d, 10);
  std::vector<float> same;
  for (std::size_t i = 0; i < n; ++i) same.insert(same.end(), row.begin(), row.end());
  const Rows items = RowsOf(type(), same, n, d, 0);
  for (const int threads : {1, 3}) {
    for (const std::size_t k : {1, 7, 40, 300}) {
      std::vector<Scored> best(2 * k);
      ASSERT_TRUE(
          TopK(items.view().Slice(0, 2), items.view(), metric(), k, best, Options(threads)).ok());
      for (std::size_t j = 0; j < k; ++j) ASSERT_EQ(best[j].id, j) << k;
    }
  }
}

TEST_P(EveryKernel, GivesTheSameAtAnyNumberOfThreads) {
  const std::size_t n = 1000, d = 24, k = 25;
  const Rows items = RowsOf(type(), Normal(n * d, 11), n, d, 0);
  for (const std::size_t m : {3, 50}) {
    const Rows queries = RowsOf(type(), Normal(m * d, 12), m, d, 0);
    std::vector<Scored> one(m * k), many(m * k);
    ASSERT_TRUE(TopK(queries.view(), items.view(), metric(), k, one, Options(1)).ok());
    for (const int threads : {2, 5, 64}) {
      ASSERT_TRUE(TopK(queries.view(), items.view(), metric(), k, many, Options(threads)).ok());
      EXPECT_EQ(one, many);
      auto set = ItemSet::Create(items.view(), metric(), Options(threads));
      ASSERT_TRUE(set.ok() && set->TopK(queries.view(), k, many).ok());
      // Few queries are summed in another order where the items lie.
      if (m > 8) {
        EXPECT_EQ(one, many);
      }
    }
  }
}

TEST_P(EveryKernel, ScoresZeroVectorsWithoutDividingByTheirNorm) {
  const std::size_t d = 10;
  const Rows items = RowsOf(type(), std::vector<float>(3 * d, 0.0f), 3, d, 0);
  const Rows queries = RowsOf(type(), std::vector<float>(9 * d, 0.0f), 9, d, 0);
  std::vector<float> scores(27, 1);
  ASSERT_TRUE(Similarity(queries.view(), items.view(), metric(), scores, Options()).ok());
  for (const float score : scores) EXPECT_EQ(score, 0);
}

TEST_P(EveryKernel, RefusesNanAndInfinityAndNamesTheRow) {
  if (type() == ElementType::kInt8) return;  // every code is a number
  const std::size_t n = 100, d = 18;
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = Normal(n * d, 13);
    const Rows good = RowsOf(type(), values, n, d, 0);
    values[77 * d + 5] = bad;
    values[90 * d + 1] = bad;
    const Rows items = RowsOf(type(), values, n, d, 0);
    std::vector<float> scores(12 * n);
    for (const std::size_t m : {1, 12}) {
      const Status status = Similarity(good.view().Slice(0, m), items.view(), metric(),
                                       std::span(scores).first(m * n), Options());
      EXPECT_EQ(status.code(), Code::kInvalidArgument);
      EXPECT_EQ(status.where().row, 77) << status.ToString();
    }
    const auto set = ItemSet::Create(items.view(), metric(), Options(2));
    ASSERT_FALSE(set.ok());
    EXPECT_EQ(set.error().where().row, 77);
    const Status of_queries =
        Similarity(items.view().Slice(70, 12), good.view(), metric(), scores, Options());
    EXPECT_EQ(of_queries.code(), Code::kInvalidArgument);
    EXPECT_EQ(of_queries.where().row, 7);
    EXPECT_EQ(of_queries.where().field, "queries");
  }
}

TEST_P(EveryKernel, FindsTheBestAmongManyWithAnyK) {
  // Enough rows for the buffer of results to be cut many times, more queries than one pass takes.
  const std::size_t n = 5000, d = 8, m = 20;
  const Rows items = RowsOf(type(), Normal(n * d, 14), n, d, 0);
  const Rows queries = RowsOf(type(), Normal(m * d, 15), m, d, 0);
  Check(queries, items);
}

}  // namespace
}  // namespace equipoise
