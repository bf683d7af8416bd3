// Rows, columns and options that are wrong or odd.
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

TEST(FeedbackFilter, TimesAheadAreClampedUpToADayAndRefusedBeyond) {
  Data data = Random(100, false);
  data.time[3] = kNow + kDay;
  data.time[4] = kNow + kDay + 1;
  data.time[5] = 1000 * kNow;  // milliseconds
  data.time[6] = -kInfinity;
  const FeedbackResult out = Filter(Plain(), data);
  EXPECT_EQ(out.clamped, 1u);
  EXPECT_EQ(out.weight[3], data.confidence[3]);
  EXPECT_EQ(out.verdict[4], FeedbackVerdict::kFuture);
  EXPECT_EQ(out.verdict[5], FeedbackVerdict::kFuture);
  EXPECT_EQ(out.verdict[6], FeedbackVerdict::kBadTime);
  EXPECT_EQ(out.weight[5], 0);
  EXPECT_EQ(out.count(FeedbackVerdict::kFuture), 2u);
  // The refused rows are not in the sample that sigma looks at.
  Data clean = data;
  for (const std::size_t row : {6, 5, 4}) {
    clean.rating.erase(clean.rating.begin() + static_cast<std::ptrdiff_t>(row));
    clean.time.erase(clean.time.begin() + static_cast<std::ptrdiff_t>(row));
    clean.confidence.erase(clean.confidence.begin() + static_cast<std::ptrdiff_t>(row));
    clean.domain.pop_back();
  }
  EXPECT_NEAR(Filter(Plain(), clean).total.mean, out.total.mean, 1e-8);
}

TEST(FeedbackFilter, ABatchInMillisecondsRaisesTheAlarm) {
  Data data = Random(100, false);
  for (double& time : data.time) time *= 1000;
  const FeedbackResult out = Filter(Plain(), data);
  EXPECT_EQ(out.count(FeedbackVerdict::kFuture), 100u);
  ASSERT_EQ(out.alarms.size(), 1u);
  EXPECT_EQ(out.alarms[0].kind, FeedbackAlarmKind::kMostRefused);
  EXPECT_EQ(out.total.kept, 0u);
  EXPECT_EQ(out.total.mean, 0);
}

TEST(FeedbackFilter, ARowInMillisecondsChangesNothingForTheOthers) {
  // Rows that are refused for their time or confidence need other passes than those without.
  for (const int few_values : {0, 5}) {
    Data data = Random(20000, false);
    FeedbackOptions options = Plain();
    options.outliers.few_values = few_values;
    const FeedbackResult want = Filter(options, data);
    for (const std::size_t at : {std::size_t{0}, data.rating.size() / 2}) {
      Data more = data;
      const auto insert = [at](auto* column, auto value) {
        column->insert(column->begin() + static_cast<std::ptrdiff_t>(at), value);
      };
      for (int bad = 0; bad < 3; ++bad) {
        insert(&more.rating, 0.0f);  // an outlier, were it readable
        insert(&more.time, bad == 0 ? kNow * 1000 : bad == 1 ? kInfinity : kNow);
        insert(&more.confidence, bad == 2 ? kNan : 1.0f);
        insert(&more.domain, 0u);
      }
      const FeedbackResult got = Filter(options, more);
      EXPECT_EQ(got.counts[0], want.counts[0]);
      EXPECT_EQ(got.count(FeedbackVerdict::kOutlier), want.count(FeedbackVerdict::kOutlier));
      EXPECT_EQ(got.count(FeedbackVerdict::kFuture), 1u);
      EXPECT_EQ(got.count(FeedbackVerdict::kBadTime), 1u);
      EXPECT_EQ(got.count(FeedbackVerdict::kBadConfidence), 1u);
      EXPECT_NEAR(got.total.mean, want.total.mean, 1e-12);
      EXPECT_NEAR(got.total.Variance(), want.total.Variance(), 1e-12);
    }
  }
}

TEST(FeedbackFilter, BadRatingsAndConfidencesGetAVerdictAndTheRestCounts) {
  Data data = Random(200, false);
  data.rating[0] = kNan;
  data.rating[1] = 1.01f;
  data.rating[2] = -0.01f;
  data.confidence[3] = kNan;
  data.confidence[4] = 1.5f;
  data.confidence[5] = -0.0f;
  const FeedbackResult out = Filter(Plain(), data);
  EXPECT_EQ(out.count(FeedbackVerdict::kBadRating), 3u);
  EXPECT_EQ(out.count(FeedbackVerdict::kBadConfidence), 2u);
  EXPECT_EQ(out.verdict[5], FeedbackVerdict::kKept);
  EXPECT_EQ(out.weight[5], 0);
  EXPECT_EQ(std::accumulate(out.counts.begin(), out.counts.end(), std::uint64_t{0}), 200u);
  EXPECT_TRUE(std::isfinite(out.total.mean));
}

TEST(FeedbackFilter, EmptyOneEqualAndVeryOldBatchesAreHandled) {
  EXPECT_EQ(Filter({}, {}).total.kept, 0u);
  Data one;
  one.Add(0.7f, 1, 2);
  const FeedbackResult single = Filter({}, one);
  EXPECT_EQ(single.verdict[0], FeedbackVerdict::kKept);
  EXPECT_NEAR(single.total.mean, 0.7, 1e-7);
  EXPECT_EQ(single.groups.too_small, 1u);
  EXPECT_EQ(single.items[0].key, 2u);
  EXPECT_EQ(single.sources[0].key, 1u);
  Data equal = Random(100, false);
  equal.rating.assign(100, 0.3f);
  FeedbackOptions options = Plain();
  options.outliers.few_values = 0;
  EXPECT_EQ(Filter(options, equal).groups.no_spread, 1u);
  EXPECT_EQ(Filter(options, equal).count(FeedbackVerdict::kKept), 100u);
  Data old = Random(100, true);
  for (double& time : old.time) time = kNow - 1e12;
  for (const FeedbackOptions& o : {Plain(), FeedbackOptions()}) {
    const FeedbackResult out = Filter(o, old);
    EXPECT_THAT(out.weight, testing::Each(0.0f));
    ASSERT_FALSE(out.alarms.empty());
    EXPECT_EQ(out.alarms.back().kind, FeedbackAlarmKind::kAllExpired);
  }
}

TEST(FeedbackFilter, AnEmptyBatchHasNoGroupThatIsTooSmall) {
  EXPECT_EQ(Filter(Plain(), {}).groups.too_small, 0u);
  EXPECT_EQ(Filter({}, {}).groups.too_small, 0u);
}

TEST(FeedbackFilter, AnAgeBeyondEveryNumberWeighsNothing) {
  Data data;
  data.Add(0.5f, 1, 1);
  data.time[0] = -std::numeric_limits<double>::max();
  const auto got = FeedbackFilter(Plain()).Apply(data.batch(), std::numeric_limits<double>::max());
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->weight[0], 0);
  EXPECT_EQ(got->count(FeedbackVerdict::kKept), 1u);
  FeedbackOptions lasting = Plain();
  lasting.half_life = kInfinity;
  EXPECT_EQ(
      FeedbackFilter(lasting).Apply(data.batch(), std::numeric_limits<double>::max())->weight[0],
      1);
}

TEST(FeedbackFilter, StridedColumnsAreReadWhereTheyLie) {
  const Data data = Random(10'000, false);
  struct Row {
    double time;
    float rating, confidence;
  };
  std::vector<Row> rows;
  for (std::size_t i = 0; i < 10'000; ++i)
    rows.push_back({data.time[i], data.rating[i], data.confidence[i]});
  FeedbackBatch batch;
  batch.rating = {&rows[0].rating, rows.size(), 4};
  batch.confidence = {&rows[0].confidence, rows.size(), 4};
  batch.time = {&rows[0].time, rows.size(), 2};
  const auto strided = FeedbackFilter(Plain()).Apply(batch, kNow);
  ASSERT_TRUE(strided.ok());
  ExpectSame(*strided, Filter(Plain(), data));
}

TEST(FeedbackFilter, CountsMoreThanTwoToThe31OnAStridedView) {
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
  GTEST_SKIP() << "two billion items: in optimized builds only";
#endif
  const std::uint64_t n = (std::uint64_t{1} << 31) + 12'345;
  const float rating = 0.25f;
  const double time = kNow - 14 * kDay;
  FeedbackBatch batch;
  batch.rating = {&rating, n, 0};
  batch.time = {&time, n, 0};
  FeedbackOptions options = Plain();
  options.keep_items = false;
  options.outliers.few_values = 0;
  options.threads = 2;
  const auto out = FeedbackFilter(options).Apply(batch, kNow);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->total.kept, n);
  EXPECT_DOUBLE_EQ(out->total.weight, 0.5 * static_cast<double>(n));
  EXPECT_DOUBLE_EQ(out->total.mean, 0.25);
}

TEST(FeedbackFilter, WrongOptionsAndColumnsAreNamed) {
  const Data data = Random(10, true);
  const auto refused = [&](const FeedbackOptions& options, const FeedbackBatch& batch, double now) {
    const auto out = FeedbackFilter(options).Apply(batch, now);
    EXPECT_FALSE(out.ok());
    return out.error().where().field;
  };
  FeedbackOptions options;
  options.half_life = 0;
  EXPECT_EQ(refused(options, data.batch(), kNow), "options.half_life");
  options = {};
  options.rating_low = 1;
  EXPECT_EQ(refused(options, data.batch(), kNow), "rating_high");
  options = {};
  options.threads = 0;
  EXPECT_EQ(refused(options, data.batch(), kNow), "options.threads");
  EXPECT_EQ(refused({}, data.batch(), std::nan("")), "now");
  FeedbackBatch batch = data.batch();
  batch.item.size = 9;
  EXPECT_EQ(refused({}, batch, kNow), "item");
  batch = data.batch();
  batch.time.size = 9;
  EXPECT_EQ(refused({}, batch, kNow), "batch.time.size");
  batch = data.batch();
  batch.time.data = nullptr;
  EXPECT_EQ(refused({}, batch, kNow), "time");
  batch = data.batch();
  batch.source.data = nullptr;
  EXPECT_EQ(refused({}, batch, kNow), "source");
}

}  // namespace
}  // namespace equipoise
