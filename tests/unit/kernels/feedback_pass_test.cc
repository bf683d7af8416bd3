// The passes over ratings on every instruction set, against one item after the other in double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/feedback_pass.h>
#include <equipoise/kernels/hardware.h>

#include "cpu/feedback_table.h"

namespace equipoise {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kSizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100, 1000, 4096};

struct Data {
  std::vector<float> ratings, confidence;
  std::vector<double> times, rates;
};

Data Random(std::size_t n, bool dirty) {
  std::mt19937_64 random(n + 1);
  std::uniform_real_distribution<double> unit;
  Data data;
  for (std::size_t i = 0; i < n; ++i) {
    data.ratings.push_back(static_cast<float>(unit(random)));
    data.confidence.push_back(static_cast<float>(unit(random)));
    data.times.push_back(1e9 - unit(random) * 1e8);
    data.rates.push_back(1.0 / (86400 * (1 + 30 * unit(random))));
    if (!dirty) continue;
    const double dice = unit(random);
    if (dice < 0.05) data.ratings.back() = kNan;
    if (dice > 0.05 && dice < 0.1) data.ratings.back() = 1.5f;
    if (dice > 0.1 && dice < 0.15) data.times.back() = kInfinity;
    if (dice > 0.15 && dice < 0.2) data.times.back() = 1e12;
    if (dice > 0.2 && dice < 0.25) data.times.back() = 1e9 + 3600;
    if (dice > 0.25 && dice < 0.3) data.confidence.back() = kNan;
    if (dice > 0.3 && dice < 0.35) data.times.back() = -1e12;
  }
  return data;
}

// The naive version: no vector, no fused step, the library's own exp2.
WeighSums Naive(const Data& data, bool confidence, bool rates, const WeighSettings& s,
                std::vector<double>* weights, std::vector<std::uint8_t>* verdicts) {
  WeighSums out;
  for (std::size_t i = 0; i < data.ratings.size(); ++i) {
    const double x = data.ratings[i], age = s.now - data.times[i];
    const double own = confidence ? data.confidence[i] : 1;
    WeighVerdict verdict = WeighVerdict::kKept;
    if (std::isnan(x) || x < s.low || x > s.high) {
      verdict = WeighVerdict::kBadRating;
    } else if (!std::isfinite(data.times[i])) {
      verdict = WeighVerdict::kBadTime;
    } else if (age < -s.max_skew) {
      verdict = WeighVerdict::kFuture;
    } else if (std::isnan(own) || own < 0 || own > 1) {
      verdict = WeighVerdict::kBadConfidence;
    } else if (std::abs(x - s.center) > s.limit) {
      verdict = WeighVerdict::kOutlier;
    }
    double w = 0;
    if (verdict == WeighVerdict::kKept) {
      w = own * std::exp2(-std::max(age, 0.0) * (rates ? data.rates[i] : s.rate));
      if (w < std::numeric_limits<float>::min()) w = 0;
      out.clamped += age < 0;
      const double d = x - s.center;
      out.weight += w;
      out.weight_squares += w * w;
      out.deviation += w * d;
      out.deviation_squares += w * d * d;
    }
    ++out.verdicts[static_cast<int>(verdict)];
    weights->push_back(w);
    verdicts->push_back(static_cast<std::uint8_t>(verdict));
  }
  return out;
}

class FeedbackPass : public testing::TestWithParam<SimdLevel> {
 protected:
  const FeedbackTable& table() const { return FeedbackKernels(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Kernels, FeedbackPass, testing::ValuesIn(AvailableSimdLevels()),
                         [](const auto& p) { return std::string(SimdLevelName(p.param)); });

TEST_P(FeedbackPass, WeightsVerdictsAndSumsAreThoseOfTheNaiveVersion) {
  for (const std::size_t n : kSizes) {
    for (int variant = 0; variant < 8; ++variant) {
      const bool confidence = (variant & 1) != 0, rates = (variant & 2) != 0;
      const Data data = Random(n, (variant & 4) != 0);
      const WeighSettings settings{.now = 1e9,
                                   .max_skew = 86400,
                                   .rate = 1.0 / 1209600,
                                   .center = 0.5,
                                   .limit = 0.4,
                                   .low = 0,
                                   .high = 1};
      std::vector<double> weights;
      std::vector<std::uint8_t> verdicts;
      const WeighSums want = Naive(data, confidence, rates, settings, &weights, &verdicts);
      std::vector<float> got_weights(n);
      std::vector<std::uint8_t> got_verdicts(n);
      const WeighSums got = table().weigh(data.ratings.data(), data.times.data(),
                                          confidence ? data.confidence.data() : nullptr,
                                          rates ? data.rates.data() : nullptr, n, settings,
                                          got_weights.data(), got_verdicts.data());
      EXPECT_EQ(got_verdicts, verdicts) << n;
      for (std::size_t i = 0; i < n; ++i)
        ASSERT_NEAR(got_weights[i], weights[i], 1e-7 * weights[i]) << n << " " << i;
      EXPECT_NEAR(got.weight, want.weight, 1e-8 * want.weight);
      EXPECT_NEAR(got.weight_squares, want.weight_squares, 1e-8 * want.weight_squares);
      EXPECT_NEAR(got.deviation, want.deviation, 1e-8 * want.weight);
      EXPECT_NEAR(got.deviation_squares, want.deviation_squares, 1e-8 * want.weight);
      EXPECT_EQ(got.clamped, want.clamped);
      for (int v = 0; v < 6; ++v) EXPECT_EQ(got.verdicts[v], want.verdicts[v]) << n << " " << v;
    }
  }
}

TEST_P(FeedbackPass, PowersOfTwoAreWithinTheBoundOverTheWholeRange) {
  const std::size_t n = 200'000;
  std::vector<float> ratings(n, 0.5f), weights(n);
  std::vector<double> times(n);
  std::vector<std::uint8_t> verdicts(n);
  for (std::size_t i = 0; i < n; ++i) times[i] = -126.0 * static_cast<double>(i) / (n - 1);
  const WeighSettings settings{
      .now = 0, .max_skew = 0, .rate = 1, .center = 0.5, .limit = kInfinity, .low = 0, .high = 1};
  table().weigh(ratings.data(), times.data(), nullptr, nullptr, n, settings, weights.data(),
                verdicts.data());
  double worst = 0;
  for (std::size_t i = 0; i + 1 < n; ++i)
    worst = std::max(worst, std::abs(weights[i] / std::exp2(times[i]) - 1));
  EXPECT_LE(worst, 1e-7);
  EXPECT_EQ(weights[0], 1.0f);
  for (int k = 0; k <= 125; ++k) {
    const float rating = 0.5f;
    const double time = -k;
    float weight = 0;
    std::uint8_t verdict = 0;
    table().weigh(&rating, &time, nullptr, nullptr, 1, settings, &weight, &verdict);
    EXPECT_EQ(weight, std::exp2(static_cast<float>(-k)));
  }
}

TEST_P(FeedbackPass, WeightsOfVeryOldItemsAreExactlyZeroAndNeverDenormal) {
  std::vector<float> ratings(64, 0.5f), weights(64), confidence(64, 1e-5f);
  std::vector<double> times(64);
  std::vector<std::uint8_t> verdicts(64);
  for (std::size_t i = 0; i < 64; ++i) times[i] = -1209600.0 * (100.0 + static_cast<double>(i));
  times[63] = -1e12;
  times[62] = -1e300;
  const WeighSettings settings{.now = 0,
                               .max_skew = 0,
                               .rate = 1.0 / 1209600,
                               .center = 0.5,
                               .limit = kInfinity,
                               .low = 0,
                               .high = 1};
  const WeighSums sums = table().weigh(ratings.data(), times.data(), confidence.data(), nullptr, 64,
                                       settings, weights.data(), verdicts.data());
  EXPECT_EQ(sums.verdicts[0], 64u);
  EXPECT_GT(weights[0], 0.0f);
  EXPECT_EQ(weights[63], 0.0f);
  EXPECT_EQ(weights[62], 0.0f);
  for (const float weight : weights)
    EXPECT_TRUE(weight == 0 || weight >= std::numeric_limits<float>::min());
}

TEST_P(FeedbackPass, MomentsPassOverWhatIsOutsideTheScale) {
  for (const std::size_t n : kSizes) {
    const Data data = Random(n, true);
    const RatingSums got = table().sum(data.ratings.data(), n, 0, 1, 0.25);
    std::uint64_t count = 0;
    double sum = 0, squares = 0;
    for (const float x : data.ratings) {
      if (!(x >= 0 && x <= 1)) continue;
      ++count;
      sum += x - 0.25;
      squares += (x - 0.25) * (x - 0.25);
    }
    EXPECT_EQ(got.count, count);
    EXPECT_NEAR(got.sum, sum, 1e-12 * static_cast<double>(n + 1));
    EXPECT_NEAR(got.sum_squares, squares, 1e-12 * static_cast<double>(n + 1));
  }
}

TEST_P(FeedbackPass, TheFirstOtherRatingIsFoundWhereverItStands) {
  std::mt19937_64 random(9);
  const float known[] = {0, 0.25f, 0.5f, 0.75f, 1, -0.5f, 2};
  for (const std::size_t n : kSizes) {
    for (const std::size_t count : {0, 1, 2, 5, 7}) {
      for (int round = 0; round < 20; ++round) {
        std::vector<float> ratings(n);
        for (float& x : ratings) x = known[random() % std::max<std::size_t>(count, 1)];
        // Others inside the scale, and what is passed over because it is outside.
        for (std::size_t k = 0; n > 0 && k < random() % 4; ++k)
          ratings[random() % n] = round % 2 == 0 ? 0.1f : std::nextafter(0.25f, 1.0f);
        if (n > 0) ratings[random() % n] = round % 3 == 0 ? kNan : -0.1f;
        std::size_t want = 0;
        const auto end = known + count;
        while (want < n && (!(ratings[want] >= 0 && ratings[want] <= 1) ||
                            std::find(known, end, ratings[want]) != end))
          ++want;
        ASSERT_EQ(table().first_other(ratings.data(), n, 0, 1, known, count), want)
            << n << " " << count;
      }
    }
  }
}

}  // namespace
}  // namespace equipoise
