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

namespace equipoise {
namespace {

constexpr float kScale = 40;

// Rows of one element type, and the same values in double.
struct Rows {
  std::size_t n = 0, d = 0, stride = 0;
  ElementType type = ElementType::kFloat32;
  std::vector<std::byte> bytes;
  std::vector<double> values;

  VectorsView view() const {
    switch (type) {
      case ElementType::kFloat32:
        return MatrixView<float>(reinterpret_cast<const float*>(bytes.data()), n, d, stride);
      case ElementType::kFloat16:
        return MatrixView<Float16>(reinterpret_cast<const Float16*>(bytes.data()), n, d, stride);
      case ElementType::kBFloat16:
        return MatrixView<BFloat16>(reinterpret_cast<const BFloat16*>(bytes.data()), n, d, stride);
      case ElementType::kInt8:
        break;
    }
    return VectorsView(
        MatrixView<std::uint8_t>(reinterpret_cast<const std::uint8_t*>(bytes.data()), n, d, stride),
        {.scale = kScale});
  }
};

Rows RowsOf(ElementType type, const std::vector<float>& values, std::size_t n, std::size_t d,
            std::size_t padding) {
  Rows out{.n = n, .d = d, .stride = d + padding, .type = type, .bytes = {}, .values = {}};
  out.bytes.resize(n * out.stride * ElementBytes(type));
  out.values.resize(n * d);
  for (std::size_t i = 0; i < n; ++i) {
    std::byte* row = out.bytes.data() + i * out.stride * ElementBytes(type);
    const float* from = values.data() + i * d;
    std::vector<float> back(from, from + d);
    if (type == ElementType::kFloat32) {
      std::copy_n(from, d, reinterpret_cast<float*>(row));
    } else if (type == ElementType::kFloat16) {
      FloatToHalf(from, reinterpret_cast<Float16*>(row), d);
      HalfToFloat(reinterpret_cast<Float16*>(row), back.data(), d);
    } else if (type == ElementType::kBFloat16) {
      FloatToBFloat(from, reinterpret_cast<BFloat16*>(row), d);
      BFloatToFloat(reinterpret_cast<BFloat16*>(row), back.data(), d);
    } else {
      QuantizeI8(from, d, {.scale = kScale}, reinterpret_cast<std::uint8_t*>(row));
      for (std::size_t k = 0; k < d; ++k)
        out.values[i * d + k] = (static_cast<int>(row[k]) - 128) / double{kScale};
      continue;
    }
    for (std::size_t k = 0; k < d; ++k) out.values[i * d + k] = back[k];
  }
  return out;
}

std::vector<float> Normal(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

struct Reference {
  double score = 0;
  double bound = 0;  // of the error of float types
};

Reference ScoreOf(const Rows& queries, std::size_t q, const Rows& items, std::size_t i,
                  Metric metric) {
  double dot = 0, qq = 0, xx = 0;
  for (std::size_t k = 0; k < items.d; ++k) {
    const double a = queries.values[q * items.d + k], b = items.values[i * items.d + k];
    dot += a * b;
    qq += a * a;
    xx += b * b;
  }
  const double norms = std::sqrt(qq * xx);
  const double both = std::sqrt(qq) + std::sqrt(xx);
  switch (metric) {
    case Metric::kInnerProduct:
      return {dot, 1e-5 * norms};
    case Metric::kCosine:
      return {norms > 0 ? dot / norms : 0, 1e-5};
    case Metric::kL2:
      return {-(qq + xx - 2 * dot), 1e-5 * both * both};
  }
  return {};
}

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

TEST(ItemSet, CodesGiveTheSameBitsOnEveryLevel) {
  const std::size_t n = 333, d = 131, m = 21;
  const Rows items = RowsOf(ElementType::kInt8, Normal(n * d, 16), n, d, 0);
  const Rows queries = RowsOf(ElementType::kInt8, Normal(m * d, 17), m, d, 0);
  for (const Metric metric : {Metric::kInnerProduct, Metric::kCosine, Metric::kL2}) {
    std::vector<float> expected(m * n), scores(m * n);
    SimilarityOptions options;
    options.backend = Backend::kCpu;
    options.simd = SimdLevel::kScalar;
    ASSERT_TRUE(Similarity(queries.view(), items.view(), metric, expected, options).ok());
    for (const SimdLevel level : AvailableSimdLevels()) {
      options.simd = level;
      auto set = ItemSet::Create(items.view(), metric, options);
      ASSERT_TRUE(set.ok() && set->Similarity(queries.view(), scores).ok());
      EXPECT_EQ(scores, expected) << SimdLevelName(level) << MetricName(metric);
      for (std::size_t q = 0; q < m; ++q)
        ASSERT_TRUE(Similarity(queries.view().Slice(q, 1), items.view(), metric,
                               std::span(scores).subspan(q * n, n), options)
                        .ok());
      EXPECT_EQ(scores, expected) << SimdLevelName(level) << MetricName(metric);
    }
  }
}

TEST(ItemSet, ExtremeCodesOfTheLongestVectorsAreExact) {
  const std::size_t d = kMaxCodeDim;
  const std::vector<std::uint8_t> low(d, 0), high(d, 255);
  const auto view = [&](const std::vector<std::uint8_t>& codes) {
    return VectorsView(MatrixView<std::uint8_t>(codes.data(), 1, d), {});
  };
  for (const SimdLevel level : AvailableSimdLevels()) {
    SimilarityOptions options;
    options.simd = level;
    float score = 0;
    ASSERT_TRUE(Similarity(view(low), view(low), Metric::kInnerProduct, {&score, 1}, options).ok());
    EXPECT_EQ(score, 128.0f * 128 * 32768);
    auto set = ItemSet::Create(view(low), Metric::kInnerProduct, options);
    ASSERT_TRUE(set.ok() && set->Similarity(view(high), {&score, 1}).ok());
    EXPECT_EQ(score, -128.0f * 127 * 32768);
  }
}

TEST(ItemSet, QuantizesFloatQueriesOfCodesWhateverTheirLength) {
  const std::size_t n = 40, d = 64, m = 5;
  const Rows items = RowsOf(ElementType::kInt8, Normal(n * d, 18), n, d, 0);
  const std::vector<float> values = Normal(m * d, 19);
  const Rows exact = RowsOf(ElementType::kFloat32, values, m, d, 0);
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct}) {
    auto set = ItemSet::Create(items.view(), metric);
    ASSERT_TRUE(set.ok());
    for (const float length : {1.0f, 1e-38f, 1e-3f, 100.0f, 1e36f}) {
      std::vector<float> longer = values;
      for (float& value : longer) value *= length;
      const Rows queries = RowsOf(ElementType::kFloat32, longer, m, d, 0);
      std::vector<float> scores(m * n), borrowed(m * n);
      ASSERT_TRUE(set->Similarity(queries.view(), scores).ok());
      ASSERT_TRUE(Similarity(queries.view(), items.view(), metric, borrowed).ok());
      EXPECT_EQ(scores, borrowed);
      std::vector<Scored> best(m);
      ASSERT_TRUE(set->TopK(queries.view(), 1, best).ok());
      for (std::size_t q = 0; q < m; ++q) {
        EXPECT_EQ(best[q].score,
                  *std::max_element(scores.begin() + static_cast<std::ptrdiff_t>(q * n),
                                    scores.begin() + static_cast<std::ptrdiff_t>((q + 1) * n)));
        for (std::size_t i = 0; i < n; ++i) {
          // Half a step of each query element, against elements of the item: a few standard errors.
          const Reference truth = ScoreOf(exact, q, items, i, metric);
          const double unit = metric == Metric::kCosine ? 1 : length;
          const double norms = metric == Metric::kCosine ? 1 : truth.bound / 1e-5;
          EXPECT_NEAR(scores[q * n + i], truth.score * unit, 0.02 * norms * unit) << length;
        }
      }
    }
  }
}

TEST(ItemSet, L2OfFloatQueriesAndCodesUsesTheItemsGrid) {
  const std::size_t n = 40, d = 16, m = 5;
  const Rows items = RowsOf(ElementType::kInt8, Normal(n * d, 18), n, d, 0);
  const std::vector<float> values = Normal(m * d, 19);
  const Rows codes = RowsOf(ElementType::kInt8, values, m, d, 0);
  const Rows floats = RowsOf(ElementType::kFloat32, values, m, d, 0);
  auto set = ItemSet::Create(items.view(), Metric::kL2);
  ASSERT_TRUE(set.ok());
  std::vector<float> by_codes(m * n), by_floats(m * n);
  ASSERT_TRUE(set->Similarity(codes.view(), by_codes).ok());
  ASSERT_TRUE(set->Similarity(floats.view(), by_floats).ok());
  EXPECT_EQ(by_codes, by_floats);
}

TEST(ItemSet, CosineHoldsForTheLongestAndTheShortestVectors) {
  const std::size_t d = 16;
  for (const SimdLevel level : AvailableSimdLevels()) {
    SimilarityOptions options;
    options.simd = level;
    for (const float length : {1.0f, 1e38f, 1e-36f, 3e37f, 1e-19f}) {
      std::vector<float> rows = Normal(40 * d, 30);
      const std::vector<float> plain = rows;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (i / d % 3 == 0) rows[i] *= length;
      const Rows expected = RowsOf(ElementType::kFloat32, plain, 40, d, 0);
      for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
        const Rows items = RowsOf(type, rows, 40, d, 0);
        const Rows compared =
            type == ElementType::kFloat32 ? expected : RowsOf(type, plain, 40, d, 0);
        const double bound =
            type == ElementType::kFloat32 ? 1e-5 : 1e-2;  // bfloat16 rounds lengths too
        auto set = ItemSet::Create(items.view(), Metric::kCosine, options);
        ASSERT_TRUE(set.ok());
        for (const std::size_t m : {2, 12}) {
          std::vector<float> kept(m * 40), borrowed(m * 40);
          ASSERT_TRUE(set->Similarity(items.view().Slice(0, m), kept).ok());
          ASSERT_TRUE(
              Similarity(items.view().Slice(0, m), items.view(), Metric::kCosine, borrowed, options)
                  .ok());
          for (std::size_t at = 0; at < m * 40; ++at) {
            const double truth =
                ScoreOf(compared, at / 40, compared, at % 40, Metric::kCosine).score;
            ASSERT_NEAR(kept[at], truth, bound) << length;
            ASSERT_NEAR(borrowed[at], truth, bound) << length;
          }
        }
      }
    }
  }
}

TEST(ItemSet, SumsStayWithinTheBoundWhereEveryRoundingGoesOneWay) {
  // One large partial sum, and thousands of terms just above half its last bit's worth.
  const std::size_t d = 4096;
  std::vector<float> row(d, 1.0001f / 4096);
  std::fill_n(row.begin(), 16, 1.0f);
  const Rows items = RowsOf(ElementType::kFloat32, row, 1, d, 0);
  std::vector<float> many;
  for (int i = 0; i < 12; ++i) many.insert(many.end(), row.begin(), row.end());
  const Rows queries = RowsOf(ElementType::kFloat32, many, 12, d, 0);
  const Reference truth = ScoreOf(queries, 0, items, 0, Metric::kInnerProduct);
  for (const SimdLevel level : AvailableSimdLevels()) {
    SimilarityOptions options;
    options.simd = level;
    for (const std::size_t m : {1, 2, 4, 8, 12}) {
      std::vector<float> scores(m);
      ASSERT_TRUE(Similarity(queries.view().Slice(0, m), items.view(), Metric::kInnerProduct,
                             scores, options)
                      .ok());
      for (const float score : scores)
        EXPECT_NEAR(score, truth.score, truth.bound) << SimdLevelName(level) << m;
    }
  }
}

TEST(ItemSet, AQuerysScoresDoNotDependOnItsBatch) {
  const std::size_t n = 64, d = 50, m = 40;
  const Rows items = RowsOf(ElementType::kFloat32, Normal(n * d, 31), n, d, 0);
  const Rows queries = RowsOf(ElementType::kFloat32, Normal(m * d, 32), m, d, 0);
  for (const SimdLevel level : AvailableSimdLevels()) {
    SimilarityOptions options;
    options.simd = level;
    auto set = ItemSet::Create(items.view(), Metric::kCosine, options);
    ASSERT_TRUE(set.ok());
    std::vector<float> together(m * n);
    ASSERT_TRUE(set->Similarity(queries.view(), together).ok());
    for (const std::size_t size : {1, 2, 3, 7, 13}) {
      for (std::size_t q = 0; q + size <= m; q += size) {
        std::vector<float> apart(size * n);
        ASSERT_TRUE(set->Similarity(queries.view().Slice(q, size), apart).ok());
        for (std::size_t i = 0; i < apart.size(); ++i)
          ASSERT_EQ(apart[i], together[q * n + i]) << size;
      }
    }
  }
}

TEST(ItemSet, AnswersMoreQueriesThanOnePassTakes) {
  const std::size_t n = 50, d = 12, m = 2100, k = 3;
  const Rows items = RowsOf(ElementType::kFloat32, Normal(n * d, 20), n, d, 0);
  const Rows queries = RowsOf(ElementType::kFloat32, Normal(m * d, 21), m, d, 0);
  auto set = ItemSet::Create(items.view(), Metric::kCosine);
  ASSERT_TRUE(set.ok());
  std::vector<float> scores(m * n);
  std::vector<Scored> best(m * k);
  ASSERT_TRUE(set->Similarity(queries.view(), scores).ok());
  ASSERT_TRUE(set->TopK(queries.view(), k, best).ok());
  for (std::size_t q = 0; q < m; ++q) {
    const auto expected = TopK(std::span<const float>(scores).subspan(q * n, n), k, -2);
    for (std::size_t j = 0; j < k; ++j) ASSERT_EQ(best[q * k + j], expected[j]) << q;
  }
}

TEST(ItemSet, ScoresThatOverflowAreInfinitiesAndTheSameInBothCalls) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  struct Overflow {
    Metric metric;
    std::vector<float> query, items, scores;
  };
  const Overflow cases[] = {
      {Metric::kInnerProduct,
       {1e38f, 1e38f},
       {1e38f, 1e38f, 1, 1, -1e38f, -1e38f},
       {kInfinity, 2e38f, -kInfinity}},
      // Its parts overflow to both sides: not a number, so it ranks last.
      {Metric::kInnerProduct,
       {1e38f, 1e38f},
       {1e38f, -1e38f, 0, 1e-30f, 1, 0},
       {-kInfinity, 1e8f, 1e38f}},
      {Metric::kL2,
       {1e20f, 1e20f},
       {3e20f, 3e20f, 1e10f, 0, 0, 0},
       {-kInfinity, -kInfinity, -kInfinity}},
      // |q|² and |x|² nearly overflow, and their distance does not.
      {Metric::kL2,
       {1.41e19f, 0},
       {1.269e19f, 0.6146e19f, 1.41e19f, 0, 0, 0},
       {-3.9762e37f, 0, -1.9881e38f}},
  };
  for (const SimdLevel level : AvailableSimdLevels()) {
    SimilarityOptions options;
    options.simd = level;
    for (const Overflow& c : cases) {
      const MatrixView<float> items(c.items.data(), 3, 2), query(c.query.data(), 1, 2);
      std::vector<float> scores(3);
      ASSERT_TRUE(Similarity(query, items, c.metric, scores, options).ok());
      for (std::size_t i = 0; i < 3; ++i) {
        if (std::isinf(c.scores[i])) {
          EXPECT_EQ(scores[i], c.scores[i]) << i;
        } else {
          EXPECT_NEAR(scores[i], c.scores[i], 2e-3f * std::fabs(c.scores[i])) << i;
        }
      }
      std::vector<Scored> best(3);
      ASSERT_TRUE(TopK(query, items, c.metric, 3, best, options).ok());
      for (const Scored& hit : best) EXPECT_EQ(hit.score, scores[hit.id]);
      EXPECT_TRUE(std::is_sorted(best.begin(), best.end(), Better));
    }
  }
}

TEST(ItemSet, RefusesWhatCannotBeMeant) {
  const std::vector<float> values = Normal(12, 22);
  const MatrixView<float> items(values.data(), 4, 3), query(values.data(), 1, 3);
  std::vector<float> out(4);
  std::vector<Scored> best(4);
  const auto refused = [](const Status& status, const char* field) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
    EXPECT_EQ(status.where().field, field) << status.ToString();
  };
  const Metric metric = Metric::kCosine;
  refused(Similarity(MatrixView<float>(values.data(), 0, 3), items, metric, {}), "queries");
  refused(Similarity(query, MatrixView<float>(values.data(), 0, 3), metric, {}), "items");
  refused(Similarity(MatrixView<float>(values.data(), 1, 0), MatrixView<float>(values.data(), 4, 0),
                     metric, out),
          "items");
  refused(Similarity(MatrixView<float>(values.data(), 1, 2), items, metric, out), "queries");
  refused(Similarity(MatrixView<float>(nullptr, 1, 3), items, metric, out), "queries");
  refused(Similarity(query, MatrixView<float>(values.data(), 4, 3, 2), metric, out), "items");
  refused(Similarity(query, items, metric, std::span(out).first(3)), "out");
  refused(TopK(query, MatrixView<float>(values.data(), 0, 3), metric, 1, best), "items");
  refused(TopK(query, items, metric, 0, {}), "k");
  refused(TopK(query, items, metric, 5, best), "k");
  refused(TopK(query, items, metric, 4, std::span(best).first(3)), "out");
  SimilarityOptions options;
  options.threads = 0;
  refused(Similarity(query, items, metric, out, options), "options.threads");
  const std::vector<Float16> halves(3);
  refused(Similarity(MatrixView<Float16>(halves.data(), 1, 3), items, metric, out), "queries");
  const std::vector<std::uint8_t> codes(12, 128);
  const VectorsView shifted(MatrixView<std::uint8_t>(codes.data(), 4, 3),
                            {.scale = 1, .center = 1});
  refused(ItemSet::Create(shifted, Metric::kCosine).error(), "items");
  EXPECT_TRUE(ItemSet::Create(shifted, Metric::kL2).ok());
  const VectorsView unscaled(MatrixView<std::uint8_t>(codes.data(), 4, 3), {.scale = 0});
  refused(ItemSet::Create(unscaled, Metric::kL2).error(), "scale");
  const VectorsView lost(MatrixView<std::uint8_t>(codes.data(), 4, 3),
                         {.scale = 1, .center = std::numeric_limits<float>::quiet_NaN()});
  refused(ItemSet::Create(lost, Metric::kL2).error(), "scale");
  const VectorsView tiny(MatrixView<std::uint8_t>(codes.data(), 4, 3), {.scale = 1e-25f});
  refused(Similarity(tiny.Slice(0, 1), tiny, Metric::kL2, out), "scale");
  const VectorsView other(MatrixView<std::uint8_t>(codes.data(), 1, 3), {.scale = 2, .center = 1});
  auto set = ItemSet::Create(shifted, Metric::kL2);
  refused(set->Similarity(other, out), "queries");
}

TEST(ItemSet, SaysWhereItRunsAndWhy) {
  const std::vector<float> values = Normal(12, 23);
  SimilarityOptions options;
  options.backend = Backend::kCpu;
  auto set = ItemSet::Create(MatrixView<float>(values.data(), 4, 3), Metric::kL2, options);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->BackendFor(1'000'000), Backend::kCpu);
  EXPECT_EQ(set->Why(1), "the CPU was asked for");
  EXPECT_EQ(set->rows(), 4u);
  EXPECT_EQ(set->cols(), 3u);
  EXPECT_EQ(set->type(), ElementType::kFloat32);
  EXPECT_EQ(set->metric(), Metric::kL2);
  auto small = ItemSet::Create(MatrixView<float>(values.data(), 4, 3), Metric::kL2);
  ASSERT_TRUE(small.ok());
  EXPECT_EQ(small->Why(1), "too few items for a GPU to pay");
}

}  // namespace
}  // namespace equipoise
