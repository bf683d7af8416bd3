#include <cmath>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/off_policy.h>
#include <equipoise/optimizer/weight_policies.h>

namespace equipoise {
namespace {

// Two decisions, the log takes the second in 1 of 4; computed by hand.
TEST(OffPolicy, EstimatesAreThoseOfTheFormulas) {
  const std::vector<OffPolicySample> samples = {
      {.reward = 1, .propensity = 0.75, .target = 0.5, .predicted = 0.5, .predicted_target = 0.4},
      {.reward = 0, .propensity = 0.75, .target = 0.5, .predicted = 0.5, .predicted_target = 0.4},
      {.reward = 0.5,
       .propensity = 0.25,
       .target = 0.5,
       .predicted = 0.3,
       .predicted_target = 0.4}};
  const auto out = EvaluateOffPolicy(samples);
  ASSERT_TRUE(out.ok());
  const double w = 2.0 / 3, v = 2;
  EXPECT_NEAR(out->ips.mean, (w + v * 0.5) / 3, 1e-12);
  EXPECT_NEAR(out->snips.mean, (w + v * 0.5) / (2 * w + v), 1e-12);
  EXPECT_NEAR(out->doubly_robust.mean, 0.4 + (w * 0.5 - w * 0.5 + v * 0.2) / 3, 1e-12);
  EXPECT_NEAR(out->ips.effective, std::pow(2 * w + v, 2) / (2 * w * w + v * v), 1e-12);
  EXPECT_EQ(out->largest_weight, v);
  EXPECT_EQ(out->samples, 3u);
  EXPECT_FALSE(out->ips.reliable);
}

TEST(OffPolicy, UnderAUniformLogReplayIsTheMeanOfTheDecisionsShared) {
  Random random(3);
  std::vector<OffPolicySample> samples;
  double sum = 0, count = 0;
  for (int i = 0; i < 500; ++i) {
    const bool same = random.Chance(0.25);
    const double reward = random.Uniform();
    samples.push_back({.reward = reward, .propensity = 0.25, .target = same ? 1.0 : 0.0});
    if (!same) continue;
    sum += reward;
    count += 1;
  }
  const auto out = EvaluateOffPolicy(samples);
  ASSERT_TRUE(out.ok());
  EXPECT_NEAR(out->replay.mean, sum / count, 1e-12);
  EXPECT_NEAR(out->replay.effective, count, 1e-9);
  EXPECT_NEAR(out->snips.mean, sum / count, 1e-12);
}

TEST(OffPolicy, OfTheLoggingPolicyItselfAllAreThePlainMean) {
  Random random(4);
  std::vector<OffPolicySample> samples;
  std::vector<double> rewards;
  for (int i = 0; i < 400; ++i) {
    rewards.push_back(random.Uniform());
    samples.push_back({.reward = rewards.back(), .propensity = 1, .target = 1});
  }
  const auto out = EvaluateOffPolicy(samples);
  const MeanInterval mean = MeanOf(rewards);
  for (const OffPolicyEstimate& one : {out->replay, out->ips, out->snips, out->doubly_robust}) {
    EXPECT_NEAR(one.mean, mean.mean, 1e-12);
    EXPECT_NEAR(one.low, mean.low, 1e-12);
    EXPECT_NEAR(one.high, mean.high, 1e-12);
    EXPECT_TRUE(one.reliable);
  }
}

TEST(OffPolicy, WhatNoLogCanTellHasNoSampleSize) {
  const std::vector<OffPolicySample> samples(300, {.reward = 0.5, .propensity = 0.5, .target = 0});
  const auto out = EvaluateOffPolicy(samples);
  ASSERT_TRUE(out.ok());
  for (const OffPolicyEstimate& one : {out->replay, out->ips, out->snips, out->doubly_robust})
    EXPECT_FALSE(one.reliable);
  for (const OffPolicyEstimate& one : {out->replay, out->ips, out->snips, out->doubly_robust}) {
    EXPECT_EQ(one.low, 0);
    EXPECT_EQ(one.high, 1);
  }
}

TEST(OffPolicy, TheSmallestPropensityStillGivesNumbers) {
  std::vector<OffPolicySample> samples(
      3, {.reward = 1, .propensity = kLeastPropensity, .target = 1, .predicted = 0.5});
  const auto out = EvaluateOffPolicy(samples);
  ASSERT_TRUE(out.ok());
  for (const OffPolicyEstimate& one : {out->replay, out->ips, out->snips, out->doubly_robust}) {
    EXPECT_TRUE(std::isfinite(one.mean));
    EXPECT_NEAR(one.effective, 3, 1e-9);
    EXPECT_GE(one.low, 0);
    EXPECT_LE(one.high, 1);
  }
  samples[2].propensity = 1e-308;
  EXPECT_EQ(EvaluateOffPolicy(samples).error().where().field, "propensity");
}

TEST(OffPolicy, ValuesOutOfRangeAreRefusedByNameAndPlace) {
  const OffPolicySample good = {.reward = 0.5, .propensity = 0.5, .target = 0.5};
  EXPECT_EQ(EvaluateOffPolicy(std::vector{good}).error().code(), Code::kInvalidArgument);
  const auto refused = [&](OffPolicySample bad) {
    return EvaluateOffPolicy(std::vector{good, bad}).error().where();
  };
  OffPolicySample bad = good;
  bad.reward = 1.5;
  EXPECT_EQ(refused(bad).field, "reward");
  EXPECT_EQ(refused(bad).row, 1);
  bad = good;
  bad.propensity = 0;
  EXPECT_EQ(refused(bad).field, "propensity");
  bad = good;
  bad.target = std::nan("");
  EXPECT_EQ(refused(bad).field, "target");
}

TEST(OffPolicy, MeanOfHasStudentsInterval) {
  // scipy.stats.t.interval(0.95, 9, mean, sem) of 0 .. 9.
  const std::vector<double> values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const MeanInterval out = MeanOf(values);
  EXPECT_NEAR(out.mean, 4.5, 1e-12);
  EXPECT_NEAR(out.low, 2.3341494103, 0.003);
  EXPECT_NEAR(out.high, 6.6658505897, 0.003);
  EXPECT_TRUE(std::isinf(MeanOf({}).high));
}

TEST(OffPolicy, SharesAreTheFrequenciesOfDecisions) {
  auto policy = CurvePolicy::Create({.exploration = 1, .draws = 64});
  ASSERT_TRUE(policy.ok());
  std::vector<double> curve(21);
  for (int n = 0; n < 5; ++n) {
    for (std::size_t i = 0; i < 21; ++i) curve[i] = 0.5 + 0.02 * static_cast<double>((n + i) % 3);
    ASSERT_TRUE((*policy)->Update({.query = {.domain = "a"}, .decision = {}, .curve = curve}).ok());
  }
  const auto shares = AlphaShares(**policy, {.domain = "a"});
  ASSERT_GT(shares.size(), 3u);
  double sum = 0;
  for (const AlphaShare& share : shares) sum += share.probability;
  EXPECT_NEAR(sum, 1, 1e-12);
  Random random(5);
  std::vector<double> found(21);
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i)
    found[static_cast<std::size_t>(
        std::lround((*policy)->Decide({.domain = "a"}, random.Next()).alpha * 20))] += 1.0 / kDraws;
  for (const AlphaShare& share : shares)
    EXPECT_NEAR(found[static_cast<std::size_t>(std::lround(share.alpha * 20))], share.probability,
                0.02);
}

}  // namespace
}  // namespace equipoise
