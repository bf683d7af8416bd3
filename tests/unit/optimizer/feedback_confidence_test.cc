// What makes a rating count less: its source, little evidence, dwell time, position.
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_data.h"

namespace equipoise {
namespace {

TEST(FeedbackFilter, SourcesThatContradictEverybodyCountLess) {
  std::mt19937_64 random(4);
  std::normal_distribution<float> noise(0, 0.05f);
  Data data;
  for (std::uint64_t item = 0; item < 60; ++item) {
    const float truth = item % 2 == 0 ? 0.2f : 0.8f;
    for (std::uint64_t source = 0; source < 10; ++source)
      data.Add(std::clamp((source == 0 ? 1 - truth : truth) + noise(random), 0.0f, 1.0f), source,
               item);
  }
  const FeedbackResult out = Filter({}, data);
  ASSERT_EQ(out.reliability.size(), 10u);
  EXPECT_LT(out.reliability[0], 0.6);
  for (std::size_t source = 1; source < 10; ++source) EXPECT_GT(out.reliability[source], 0.95);
  // Gold items turn it round: the nine were wrong.
  FeedbackOptions options;
  for (std::uint64_t item = 0; item < 60; ++item)
    options.confidence.gold.push_back({item, item % 2 == 0 ? 0.8f : 0.2f});
  const FeedbackResult gold = Filter(options, data);
  EXPECT_GT(gold.reliability[0], 0.95);
  EXPECT_LT(gold.reliability[5], 0.95);
  for (const double r : gold.reliability) {
    EXPECT_GE(r, options.confidence.least_reliability);
    EXPECT_LE(r, 1);
  }
}

TEST(FeedbackFilter, EvidenceIsTheStatedShare) {
  Data data;
  for (std::uint64_t i = 0; i < 8; ++i) data.Add(0.1f * static_cast<float>(i), i, 1);
  data.Add(0.5f, 1, 2);
  FeedbackOptions options;
  options.confidence.reliability = false;
  const FeedbackResult graded = Filter(options, data);
  EXPECT_NEAR(graded.weight[0], 0.8, 1e-6);
  EXPECT_NEAR(graded.weight[8], 1.0 / 3, 1e-6);
  for (std::size_t i = 0; i < 9; ++i) data.rating[i] = i < 6 ? 1.0f : 0.0f;
  const FeedbackResult binary = Filter(options, data);
  EXPECT_NEAR(binary.weight[0], WilsonLowerBound(0.75, 8) / 0.75, 1e-6);
  EXPECT_NEAR(binary.weight[8], WilsonLowerBound(1, 1), 1e-6);
}

TEST(FeedbackFilter, DwellAndPositionWeighAsStated) {
  Data data;
  for (int i = 0; i < 3; ++i) {
    data.rating.push_back(0.5f);
    data.time.push_back(kNow);
  }
  data.dwell = {10, 30, -1};
  data.position = {0, 9, 3};
  FeedbackOptions options = Plain();
  options.confidence.dwell_half = 10;
  options.confidence.position_power = 0.5;
  const FeedbackResult out = Filter(options, data);
  EXPECT_NEAR(out.weight[0], 0.5 * std::sqrt(0.1), 1e-6);
  EXPECT_NEAR(out.weight[1], 0.75, 1e-6);
  EXPECT_EQ(out.verdict[2], FeedbackVerdict::kBadConfidence);
}

}  // namespace
}  // namespace equipoise
