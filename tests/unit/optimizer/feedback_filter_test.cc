// What the filter computes, against a plain version of it.
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

// One item after the other, as the header states it.
struct Naive {
  std::vector<double> weight;
  std::vector<bool> outlier;
  double mean = 0, variance = 0, effective = 0;
};

Naive NaiveSigma(const Data& data, double half_life, double sigma) {
  Naive out;
  const auto n = static_cast<double>(data.rating.size());
  const double mean = std::accumulate(data.rating.begin(), data.rating.end(), 0.0) / n;
  double squares = 0;
  for (const double x : data.rating) squares += (x - mean) * (x - mean);
  const double deviation = std::sqrt(squares / (n - 1));
  double w1 = 0, w2 = 0, wx = 0;
  for (std::size_t i = 0; i < data.rating.size(); ++i) {
    out.outlier.push_back(std::abs(data.rating[i] - mean) > sigma * deviation);
    out.weight.push_back(
        out.outlier[i] ? 0 : data.confidence[i] * std::exp2(-(kNow - data.time[i]) / half_life));
    w1 += out.weight[i];
    w2 += out.weight[i] * out.weight[i];
    wx += out.weight[i] * data.rating[i];
  }
  out.mean = wx / w1;
  for (std::size_t i = 0; i < data.rating.size(); ++i)
    out.variance += out.weight[i] * (data.rating[i] - out.mean) * (data.rating[i] - out.mean);
  out.variance /= w1 - w2 / w1;
  out.effective = w1 * w1 / w2;
  return out;
}

TEST(FeedbackFilter, DecayConfidenceSigmaAndMeanAreThoseOfTheNaiveVersion) {
  for (const std::size_t n : {11, 12, 100, 1000, 4095, 4096, 4097, 50'000}) {
    const Data data = Random(n, false);
    FeedbackOptions options = Plain();
    options.outliers.sigma = 2.5;
    const Naive want = NaiveSigma(data, options.half_life, 2.5);
    for (const bool whole : {false, true}) {
      Data input = data;
      // A column of ids sends the batch through the general path.
      if (whole) input.event.resize(n);
      std::iota(input.event.begin(), input.event.end(), 5);
      const FeedbackResult got = Filter(options, input);
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(got.verdict[i] == FeedbackVerdict::kOutlier, want.outlier[i]) << n << " " << i;
        ASSERT_NEAR(got.weight[i], want.weight[i], 1e-7);
      }
      EXPECT_NEAR(got.total.mean, want.mean, 1e-7);
      EXPECT_NEAR(got.total.Variance(), want.variance, 1e-6 * want.variance);
      EXPECT_NEAR(got.total.EffectiveSize(), want.effective, 1e-6 * want.effective);
      EXPECT_EQ(got.groups.applied, 1u);
    }
  }
}

TEST(FeedbackFilter, AHalfLifeHalvesAndEachDomainHasItsOwn) {
  Data data;
  for (int i = 0; i < 4; ++i) {
    data.rating.push_back(0.5f);
    data.time.push_back(kNow - 7 * kDay);
  }
  data.domain = {1, 2, 3, 4};
  FeedbackOptions options = Plain();
  options.half_life = 7 * kDay;
  options.domain_half_lives = {{4, kInfinity}, {2, kDay}};
  EXPECT_THAT(Filter(options, data).weight, testing::ElementsAre(0.5f, 0.0078125f, 0.5f, 1.0f));
}

TEST(FeedbackFilter, RareClicksAreNotCut) {
  Data data = Random(1000, false);
  for (std::size_t i = 0; i < 1000; ++i) data.rating[i] = i % 20 == 0 ? 1.0f : 0.0f;
  const FeedbackResult out = Filter(Plain(), data);
  EXPECT_EQ(out.count(FeedbackVerdict::kOutlier), 0u);
  EXPECT_EQ(out.groups.few_values, 1u);
}

TEST(FeedbackFilter, OneRatingAmongThousandsDecidesWhetherThereAreFewValues) {
  // Five values, as stars have, and far behind a sixth; or one that is refused.
  for (const std::size_t at : {70, 4095, 4096, 9'999}) {
    for (const int what : {0, 1, 2, 3}) {
      Data data = Random(10'000, false);
      for (std::size_t i = 0; i < data.rating.size(); ++i)
        data.rating[i] = 0.25f * static_cast<float>(i % 5);
      if (what > 0) data.rating[at] = 0.3f;
      if (what == 2) data.time[at] = kInfinity;
      if (what == 3) data.event.assign(10'000, 0);
      std::iota(data.event.begin(), data.event.end(), 1);
      const FeedbackResult out = Filter(Plain(), data);
      const bool many = what == 1 || what == 3;
      EXPECT_EQ(out.groups.applied, many ? 1u : 0u) << at << " " << what;
      EXPECT_EQ(out.groups.few_values, many ? 0u : 1u) << at << " " << what;
    }
  }
}

TEST(FeedbackFilter, MoreOutliersThanTheCapRaiseAnAlarm) {
  Data data = Random(100, false);
  for (std::size_t i = 0; i < 100; ++i)
    data.rating[i] = i < 20 ? 0.99f : 0.1f + 0.0001f * static_cast<float>(i);
  FeedbackOptions options = Plain();
  options.outliers.method = OutlierMethod::kMad;
  const FeedbackResult out = Filter(options, data);
  EXPECT_EQ(out.count(FeedbackVerdict::kOutlier), 10u);
  ASSERT_EQ(out.alarms.size(), 1u);
  EXPECT_EQ(out.alarms[0].kind, FeedbackAlarmKind::kOutlierCap);
  EXPECT_EQ(out.alarms[0].count, 10u);
  // One-pass sigma too, where the usual path finds too many.
  options.outliers.method = OutlierMethod::kSigma;
  options.outliers.sigma = 1.5;
  EXPECT_EQ(Filter(options, data).count(FeedbackVerdict::kOutlier), 10u);
}

TEST(FeedbackFilter, GroupsAreJudgedByThemselves) {
  // 0.9 is usual for item 1 and far out for item 2.
  Data data;
  for (std::uint64_t i = 0; i < 40; ++i) {
    data.Add(0.85f + 0.002f * static_cast<float>(i), i, 1);
    data.Add(0.1f + 0.002f * static_cast<float>(i), i, 2);
  }
  data.Add(0.9f, 77, 2);
  data.Add(0.2f, 78, 3);
  FeedbackOptions options = Plain();
  EXPECT_EQ(Filter(options, data).count(FeedbackVerdict::kOutlier), 0u);
  options.grouping = FeedbackGrouping::kItem;
  const FeedbackResult out = Filter(options, data);
  EXPECT_EQ(out.count(FeedbackVerdict::kOutlier), 1u);
  EXPECT_EQ(out.verdict[80], FeedbackVerdict::kOutlier);
  EXPECT_EQ(out.groups.applied, 2u);
  EXPECT_EQ(out.groups.too_small, 1u);
  data.domain.assign(data.rating.size(), 0);
  for (std::size_t i = 0; i < data.domain.size(); ++i)
    data.domain[i] = static_cast<std::uint32_t>(data.item[i]);
  options.grouping = FeedbackGrouping::kDomain;
  EXPECT_EQ(Filter(options, data).verdict[80], FeedbackVerdict::kOutlier);
  options.grouping = FeedbackGrouping::kSource;
  EXPECT_EQ(Filter(options, data).groups.too_small, 42u);
}

TEST(FeedbackFilter, AResultThatIsUsedAgainIsAsANewOne) {
  const FeedbackFilter filter{FeedbackOptions()};
  FeedbackResult out;
  for (const std::size_t n : {500, 20, 0, 3000}) {
    const Data data = Random(n, true);
    ASSERT_TRUE(filter.Apply(data.batch(), kNow, &out).ok());
    ExpectSame(out, *filter.Apply(data.batch(), kNow));
    EXPECT_EQ(out.weight.size(), n);
  }
}

TEST(FeedbackFilter, ACopyAndAMovedFromFilterStillFilter) {
  const Data data = Random(2000, true);
  FeedbackFilter first{FeedbackOptions()};
  const FeedbackFilter copy = first;
  const FeedbackFilter moved = std::move(first);
  const auto want = moved.Apply(data.batch(), kNow);
  ASSERT_TRUE(want.ok());
  ExpectSame(*copy.Apply(data.batch(), kNow), *want);
  first = copy;
  ExpectSame(*first.Apply(data.batch(), kNow), *want);
}

}  // namespace
}  // namespace equipoise
