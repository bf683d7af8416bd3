// Duplicates, bursts, rates, sources that say nothing.
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

TEST(FeedbackFilter, AThousandVotesStandAgainstAHundredZerosOfFiveSources) {
  {
    const double mean = 0.7;
    for (const bool stars : {false, true}) {
      Data data;
      for (std::uint64_t i = 0; i < 1000; ++i) {
        const bool up = i % 10 < 7;
        data.Add(stars ? static_cast<float>(mean + (i % 2 == 0 ? 0.2 : -0.2))
                 : up  ? 1.0f
                       : 0.0f,
                 i, 1);
      }
      const double before = Filter({}, data).total.mean;
      EXPECT_NEAR(before, mean, 1e-3);
      for (std::uint64_t i = 0; i < 111; ++i) data.Add(0, 5000 + i % 5, 1);
      const FeedbackResult out = Filter({}, data);
      EXPECT_LT(std::abs(out.items[0].mean - before), 0.02);
      EXPECT_LT(std::abs(out.total.mean - before), 0.02);
      EXPECT_EQ(out.count(FeedbackVerdict::kDuplicate), 106u);
      // Without the check it would move by 0.07.
      FeedbackOptions open = Plain();
      EXPECT_GT(std::abs(Filter(open, data).total.mean - before), 0.06);
    }
  }
}

TEST(FeedbackFilter, TheLatestOfDuplicatesCountsAndTheFirstOfAnEvent) {
  Data data;
  data.Add(0.1f, 1, 1, 10);
  data.Add(0.2f, 1, 1, 5);
  data.Add(0.3f, 1, 1, 20);
  data.Add(0.4f, 1, 2, 99);
  data.Add(0.5f, 2, 1, 30);
  data.Add(0.6f, 2, 1, 30);
  FeedbackResult out = Filter({}, data);
  using V = FeedbackVerdict;
  EXPECT_THAT(out.verdict, testing::ElementsAre(V::kDuplicate, V::kKept, V::kDuplicate, V::kKept,
                                                V::kDuplicate, V::kKept));
  EXPECT_EQ(out.items[0].kept, 2u);
  EXPECT_EQ(out.items[0].removed, 3u);
  data.event = {9, 7, 9, 8, 7, 6};
  FeedbackOptions options;
  options.abuse.duplicates = false;
  out = Filter(options, data);
  EXPECT_THAT(out.verdict, testing::ElementsAre(V::kKept, V::kKept, V::kDuplicateEvent, V::kKept,
                                                V::kDuplicateEvent, V::kKept));
}

TEST(FeedbackFilter, AVoteWithAnImpossibleDwellTimeReplacesNone) {
  Data data;
  data.Add(0.5f, 1, 1, kDay);
  data.Add(0.75f, 1, 1, 0);  // later, of the same source on the same item, but it cannot be read
  data.dwell = {10, -1};
  FeedbackOptions options;
  options.confidence.dwell_half = 5;
  const FeedbackResult got = Filter(options, data);
  EXPECT_EQ(got.verdict[0], FeedbackVerdict::kKept);
  EXPECT_EQ(got.verdict[1], FeedbackVerdict::kBadConfidence);
  EXPECT_FLOAT_EQ(static_cast<float>(got.total.mean), 0.5f);
}

TEST(FeedbackFilter, BurstsRatesConstantAndUnknownSourcesGo) {
  Data data;
  for (std::uint64_t i = 0; i < 30; ++i)
    data.Add(0.1f * static_cast<float>(i % 9), 1, i, 1e6 - static_cast<double>(i));
  for (std::uint64_t i = 0; i < 30; ++i) data.Add(0.9f, 2, i, 1000.0 * static_cast<double>(i));
  for (std::uint64_t i = 0; i < 30; ++i)
    data.Add(0.1f * static_cast<float>(i % 7), 3, i, 1000.0 * static_cast<double>(i));
  FeedbackOptions options;
  options.abuse.burst_votes = 10;
  options.abuse.burst_seconds = 10;
  FeedbackResult out = Filter(options, data);
  EXPECT_EQ(out.count(FeedbackVerdict::kBurst), 30u);
  EXPECT_EQ(out.verdict[0], FeedbackVerdict::kBurst);
  options.abuse.burst_votes = 11;  // eleven seconds, both ends included, hold 11 ratings
  EXPECT_EQ(Filter(options, data).count(FeedbackVerdict::kBurst), 0u);
  options = {};
  options.abuse.rate_votes = 4;
  options.abuse.rate_seconds = 5000;
  out = Filter(options, data);
  EXPECT_EQ(out.sources[0].kept, 4u);
  EXPECT_EQ(out.sources[1].kept, 24u);
  options = {};
  options.abuse.constant_votes = 20;
  out = Filter(options, data);
  EXPECT_EQ(out.count(FeedbackVerdict::kConstantSource), 30u);
  EXPECT_EQ(out.sources[1].kept, 0u);
  options = {};
  options.known_sources = {3, 1};
  EXPECT_EQ(Filter(options, data).count(FeedbackVerdict::kUnknownSource), 30u);
}

}  // namespace
}  // namespace equipoise
