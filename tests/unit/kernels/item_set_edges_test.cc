// What a set of items does at its edges: extreme lengths, overflow, long sums, more queries than one
// pass takes, and input that cannot be meant.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/similarity.h>

#include "typed_rows.h"

namespace equipoise {
namespace {

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
