// Reward curves against a full sort at many α, written here a second time.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/reward_curve.h>

namespace equipoise {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

std::vector<RewardCandidate> Sample(Random* random, std::size_t n, double known = 1) {
  std::vector<RewardCandidate> out;
  for (std::size_t i = 0; i < n; ++i) {
    RewardCandidate c{.lexical = static_cast<float>(random->Uniform()),
                      .vector = static_cast<float>(random->Uniform()),
                      .gain = random->Chance(0.2) ? 1.0f : 0.0f};
    if (random->Chance(0.1)) c.gain = 3;
    if (random->Chance(0.2)) c.lexical = 0;  // no term of the query
    if (!random->Chance(known)) c.gain = kUnknown;
    out.push_back(c);
  }
  return out;
}

// nDCG@k or Recall@k at one α, gains all known, by sorting everything.
double Sorted(std::vector<RewardCandidate> candidates, double alpha, std::size_t k, bool recall,
              bool drop_unmatched) {
  std::vector<double> gains;
  for (const auto& c : candidates) gains.push_back(double{c.gain});
  if (drop_unmatched && alpha == 1)
    std::erase_if(candidates, [](const RewardCandidate& c) { return c.lexical == 0; });
  const auto a = static_cast<float>(alpha), b = static_cast<float>(1 - alpha);
  std::stable_sort(candidates.begin(), candidates.end(), [&](const auto& x, const auto& y) {
    return a * x.lexical + b * x.vector > a * y.lexical + b * y.vector;
  });
  std::sort(gains.begin(), gains.end(), std::greater<>());
  double sum = 0, ideal = recall ? std::accumulate(gains.begin(), gains.end(), 0.0) : 0;
  for (std::size_t r = 0; r < k; ++r) {
    const double discount = recall ? 1 : 1 / std::log2(static_cast<double>(r) + 2);
    if (r < candidates.size()) sum += discount * double{candidates[r].gain};
    if (!recall && r < gains.size()) ideal += discount * gains[r];
  }
  return ideal > 0 ? sum / ideal : 0;
}

TEST(RewardCurve, AgreesWithSortingAtEveryAlpha) {
  Random random(1);
  for (int round = 0; round < 50; ++round) {
    auto candidates = Sample(&random, 1 + random.Below(round % 5 == 0 ? 700 : 60));
    if (round % 2 == 0)  // many of one score
      for (auto& c : candidates)
        c.lexical = std::round(4 * c.lexical) / 4, c.vector = std::round(4 * c.vector) / 4;
    for (const bool recall : {false, true}) {
      const std::size_t k = 1 + random.Below(15);
      const auto curve = ComputeRewardCurve(
          candidates,
          {.measure = recall ? RewardMeasure::kRecall : RewardMeasure::kNdcg, .k = k, .grid = 101});
      ASSERT_TRUE(curve.ok()) << curve.error().ToString();
      EXPECT_EQ(curve->known, candidates.size());
      for (std::size_t i = 0; i <= 100; ++i)
        EXPECT_NEAR(curve->values[i],
                    Sorted(candidates, static_cast<double>(i) / 100, k, recall, true), 1e-9);
    }
  }
}

TEST(RewardCurve, UnknownDocumentsOfOneWorthTakeTheRanksThatAreLeft) {
  Random random(3);
  for (int round = 0; round < 50; ++round) {
    auto candidates = Sample(&random, 1 + random.Below(300), 0.1);
    double sum = 0, known = 0;
    for (const auto& c : candidates)
      if (!std::isnan(c.gain)) sum += double{c.gain}, known += 1;
    const RewardCurveOptions options{.k = 1 + random.Below(15),
                                     .unknown = UnknownGain::kExpected,
                                     .unknown_share = 0.5,
                                     .ideal = 100};
    const auto curve = ComputeRewardCurve(candidates, options);
    ASSERT_TRUE(curve.ok()) << curve.error().ToString();
    for (auto& c : candidates)
      if (std::isnan(c.gain)) c.gain = known > 0 ? static_cast<float>(0.5 * sum / known) : 0;
    const auto filled = ComputeRewardCurve(candidates, options);
    ASSERT_TRUE(filled.ok()) << filled.error().ToString();
    for (std::size_t i = 0; i < curve->values.size(); ++i)
      EXPECT_NEAR(curve->values[i], filled->values[i], 1e-6);
  }
}

TEST(RewardCurve, BreakpointsAgreeWithADenseSweep) {
  Random random(2);
  for (int round = 0; round < 30; ++round) {
    auto candidates = Sample(&random, 2 + random.Below(40));
    if (round % 3 == 0)  // coarse scores: many lines meet in one point, some are the same line
      for (auto& c : candidates) {
        c.lexical = std::round(c.lexical * 4) / 4;
        c.vector = std::round(c.vector * 4) / 4;
      }
    const bool recall = round % 2 == 1;
    const RewardCurveOptions options = {
        .measure = recall ? RewardMeasure::kRecall : RewardMeasure::kNdcg, .k = 5};
    const auto pieces = RewardBreakpoints(candidates, options);
    ASSERT_TRUE(pieces.ok()) << pieces.error().ToString();
    ASSERT_FALSE(pieces->empty());
    EXPECT_EQ(pieces->front().begin, 0);
    std::size_t changes = 0;
    double last = -1;
    for (int i = 1; i < 20'000; ++i) {
      const double alpha = (i + 0.31) / 20'001;
      std::size_t piece = pieces->size();
      while ((*pieces)[--piece].begin > alpha) continue;
      const double value = Sorted(candidates, alpha, 5, recall, false);
      const auto near = std::any_of(pieces->begin(), pieces->end(), [&](const RewardPiece& p) {
        return std::abs(p.begin - alpha) < 1e-5;  // float scores are equal just beside a crossing
      });
      if (!near) {
        ASSERT_NEAR((*pieces)[piece].value, value, 1e-9) << "alpha " << alpha;
      }
      if (i > 1 && std::abs(value - last) > 1e-9) ++changes;
      last = value;
    }
    EXPECT_GE(pieces->size(), changes > 0 ? 2u : 1u);
    for (std::size_t i = 1; i < pieces->size(); ++i) {
      EXPECT_GT((*pieces)[i].begin, (*pieces)[i - 1].begin);
      EXPECT_NE((*pieces)[i].value, (*pieces)[i - 1].value);
    }
  }
}

TEST(RewardCurve, TheGridLiesOnTheBreakpoints) {
  Random random(3);
  const auto candidates = Sample(&random, 80);
  const auto curve = ComputeRewardCurve(candidates, {.grid = 21});
  const auto pieces = RewardBreakpoints(candidates);
  ASSERT_TRUE(curve.ok() && pieces.ok());
  for (std::size_t i = 1; i < 20; ++i) {
    std::size_t piece = pieces->size();
    while ((*pieces)[--piece].begin > static_cast<double>(i) / 20) continue;
    EXPECT_NEAR(curve->values[i], (*pieces)[piece].value, 1e-9);
  }
}

TEST(RewardCurve, AnUnknownDocumentIsNotABadOne) {
  // The vector path's favourite was never shown; what was shown is half good.
  const std::vector<RewardCandidate> candidates = {
      {.lexical = 1.0f, .vector = 0.2f, .gain = 1},
      {.lexical = 0.9f, .vector = 0.1f, .gain = 0},
      {.lexical = 0.0f, .vector = 1.0f, .gain = kUnknown},
  };
  const auto at_zero = [&](UnknownGain unknown, double share) {
    return ComputeRewardCurve(candidates, {.k = 1, .unknown = unknown, .unknown_share = share})
        ->values[0];
  };
  EXPECT_EQ(at_zero(UnknownGain::kZero, 0.7), 0);
  EXPECT_NEAR(at_zero(UnknownGain::kExpected, 0.7), 0.35, 1e-9);
  EXPECT_EQ(at_zero(UnknownGain::kCondensed, 0.7), 1);  // the first of those that are known
}

TEST(RewardCurve, AJudgmentOfHalfConfidenceIsHalfUnknown) {
  std::vector<RewardCandidate> candidates = {{.lexical = 1, .vector = 0, .gain = 1},
                                             {.lexical = 0, .vector = 1, .gain = 0}};
  const RewardCurveOptions options = {.k = 1, .unknown_share = 0, .ideal = 1};
  EXPECT_EQ(ComputeRewardCurve(candidates, options)->values[20], 1);
  candidates[0].confidence = 0.5f;
  EXPECT_EQ(ComputeRewardCurve(candidates, options)->values[20], 0.5);
}

TEST(RewardCurve, ASkippedPathLeavesOneAlphaDetermined) {
  std::vector<RewardCandidate> candidates = {{.lexical = kUnknown, .vector = 1, .gain = 1},
                                             {.lexical = kUnknown, .vector = 0.5f, .gain = 0}};
  const auto curve = ComputeRewardCurve(candidates);
  ASSERT_TRUE(curve.ok());
  EXPECT_EQ(curve->values[0], 1);
  for (std::size_t i = 1; i < 21; ++i) EXPECT_TRUE(std::isnan(curve->values[i]));
  EXPECT_EQ(RewardBreakpoints(candidates).error().code(), Code::kInvalidArgument);
  for (auto& c : candidates) std::swap(c.lexical, c.vector);
  EXPECT_EQ(ComputeRewardCurve(candidates)->values[20], 1);
  EXPECT_TRUE(std::isnan(ComputeRewardCurve(candidates)->values[0]));
}

TEST(RewardCurve, NothingRelevantIsAnEmptyCurve) {
  const std::vector<RewardCandidate> bad = {{.lexical = 1, .vector = 0, .gain = 0}};
  EXPECT_TRUE(ComputeRewardCurve(bad)->empty);
  EXPECT_TRUE(ComputeRewardCurve({})->empty);
  EXPECT_EQ(ComputeRewardCurve({})->values, std::vector<double>(21, 0.0));
  EXPECT_EQ(RewardBreakpoints({})->size(), 1u);
}

TEST(RewardCurve, RefusesWhatIsNoScoreAndNoGain) {
  const auto refused = [](RewardCandidate second, RewardCurveOptions options = {}) {
    const std::vector<RewardCandidate> candidates = {{.lexical = 1, .vector = 1, .gain = 1},
                                                     second};
    const auto curve = ComputeRewardCurve(candidates, options);
    const auto pieces = RewardBreakpoints(candidates, options);
    return !curve.ok() && curve.error().code() == Code::kInvalidArgument && !pieces.ok();
  };
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(refused({.lexical = 1.5f, .vector = 0}));
  EXPECT_TRUE(refused({.lexical = 0, .vector = -0.1f}));
  EXPECT_TRUE(refused({.lexical = kUnknown, .vector = 0}));
  EXPECT_TRUE(refused({.lexical = 0, .vector = infinity}));
  EXPECT_TRUE(refused({.lexical = 0, .vector = 0, .gain = -1}));
  EXPECT_TRUE(refused({.lexical = 0, .vector = 0, .gain = infinity}));
  EXPECT_TRUE(refused({.lexical = 0, .vector = 0, .gain = 1, .confidence = kUnknown}));
  EXPECT_TRUE(refused({}, {.k = 0}));
  EXPECT_TRUE(refused({}, {.grid = 1}));
  EXPECT_TRUE(refused({}, {.unknown_share = std::nan("")}));
}

}  // namespace
}  // namespace equipoise
