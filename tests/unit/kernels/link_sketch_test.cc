// Sketches of links: estimates against true distances in double, edges, and every instruction set that
// this machine has bit for bit against plain code.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/link_sketch.h>

#include "cpu/dispatch.h"
#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kDims[] = {1,  2,  7,   8,   9,   31,   32,   33,
                                 64, 65, 127, 384, 391, 1000, 4097, 8200};

std::vector<float> Normal(std::size_t n, float size, std::mt19937& random) {
  std::normal_distribution<float> normal(0, size);
  std::vector<float> out(n);
  for (float& value : out) value = normal(random);
  return out;
}

double TrueDistance(Metric metric, const std::vector<float>& query, const float* row) {
  double product = 0, distance = 0;
  for (std::size_t i = 0; i < query.size(); ++i) {
    product += double{query[i]} * row[i];
    distance += (double{query[i]} - row[i]) * (double{query[i]} - row[i]);
  }
  return metric == Metric::kL2 ? distance : -product;
}

// A row with neighbours around it, and a query.
struct Neighborhood {
  Neighborhood(std::size_t d, std::size_t n, std::mt19937& random)
      : row(Normal(d, 1, random)), query(Normal(d, 1, random)) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::vector<float> step = Normal(d, 0.5f, random);
      for (std::size_t j = 0; j < d; ++j) neighbors.push_back(row[j] + step[j]);
    }
  }
  std::vector<float> row, query, neighbors;
};

double Length(const std::vector<float>& a, const float* b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    squares += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(squares);
}

class LinksOfMetric : public testing::TestWithParam<Metric> {};

INSTANTIATE_TEST_SUITE_P(LinkSketch, LinksOfMetric,
                         testing::Values(Metric::kCosine, Metric::kL2, Metric::kInnerProduct),
                         [](const testing::TestParamInfo<Metric>& p) {
                           return std::string(MetricName(p.param));
                         });

TEST_P(LinksOfMetric, EstimatesAreUnbiasedAndTheirErrorsAreWhatTheHeaderSays) {
  for (const std::size_t d : {64, 200, 384, 768}) {
    std::mt19937 random(7);
    std::vector<std::byte> group(LinkGroupBytes(d));
    LinkSketchQuery prepared;
    double mean = 0, squares = 0;
    int count = 0;
    for (std::uint64_t seed = 0; seed < 250; ++seed) {
      const auto sketcher = LinkSketcher::Make(d, GetParam(), seed);
      ASSERT_TRUE(sketcher.ok());
      const Neighborhood near(d, kLinkGroup, random);
      ASSERT_TRUE(
          sketcher->Encode(near.row.data(), near.neighbors.data(), kLinkGroup, group.data()).ok());
      ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
      const double from = TrueDistance(GetParam(), near.query, near.row.data());
      for (std::size_t l = 0; l < kLinkGroup; ++l, ++count) {
        const float* neighbor = near.neighbors.data() + l * d;
        const double error = 0.755 * Length(near.query, near.row.data()) *
                             Length(near.row, neighbor) / std::sqrt(static_cast<double>(d)) *
                             (GetParam() == Metric::kL2 ? 2 : 1);
        const double off =
            (double{LinkSketchEstimate(prepared, group.data(), l, static_cast<float>(from))} -
             TrueDistance(GetParam(), near.query, neighbor)) /
            error;
        mean += off;
        squares += off * off;
      }
    }
    mean /= count;
    // 4,000 estimates, of 250 queries: a standard error of about 0.02 for the mean, 0.011 for the
    // deviation.
    EXPECT_NEAR(mean, 0, 0.08) << d;
    EXPECT_NEAR(std::sqrt(squares / count - mean * mean), 1.0, 0.07) << d;
  }
}

TEST_P(LinksOfMetric, ErrorsOfTheTableAreAsSmallAsTheHeaderSays) {
  // The same estimate with the query's values as they are.
  const std::size_t d = 384;
  std::mt19937 random(3);
  const auto sketcher = LinkSketcher::Make(d, GetParam(), 5);
  const auto rotation = Rotation::Make(d, 5);
  ASSERT_TRUE(sketcher.ok() && rotation.ok());
  std::vector<std::byte> group(LinkGroupBytes(d));
  LinkSketchQuery prepared;
  double squares = 0;
  int count = 0;
  for (int i = 0; i < 50; ++i) {
    const Neighborhood near(d, kLinkGroup, random);
    ASSERT_TRUE(
        sketcher->Encode(near.row.data(), near.neighbors.data(), kLinkGroup, group.data()).ok());
    ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
    std::vector<float> zero(d, 0.0f), query = near.query;
    rotation->Apply(query.data());
    const LinkSketchConstants& constants = prepared.constants();
    for (std::size_t l = 0; l < kLinkGroup; ++l, ++count) {
      double exact = 0;
      for (std::size_t j = 0; j < d; ++j) {
        const std::size_t unit = j / 4 % constants.units;
        const std::size_t bit = j % 4 + (j / 4 < constants.units ? 0 : 4);
        const bool set = ((group[16 * unit + l] >> bit) & std::byte{1}) != std::byte{0};
        exact += set ? double{query[j]} : -double{query[j]};
      }
      float numbers[2 * kLinkGroup];
      std::memcpy(numbers, group.data() + 16 * constants.units, sizeof(numbers));
      const double whole = double{numbers[kLinkGroup + l]} + double{numbers[l]} * exact;
      const double unit_error = Length(near.query, zero.data()) *
                                Length(near.row, near.neighbors.data() + l * d) / std::sqrt(384.0) *
                                (GetParam() == Metric::kL2 ? 2 : 1);
      const double off =
          (double{LinkSketchEstimate(prepared, group.data(), l, 0)} - whole) / unit_error;
      squares += off * off;
    }
  }
  EXPECT_LT(std::sqrt(squares / count), 0.06);
}

TEST_P(LinksOfMetric, OneDimensionIsNearTheTruth) {
  // The bit and the length say all; what is left is the rounding of the query to 61 steps.
  std::mt19937 random(3);
  const auto sketcher = LinkSketcher::Make(1, GetParam(), 5);
  ASSERT_TRUE(sketcher.ok());
  std::vector<std::byte> group(LinkGroupBytes(1));
  LinkSketchQuery prepared;
  for (int i = 0; i < 100; ++i) {
    const Neighborhood near(1, 3, random);
    ASSERT_TRUE(sketcher->Encode(near.row.data(), near.neighbors.data(), 3, group.data()).ok());
    ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
    const auto from = static_cast<float>(TrueDistance(GetParam(), near.query, near.row.data()));
    for (std::size_t l = 0; l < 3; ++l)
      EXPECT_NEAR(LinkSketchEstimate(prepared, group.data(), l, from),
                  TrueDistance(GetParam(), near.query, near.neighbors.data() + l), 1e-4);
  }
}

TEST_P(LinksOfMetric, NeighborsEqualToTheRowAreAsFar) {
  std::mt19937 random(3);
  const std::size_t d = 40;
  const auto sketcher = LinkSketcher::Make(d, GetParam(), 5);
  ASSERT_TRUE(sketcher.ok());
  const Neighborhood near(d, 0, random);
  std::vector<std::byte> group(LinkGroupBytes(d));
  LinkSketchQuery prepared;
  ASSERT_TRUE(sketcher->Encode(near.row.data(), near.row.data(), 1, group.data()).ok());
  ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
  EXPECT_EQ(LinkSketchEstimate(prepared, group.data(), 0, 0.25f), 0.25f);
}

TEST(LinkSketch, LanesThatNoNeighborHasAreNeverKept) {
  std::mt19937 random(3);
  const std::size_t d = 20;
  const auto sketcher = LinkSketcher::Make(d, Metric::kL2, 5);
  ASSERT_TRUE(sketcher.ok());
  LinkSketchQuery prepared;
  std::vector<std::byte> group(LinkGroupBytes(d));
  for (std::size_t count = 0; count <= kLinkGroup; ++count) {
    const Neighborhood near(d, count, random);
    ASSERT_TRUE(sketcher->Encode(near.row.data(), near.neighbors.data(), count, group.data()).ok());
    ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
    std::vector<std::uint32_t> kept(kLinkGroup);
    EXPECT_EQ(LinkSketchBelow(prepared, group.data(), 1, 0, kInfinity, kept.data()), count);
    EXPECT_EQ(LinkSketchBelow(prepared, group.data(), 1, 0, 3e38f, kept.data()), count);
  }
}

TEST(LinkSketch, WhatIsNotFiniteIsKept) {
  std::mt19937 random(3);
  const std::size_t d = 20;
  const auto sketcher = LinkSketcher::Make(d, Metric::kInnerProduct, 5);
  ASSERT_TRUE(sketcher.ok());
  Neighborhood near(d, kLinkGroup, random);
  near.neighbors[3 * d + 7] = kNan;
  near.neighbors[5 * d] = kInfinity;
  near.neighbors[6 * d] = 3e38f;
  near.neighbors[6 * d + 1] = 3e38f;
  std::vector<std::byte> group(LinkGroupBytes(d));
  LinkSketchQuery prepared;
  ASSERT_TRUE(
      sketcher->Encode(near.row.data(), near.neighbors.data(), kLinkGroup, group.data()).ok());
  ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
  std::vector<std::uint32_t> kept(kLinkGroup);
  kept.resize(LinkSketchBelow(prepared, group.data(), 1, 0, -1e30f, kept.data()));
  EXPECT_EQ(kept, (std::vector<std::uint32_t>{3, 5, 6}));
  kept.resize(kLinkGroup);
  EXPECT_EQ(LinkSketchBelow(prepared, group.data(), 1, 0, kNan, kept.data()), kLinkGroup);
  EXPECT_EQ(LinkSketchBelow(prepared, group.data(), 1, kNan, 0, kept.data()), kLinkGroup);
  for (const float odd : {kNan, kInfinity, -kInfinity}) {
    std::vector<float> query = near.query;
    query[d - 1] = odd;
    ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
    EXPECT_EQ(LinkSketchBelow(prepared, group.data(), 1, 0, -1e30f, kept.data()), kLinkGroup);
  }
}

TEST(LinkSketch, QueriesOfZerosAndOfTheSmallestNumbersAreFine) {
  std::mt19937 random(3);
  const std::size_t d = 33;
  const auto sketcher = LinkSketcher::Make(d, Metric::kL2, 5);
  ASSERT_TRUE(sketcher.ok());
  const Neighborhood near(d, kLinkGroup, random);
  std::vector<std::byte> group(LinkGroupBytes(d));
  ASSERT_TRUE(
      sketcher->Encode(near.row.data(), near.neighbors.data(), kLinkGroup, group.data()).ok());
  LinkSketchQuery prepared, tiny;
  ASSERT_TRUE(sketcher->Prepare(std::vector<float>(d, 0.0f).data(), &prepared).ok());
  ASSERT_TRUE(sketcher->Prepare(std::vector<float>(d, 1e-44f).data(), &tiny).ok());
  for (std::size_t l = 0; l < kLinkGroup; ++l)
    EXPECT_EQ(LinkSketchEstimate(prepared, group.data(), l, 1),
              LinkSketchEstimate(tiny, group.data(), l, 1));
}

TEST(LinkSketch, AQueryServesOtherDimensionsNext) {
  std::mt19937 random(3);
  LinkSketchQuery used;
  for (const std::size_t d : {384, 20, 385, 1, 20}) {
    const auto sketcher = LinkSketcher::Make(d, Metric::kCosine, 5);
    ASSERT_TRUE(sketcher.ok());
    const Neighborhood near(d, kLinkGroup, random);
    std::vector<std::byte> group(LinkGroupBytes(d));
    ASSERT_TRUE(
        sketcher->Encode(near.row.data(), near.neighbors.data(), kLinkGroup, group.data()).ok());
    LinkSketchQuery fresh;
    ASSERT_TRUE(sketcher->Prepare(near.query.data(), &used).ok());
    ASSERT_TRUE(sketcher->Prepare(near.query.data(), &fresh).ok());
    for (std::size_t l = 0; l < kLinkGroup; ++l)
      EXPECT_EQ(LinkSketchEstimate(used, group.data(), l, 1),
                LinkSketchEstimate(fresh, group.data(), l, 1));
  }
}

TEST(LinkSketch, ImpossibleDimensionsAreRefused) {
  for (const std::size_t d : {std::size_t{0}, kMaxRotationDim + 1}) {
    EXPECT_EQ(LinkSketcher::Make(d, Metric::kCosine, 5).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(Rotation::Make(d, 5).error().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(LinkGroupBytes(384), 896u);
}

TEST(Rotation, KeepsLengthsAndProducts) {
  std::mt19937 random(3);
  for (const std::size_t d : kDims) {
    const auto rotation = Rotation::Make(d, d);
    ASSERT_TRUE(rotation.ok());
    std::vector<float> a = Normal(d, 1, random), b = Normal(d, 1, random);
    const auto product = [](const std::vector<float>& x, const std::vector<float>& y) {
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) sum += double{x[i]} * y[i];
      return sum;
    };
    const double before = product(a, b), length = product(a, a);
    rotation->Apply(a.data());
    rotation->Apply(b.data());
    EXPECT_NEAR(product(a, b), before, 1e-5 * static_cast<double>(d)) << d;
    EXPECT_NEAR(product(a, a), length, 1e-5 * length) << d;
  }
}

class LinkLevels : public testing::TestWithParam<SimdLevel> {
 protected:
  const SketchTable& kernels() const { return SketchKernels(GetParam()); }
  const SketchTable& scalar() const { return *SketchScalar(); }

  std::mt19937 random_{7};
};

INSTANTIATE_TEST_SUITE_P(LinkSketch, LinkLevels, testing::ValuesIn(AvailableSimdLevels()),
                         [](const testing::TestParamInfo<SimdLevel>& p) {
                           return std::string(SimdLevelName(p.param));
                         });

TEST_P(LinkLevels, TablesAreThoseOfTheDefinition) {
  for (std::size_t d = kLinkTableValues; d < 500; d += kLinkTableValues) {
    std::vector<float> x = Normal(d, 1, random_);
    x[d / 2] = 0.0f;
    x[d / 3] = -0.0f;
    const float largest = kernels().link_largest(x.data(), d);
    ASSERT_EQ(largest, scalar().link_largest(x.data(), d));
    float expected = 0;
    for (std::size_t i = 0; i < d; i += 4)
      expected = std::max(expected, (std::fabs(x[i]) + std::fabs(x[i + 1])) +
                                        (std::fabs(x[i + 2]) + std::fabs(x[i + 3])));
    ASSERT_EQ(largest, expected);
    const float scale = kLinkTableReach / largest;
    std::vector<std::uint8_t> here(4 * d), there(4 * d);
    ASSERT_EQ(kernels().link_table(x.data(), d, scale, here.data()),
              scalar().link_table(x.data(), d, scale, there.data()));
    ASSERT_EQ(here, there) << d;
    ASSERT_LE(*std::max_element(here.begin(), here.end()), 63);
    for (std::size_t i = 0; i < d; ++i) {
      // With the bit less without it: the value, rounded.
      const int value = here[4 * (i / 4) * 4 + (std::size_t{1} << (i % 4))] - here[4 * (i / 4) * 4];
      ASSERT_NEAR(static_cast<float>(value), x[i] * scale, 0.5001f) << d << ' ' << i;
    }
    x[d - 1] = kNan;
    EXPECT_FALSE(std::isfinite(kernels().link_largest(x.data(), d)));
    x[d - 1] = -kInfinity;
    EXPECT_FALSE(std::isfinite(kernels().link_largest(x.data(), d)));
  }
}

TEST_P(LinkLevels, VerdictsAreThoseOfTheEstimates) {
  for (const std::size_t d : kDims) {
    for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
      const auto sketcher = LinkSketcher::Make(d, metric, d);
      ASSERT_TRUE(sketcher.ok());
      const std::size_t groups = 3, bytes = LinkGroupBytes(d);
      for (const std::size_t offset : {0, 1, 4, 32}) {
        std::vector<std::byte> memory(groups * bytes + offset);
        std::byte* first = memory.data() + offset;
        LinkSketchQuery prepared;
        std::vector<float> estimates;
        const float distance = 0.5f;
        for (std::size_t g = 0; g < groups; ++g) {
          const std::size_t count = g + 1 < groups ? kLinkGroup : 5;
          const Neighborhood near(d, count, random_);
          std::byte* group = first + g * bytes;
          ASSERT_TRUE(sketcher->Encode(near.row.data(), near.neighbors.data(), count, group).ok());
          if (g == 0) {
            ASSERT_TRUE(sketcher->Prepare(near.query.data(), &prepared).ok());
          }
          for (std::size_t l = 0; l < kLinkGroup; ++l)
            estimates.push_back(LinkSketchEstimate(prepared, group, l, distance));
        }
        std::vector<float> thresholds(estimates.begin(), estimates.begin() + 7);
        for (const float odd : {kInfinity, -kInfinity, kNan}) thresholds.push_back(odd);
        for (const float threshold : thresholds) {
          for (std::size_t count = 0; count <= groups; ++count) {
            std::vector<std::uint32_t> expected, kept(count * kLinkGroup);
            for (std::uint32_t i = 0; i < kept.size(); ++i)
              if (!(estimates[i] >= threshold)) expected.push_back(i);
            kept.resize(kernels().link_below(prepared.constants(), first, count, distance,
                                             threshold, kept.data()));
            ASSERT_EQ(kept, expected) << d << ' ' << threshold;
          }
        }
      }
    }
  }
}

TEST_P(LinkLevels, SumsOfTheFullestTablesDoNotOverflow) {
  const std::size_t d = kMaxRotationDim, bytes = LinkGroupBytes(d), units = d / 8;
  const std::vector<std::uint8_t> table(32 * units, 63);
  std::vector<std::byte> group(bytes);
  for (std::size_t i = 0; i < 16 * units; ++i) group[i] = static_cast<std::byte>(random_());
  std::vector<float> numbers(2 * kLinkGroup, 0.0f);
  std::fill_n(numbers.begin(), kLinkGroup, 1.0f);
  std::memcpy(group.data() + 16 * units, numbers.data(), numbers.size() * sizeof(float));
  const LinkSketchConstants query = {
      .table = table.data(), .units = units, .group_bytes = bytes, .step = 1};
  const auto sum = static_cast<float>(63 * 2 * units);
  std::vector<std::uint32_t> kept(kLinkGroup);
  EXPECT_EQ(kernels().link_below(query, group.data(), 1, 0, sum + 1, kept.data()), kLinkGroup);
  EXPECT_EQ(kernels().link_below(query, group.data(), 1, 0, sum, kept.data()), 0u);
}

}  // namespace
}  // namespace equipoise
