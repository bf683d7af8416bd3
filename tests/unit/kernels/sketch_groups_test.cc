// Sketches of rows in groups: their estimates against those of the rows themselves.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/kernels/sketch_groups.h>

namespace equipoise {
namespace {

std::vector<float> Normal(std::size_t n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& value : out) value = normal(random);
  return out;
}

class GroupsOfMetric : public testing::TestWithParam<Metric> {};

INSTANTIATE_TEST_SUITE_P(SketchGroups, GroupsOfMetric,
                         testing::Values(Metric::kCosine, Metric::kL2, Metric::kInnerProduct),
                         [](const testing::TestParamInfo<Metric>& p) {
                           return std::string(MetricName(p.param));
                         });

TEST_P(GroupsOfMetric, EstimatesAreThoseOfTheRows) {
  for (const std::size_t d : {1, 2, 7, 8, 9, 63, 64, 65, 127, 200, 384, 391, 1000}) {
    std::mt19937 random(static_cast<unsigned>(d));
    const std::vector<float> center = Normal(d, random);
    const auto sketcher = Sketcher::Make(d, GetParam(), center, 11);
    const auto turner = LinkSketcher::Make(d, GetParam(), 11);
    ASSERT_TRUE(sketcher.ok() && turner.ok());
    constexpr std::size_t kRows = 13;
    std::vector<std::byte> records(kRows * SketchBytes(d)), group(LinkGroupBytes(d));
    for (std::size_t i = 0; i < kRows; ++i)
      ASSERT_TRUE(
          sketcher->Encode(Normal(d, random).data(), records.data() + i * SketchBytes(d)).ok());
    GroupSketches(records.data(), kRows, d, group.data());

    const std::vector<float> query = Normal(d, random);
    SketchQuery rows;
    LinkSketchQuery groups;
    ASSERT_TRUE(sketcher->Prepare(query.data(), &rows).ok());
    float distance = -Dot(query.data(), center.data(), d);
    std::vector<float> turned = query;
    if (GetParam() == Metric::kL2) {
      for (std::size_t i = 0; i < d; ++i) turned[i] -= center[i];
      distance = Dot(turned.data(), turned.data(), d);
    }
    ASSERT_TRUE(turner->Prepare(turned.data(), &groups).ok());
    const double length = std::sqrt(Dot(turned.data(), turned.data(), d));
    for (std::size_t i = 0; i < kRows; ++i) {
      const std::byte* record = records.data() + i * SketchBytes(d);
      SketchHeader header;
      std::memcpy(&header, record, sizeof(header));
      // Both round the query's values: by half a step of 16 in the larger of them, at random.
      const double bound =
          0.6 * std::abs(header.factor) * length + 1e-4 * std::abs(distance) + 1e-5;
      EXPECT_NEAR(LinkSketchEstimate(groups, group.data(), i, distance),
                  SketchEstimate(rows, record), bound)
          << d << " " << i;
    }
  }
}

TEST(SketchGroups, WhatAGroupLacksIsNeverKept) {
  constexpr std::size_t kDim = 40;
  std::mt19937 random(1);
  const auto sketcher = Sketcher::Make(kDim, Metric::kL2, std::vector<float>(kDim), 3);
  const auto turner = LinkSketcher::Make(kDim, Metric::kL2, 3);
  ASSERT_TRUE(sketcher.ok() && turner.ok());
  std::vector<std::byte> records(5 * SketchBytes(kDim)), group(LinkGroupBytes(kDim));
  for (std::size_t i = 0; i < 5; ++i)
    ASSERT_TRUE(
        sketcher->Encode(Normal(kDim, random).data(), records.data() + i * SketchBytes(kDim)).ok());
  GroupSketches(records.data(), 5, kDim, group.data());
  LinkSketchQuery query;
  ASSERT_TRUE(turner->Prepare(Normal(kDim, random).data(), &query).ok());
  std::uint32_t kept[kLinkGroup];
  EXPECT_EQ(
      LinkSketchBelow(query, group.data(), 1, 0, std::numeric_limits<float>::infinity(), kept), 5u);
}

}  // namespace
}  // namespace equipoise
