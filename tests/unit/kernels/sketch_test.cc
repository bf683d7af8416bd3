// Sketches as a caller sees them: estimates against true distances in double, and edges.
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/kernels/sketch.h>

namespace equipoise {
namespace {

std::vector<float> UnitRow(std::size_t d, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(d);
  double squares = 0;
  for (float& value : out) {
    value = normal(random);
    squares += double{value} * value;
  }
  for (float& value : out) value = static_cast<float>(value / std::sqrt(squares));
  return out;
}

double TrueDistance(Metric metric, const std::vector<float>& query, const std::vector<float>& row) {
  double product = 0, distance = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    product += double{query[i]} * row[i];
    distance += (double{query[i]} - row[i]) * (double{query[i]} - row[i]);
  }
  return metric == Metric::kL2 ? distance : -product;
}

class EveryMetric : public testing::TestWithParam<Metric> {};

INSTANTIATE_TEST_SUITE_P(Sketch, EveryMetric,
                         testing::Values(Metric::kCosine, Metric::kL2, Metric::kInnerProduct),
                         [](const testing::TestParamInfo<Metric>& p) {
                           return std::string(MetricName(p.param));
                         });

TEST_P(EveryMetric, EstimatesAreUnbiasedAndTheirErrorsAreWhatTheySay) {
  for (const std::size_t d : {33, 64, 128, 200, 255, 384, 768}) {
    std::mt19937 random(7);
    std::vector<float> center = UnitRow(d, random);
    for (float& value : center) value *= 0.3f;
    double mean = 0, squares = 0;
    int count = 0;
    std::vector<std::byte> record(SketchBytes(d));
    SketchQuery prepared;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto sketcher = Sketcher::Make(d, GetParam(), center, seed);
      ASSERT_TRUE(sketcher.ok());
      const std::vector<float> query = UnitRow(d, random);
      ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
      for (int i = 0; i < 200; ++i, ++count) {
        const std::vector<float> row = UnitRow(d, random);
        ASSERT_TRUE(sketcher->Encode(row.data(), record.data()).ok());
        const double off = (double{SketchEstimate(prepared, record.data())} -
                            TrueDistance(GetParam(), query, row)) /
                           double{SketchError(prepared, record.data())};
        mean += off;
        squares += off * off;
      }
    }
    mean /= count;
    // 4,000 estimates: a standard error of 0.016 for the mean, 0.011 for the deviation. The query's
    // 4 bits add about 2 % to the deviation, a projection from d dimensions takes some from small d.
    EXPECT_NEAR(mean, 0, 0.07) << d;
    EXPECT_NEAR(std::sqrt(squares / count - mean * mean), 1.0, 0.07) << d;
  }
}

TEST_P(EveryMetric, EstimatesOfFewDimensionsAreNearTheTruth) {
  // For one dimension the bit and the length say all: what is left is the query's 4 bits, which hold
  // the only value exactly.
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const std::vector<float> center = {0.25f};
  const auto sketcher = Sketcher::Make(1, GetParam(), center, 5);
  ASSERT_TRUE(sketcher.ok());
  std::vector<std::byte> record(SketchBytes(1));
  SketchQuery prepared;
  for (int i = 0; i < 100; ++i) {
    const std::vector<float> query = {normal(random)}, row = {normal(random)};
    ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
    ASSERT_TRUE(sketcher->Encode(row.data(), record.data()).ok());
    EXPECT_NEAR(SketchEstimate(prepared, record.data()), TrueDistance(GetParam(), query, row),
                1e-5);
    EXPECT_EQ(SketchError(prepared, record.data()), 0);
  }
}

TEST_P(EveryMetric, TheEstimateOfARowToItselfIsNearlyExact) {
  const std::size_t d = 384;
  std::mt19937 random(11);
  const std::vector<float> center(d, 0.0f);
  const auto sketcher = Sketcher::Make(d, GetParam(), center, 5);
  ASSERT_TRUE(sketcher.ok());
  std::vector<std::byte> record(SketchBytes(d));
  SketchQuery prepared;
  for (int i = 0; i < 50; ++i) {
    const std::vector<float> row = UnitRow(d, random);
    ASSERT_TRUE(sketcher->Prepare(row.data(), &prepared).ok());
    ASSERT_TRUE(sketcher->Encode(row.data(), record.data()).ok());
    // Only the rounding of the query to 4 bits is left.
    const double scale = GetParam() == Metric::kL2 ? 2 : 1;
    EXPECT_NEAR(SketchEstimate(prepared, record.data()), TrueDistance(GetParam(), row, row),
                0.05 * scale);
  }
}

TEST_P(EveryMetric, OneStandardErrorOfSlackKeepsFiveOfSixOfThoseBelowTheThreshold) {
  const std::size_t d = 384, n = 4000;
  std::mt19937 random(13);
  const std::vector<float> center(d, 0.0f), query = UnitRow(d, random);
  const auto sketcher = Sketcher::Make(d, GetParam(), center, 5);
  ASSERT_TRUE(sketcher.ok());
  SketchQuery prepared;
  ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
  const std::size_t bytes = SketchBytes(d);
  std::vector<std::byte> records(n * bytes);
  std::vector<double> distances;
  for (std::size_t i = 0; i < n; ++i) {
    const std::vector<float> row = UnitRow(d, random);
    ASSERT_TRUE(sketcher->Encode(row.data(), records.data() + i * bytes).ok());
    distances.push_back(TrueDistance(GetParam(), query, row));
  }
  const double threshold = GetParam() == Metric::kL2 ? 2.0 : 0.0;  // about half of the rows
  std::vector<std::uint32_t> kept(n);
  std::iota(kept.begin(), kept.end(), 0u);
  kept.resize(SketchBelow(prepared, records.data(), kept.data(), n, static_cast<float>(threshold),
                          1, kept.data(), {}));
  double below = 0, found = 0;
  for (const double distance : distances) below += distance < threshold ? 1 : 0;
  for (const std::uint32_t id : kept) found += distances[id] < threshold ? 1 : 0;
  // Those far below are never lost, those at the threshold are kept with a probability of 0.84.
  EXPECT_GT(found / below, 0.84);
  EXPECT_LT(static_cast<double>(kept.size()), 0.9 * static_cast<double>(n));
}

// Inputs that are the same with every standard library: sums of 8 uniform numbers.
std::vector<float> PortableRow(std::size_t d, Random& random) {
  std::vector<float> out(d);
  for (float& value : out) {
    double sum = -4;
    for (int i = 0; i < 8; ++i) sum += random.Uniform();
    value = static_cast<float>(sum);
  }
  return out;
}

TEST_P(EveryMetric, RecordsAndQueriesAreTheSameBytesOnEveryMachine) {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  const auto mix = [&hash](const void* data, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
      hash = (hash ^ static_cast<const std::uint8_t*>(data)[i]) * 0x100000001b3u;
  };
  Random random(7);
  SketchQuery prepared;
  for (const std::size_t d : {1, 3, 7, 63, 64, 65, 100, 128, 255, 383, 384, 385, 768, 1536, 5000}) {
    const auto sketcher = Sketcher::Make(d, GetParam(), PortableRow(d, random), d);
    ASSERT_TRUE(sketcher.ok());
    std::vector<std::byte> record(SketchBytes(d));
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(sketcher->Encode(PortableRow(d, random).data(), record.data()).ok());
      ASSERT_TRUE(sketcher->Prepare(PortableRow(d, random).data(), &prepared).ok());
      mix(record.data(), record.size());
      const SketchConstants& query = prepared.constants();
      for (std::size_t k = 0; k < 4; ++k)
        mix(query.planes + k * query.plane_stride, query.record_bytes);
      for (const float constant : {query.base, query.two_step, query.sum, query.error_scale,
                                   SketchEstimate(prepared, record.data())})
        mix(&constant, sizeof(constant));
    }
  }
  // Pinned: a change makes stored records useless.
  EXPECT_EQ(hash, GetParam() == Metric::kL2 ? 8118583994543237677u : 8246581597391897891u);
}

TEST(Sketch, RecordsOf129To384DimensionsAreOneCacheLine) {
  EXPECT_EQ(SketchBytes(1), 32u);
  EXPECT_EQ(SketchBytes(128), 32u);
  EXPECT_EQ(SketchBytes(129), 64u);
  EXPECT_EQ(SketchBytes(384), 64u);
  EXPECT_EQ(SketchBytes(385), 96u);
  EXPECT_EQ(SketchBytes(1536), 224u);
}

TEST(Sketch, RowsAtTheCenterAndQueriesOfZerosGiveFiniteEstimates) {
  const std::vector<float> center(100, 0.5f), zeros(100, 0.0f);
  for (const Metric metric : {Metric::kCosine, Metric::kL2, Metric::kInnerProduct}) {
    const auto sketcher = Sketcher::Make(100, metric, center, 1);
    ASSERT_TRUE(sketcher.ok());
    std::vector<std::byte> record(SketchBytes(100));
    SketchQuery prepared;
    ASSERT_TRUE(sketcher->Encode(center.data(), record.data()).ok());
    for (const std::vector<float>& query : {center, zeros}) {
      ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
      const double expected = TrueDistance(metric, query, center);
      EXPECT_NEAR(SketchEstimate(prepared, record.data()), expected, 1e-4);
      EXPECT_EQ(SketchError(prepared, record.data()), 0);
    }
  }
}

TEST(Sketch, WhatIsNotFiniteOrTooLargeIsKept) {
  const std::size_t d = 70;
  const std::vector<float> center(d, 0.0f);
  std::mt19937 random(1);
  const std::vector<float> good = UnitRow(d, random);
  const float low = -std::numeric_limits<float>::infinity();
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), 3e38f, std::numeric_limits<float>::infinity()}) {
    std::vector<float> values = good;
    values[5] = values[6] = bad;
    for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
      if (bad == 3e38f && metric == Metric::kCosine) continue;  // such a product is finite
      const auto sketcher = Sketcher::Make(d, metric, center, 1);
      ASSERT_TRUE(sketcher.ok());
      std::vector<std::byte> record(SketchBytes(d));
      SketchQuery prepared;
      const std::uint32_t id = 0;
      std::uint32_t kept = 0;
      ASSERT_TRUE(sketcher->Encode(good.data(), record.data()).ok());
      ASSERT_TRUE(sketcher->Prepare(good.data(), &prepared).ok());
      EXPECT_EQ(SketchBelow(prepared, record.data(), &id, 1, low, 0, &kept, {}), 0u);
      const float nan = std::numeric_limits<float>::quiet_NaN();
      EXPECT_EQ(SketchBelow(prepared, record.data(), &id, 1, nan, 0, &kept, {}), 1u);
      for (const float slack : {0.0f, 1.0f}) {
        ASSERT_TRUE(sketcher->Encode(values.data(), record.data()).ok());
        ASSERT_TRUE(sketcher->Prepare(good.data(), &prepared).ok());
        const float threshold = -1e30f;
        EXPECT_EQ(SketchBelow(prepared, record.data(), &id, 1, threshold, slack, &kept, {}), 1u)
            << bad;
        ASSERT_TRUE(sketcher->Encode(good.data(), record.data()).ok());
        ASSERT_TRUE(sketcher->Prepare(values.data(), &prepared).ok());
        EXPECT_EQ(SketchBelow(prepared, record.data(), &id, 1, threshold, slack, &kept, {}), 1u)
            << bad;
      }
    }
  }
}

TEST(Sketch, AQueryObjectServesAnyDimensionsInAnyOrder) {
  std::mt19937 random(1);
  SketchQuery used;
  for (const std::size_t d : {384, 64, 384, 1000, 65, 1, 384}) {
    const auto sketcher = Sketcher::Make(d, Metric::kL2, std::vector<float>(d, 0.1f), 9);
    ASSERT_TRUE(sketcher.ok());
    const std::vector<float> query = UnitRow(d, random), row = UnitRow(d, random);
    std::vector<std::byte> record(SketchBytes(d));
    ASSERT_TRUE(sketcher->Encode(row.data(), record.data()).ok());
    SketchQuery fresh;
    ASSERT_TRUE(sketcher->Prepare(query.data(), &used).ok());
    ASSERT_TRUE(sketcher->Prepare(query.data(), &fresh).ok());
    EXPECT_EQ(SketchEstimate(used, record.data()), SketchEstimate(fresh, record.data()));
    const SketchQuery moved = std::move(fresh);
    EXPECT_EQ(SketchEstimate(moved, record.data()), SketchEstimate(used, record.data()));
  }
}

TEST(Sketch, WrongArgumentsAreRefusedByName) {
  const std::vector<float> center(8, 0.0f);
  EXPECT_EQ(Sketcher::Make(0, Metric::kL2, {}, 1).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(Sketcher::Make(7, Metric::kL2, center, 1).error().where().field, "center");
  EXPECT_EQ(Sketcher::Make(kMaxSketchDim + 1, Metric::kL2, center, 1).error().where().field, "dim");
  std::vector<float> bad = center;
  bad[3] = std::numeric_limits<float>::quiet_NaN();
  const Status refused = Sketcher::Make(8, Metric::kL2, bad, 1).error();
  EXPECT_NE(refused.message().find("center[3]"), std::string::npos) << refused.message();
}

}  // namespace
}  // namespace equipoise
