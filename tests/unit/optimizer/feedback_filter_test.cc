#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/optimizer/feedback_filter.h>

namespace equipoise {
namespace {

constexpr double kNow = 1.7e9;
constexpr double kDay = 86400;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Data {
  std::vector<float> rating, confidence, dwell;
  std::vector<double> time;
  std::vector<std::uint64_t> source, item, event;
  std::vector<std::uint32_t> domain, position;

  FeedbackBatch batch() const {
    return {rating, time, source, item, domain, event, confidence, position, dwell};
  }
  void Add(float x, std::uint64_t s, std::uint64_t i, double age = 0) {
    rating.push_back(x);
    time.push_back(kNow - age);
    source.push_back(s);
    item.push_back(i);
  }
};

Data Random(std::size_t n, bool ids) {
  std::mt19937_64 random(n);
  std::uniform_real_distribution<double> unit;
  std::normal_distribution<double> normal(0.5, 0.1);
  Data data;
  for (std::size_t i = 0; i < n; ++i) {
    data.rating.push_back(static_cast<float>(std::clamp(normal(random), 0.0, 1.0)));
    data.time.push_back(kNow - unit(random) * 60 * kDay);
    data.confidence.push_back(static_cast<float>(unit(random)));
    data.domain.push_back(static_cast<std::uint32_t>(random() % 4));
    if (!ids) continue;
    data.source.push_back(random() % (n / 5 + 1));
    data.item.push_back(random() % (n / 50 + 1) * 1'000'003);
  }
  return data;
}

// Decay, own confidence, one global sigma pass, weighted mean.
FeedbackOptions Plain() {
  FeedbackOptions options;
  options.abuse.duplicates = false;
  options.confidence.reliability = options.confidence.evidence = false;
  options.by_item = options.by_source = false;
  return options;
}

FeedbackResult Filter(const FeedbackOptions& options, const Data& data) {
  auto out = FeedbackFilter(options).Apply(data.batch(), kNow);
  EXPECT_TRUE(out.ok()) << out.error().ToString();
  return out.ok() ? *out : FeedbackResult();
}

bool SameBits(double a, double b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

void ExpectSame(const FeedbackResult& a, const FeedbackResult& b) {
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.verdict, b.verdict);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_EQ(a.reliability, b.reliability);
  EXPECT_EQ(a.items.size(), b.items.size());
  const auto same = [](const FeedbackAggregate& x, const FeedbackAggregate& y) {
    return x.key == y.key && x.kept == y.kept && x.removed == y.removed &&
           SameBits(x.mean, y.mean) && SameBits(x.weight, y.weight) &&
           SameBits(x.squares, y.squares) && SameBits(x.weight_squares, y.weight_squares);
  };
  EXPECT_TRUE(same(a.total, b.total));
  for (std::size_t i = 0; i < a.items.size(); ++i) EXPECT_TRUE(same(a.items[i], b.items[i]));
  for (std::size_t i = 0; i < a.sources.size(); ++i) EXPECT_TRUE(same(a.sources[i], b.sources[i]));
}

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

TEST(FeedbackFilter, ResultsAreBitIdenticalForAnyNumberOfThreads) {
  for (const bool ids : {false, true}) {
    const Data data = Random(300'000, ids);
    FeedbackOptions options;
    const FeedbackResult one = Filter(options, data);
    for (const int threads : {2, 3, 8}) {
      options.threads = threads;
      ExpectSame(Filter(options, data), one);
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

TEST(FeedbackFilter, RareClicksAreNotCut) {
  Data data = Random(1000, false);
  for (std::size_t i = 0; i < 1000; ++i) data.rating[i] = i % 20 == 0 ? 1.0f : 0.0f;
  const FeedbackResult out = Filter(Plain(), data);
  EXPECT_EQ(out.count(FeedbackVerdict::kOutlier), 0u);
  EXPECT_EQ(out.groups.few_values, 1u);
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

TEST(FeedbackFilter, GroupsAreTheSameWhateverTheIdsLookLike) {
  // Dense ids are looked up, wide ones sorted; the order of ids is kept, so all else is equal.
  const Data dense = [] {
    Data data = Random(150'000, true);
    for (auto& item : data.item) item /= 1'000'003;
    return data;
  }();
  FeedbackOptions options;
  options.abuse.burst_votes = 3;
  options.abuse.burst_seconds = 100000;
  options.abuse.constant_votes = 2;
  options.grouping = FeedbackGrouping::kItem;
  const FeedbackResult want = Filter(options, dense);
  ASSERT_GT(want.count(FeedbackVerdict::kDuplicate), 0u);
  ASSERT_GT(want.count(FeedbackVerdict::kBurst), 0u);
  for (const std::uint64_t factor : {std::uint64_t{1'000'003}, std::uint64_t{0x1234567890}}) {
    Data wide = dense;
    for (auto& item : wide.item) item *= factor;
    for (auto& source : wide.source) source = source * factor + 77;
    for (const int threads : {1, 2, 8}) {
      options.threads = threads;
      const FeedbackResult got = Filter(options, wide);
      EXPECT_EQ(got.weight, want.weight);
      EXPECT_EQ(got.verdict, want.verdict);
      EXPECT_EQ(got.reliability, want.reliability);
      ASSERT_EQ(got.items.size(), want.items.size());
      for (std::size_t i = 0; i < got.items.size(); ++i) {
        EXPECT_EQ(got.items[i].key, want.items[i].key * factor);
        EXPECT_TRUE(SameBits(got.items[i].mean, want.items[i].mean));
      }
    }
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

TEST(FeedbackFilter, AnEmptyBatchHasNoGroupThatIsTooSmall) {
  EXPECT_EQ(Filter(Plain(), {}).groups.too_small, 0u);
  EXPECT_EQ(Filter({}, {}).groups.too_small, 0u);
}

}  // namespace
}  // namespace equipoise
