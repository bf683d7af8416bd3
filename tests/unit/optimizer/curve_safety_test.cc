// A curve policy's limits: how far α goes, what may be lost, and that a change is noticed.
#include <cmath>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/curve_policy.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;

constexpr std::size_t kGrid = 21;

std::vector<double> Peak(double at, Random* random) {
  std::vector<double> out(kGrid);
  const double level = 0.2 + 0.3 * random->Uniform(), slope = 0.4 * (random->Uniform() - 0.5);
  for (std::size_t i = 0; i < kGrid; ++i) {
    const double alpha = static_cast<double>(i) / 20;
    out[i] =
        std::clamp(level + 0.3 - 0.5 * std::pow(alpha - at, 2) + slope * (alpha - 0.5), 0.0, 1.0);
  }
  return out;
}

std::size_t ArmOf(double alpha) { return static_cast<std::size_t>(std::lround(alpha * 20)); }

std::unique_ptr<CurvePolicy> Make(const CurvePolicyOptions& options) {
  auto made = CurvePolicy::Create(options);
  EXPECT_TRUE(made.ok()) << made.error().ToString();
  return *std::move(made);
}

TEST(CurvePolicyLimits, NoDecisionIsBelowTheFloorOrAboveTheCeiling) {
  const auto policy = Make({.exploration = 1, .lowest_alpha = 0.2, .highest_alpha = 0.6});
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    const WeightQuery query = {.domain = i % 2 == 0 ? "low" : "high"};
    const WeightDecision decision = policy->Decide(query, random.Next());
    EXPECT_GE(decision.alpha, 0.2 - 1e-12);
    EXPECT_LE(decision.alpha, 0.6 + 1e-12);
    const auto curve = Peak(i % 2, &random);
    ASSERT_TRUE(policy->Update({.query = query, .decision = decision, .curve = curve}).ok());
  }
  EXPECT_NEAR(policy->Decide({.domain = "low"}, 7).alpha, 0.2, 1e-12);
  EXPECT_NEAR(policy->Decide({.domain = "high"}, 7).alpha, 0.6, 1e-12);
}

TEST(CurvePolicyLimits, TheMeanDecisionMovesNoFurtherThanAStepAnUpdate) {
  const auto policy = Make({.exploration = 1, .largest_step = 0.1});
  const auto mean = [&] {
    const DomainPosterior known = *policy->Inspect("a");
    double sum = 0;
    for (std::size_t i = 0; i < kGrid; ++i)
      sum += known.probability[i] * static_cast<double>(i) / 20;
    return sum;
  };
  Random random(2);
  double last = mean();
  EXPECT_NEAR(last, 0.5, 0.1);
  for (int i = 0; i < 40; ++i) {
    const auto curve = Peak(1, &random);
    ASSERT_TRUE(policy->Update({.query = {.domain = "a"}, .curve = curve}).ok());
    const double now = mean();
    EXPECT_LE(std::abs(now - last), 0.1 + 1e-9);
    last = now;
  }
  EXPECT_GT(last, 0.9);
}

TEST(CurvePolicyLimits, OptionsOutOfRangeAreRefused) {
  const auto field = [](const CurvePolicyOptions& options) {
    return CurvePolicy::Create(options).error().where().field;
  };
  EXPECT_EQ(field({.lowest_alpha = 0.7, .highest_alpha = 0.3}), "options.lowest_alpha");
  EXPECT_EQ(field({.lowest_alpha = 0.51, .highest_alpha = 0.54}), "lowest_alpha");
  EXPECT_EQ(field({.largest_step = 0}), "options.largest_step");
  EXPECT_EQ(field({.largest_loss = 0}), "options.largest_loss");
  EXPECT_EQ(field({.unjudged = 0}), "options.unjudged");
  EXPECT_EQ(field({.false_share = 1}), "options.false_share");
  EXPECT_EQ(field({.watch = 3}), "options.watch");
}

// The hardest case: whatever is decided earns nothing, and the static decision all there is.
TEST(CurvePolicyGuard, AnAdversaryWhoKnowsTheDecisionCannotTakeMoreThanTheBound) {
  for (const std::size_t delay : {std::size_t{0}, std::size_t{7}}) {
    const auto policy = Make({.exploration = 1, .largest_loss = 0.1, .unjudged = delay + 1});
    Random random(3);
    double earned = 0, other = 0;
    int deviations = 0;
    std::vector<std::pair<WeightDecision, std::vector<double>>> waiting;
    for (int i = 0; i < 400; ++i) {
      const WeightDecision decision = policy->Decide({.domain = "a"}, random.Next());
      std::vector<double> curve(kGrid, 0.5);
      if (decision.alpha != 0.5) {
        // Tempting until it is decided.
        curve.assign(kGrid, 0);
        ++deviations;
      } else {
        for (std::size_t k = 0; k < kGrid; ++k) curve[k] = k == 10 ? 0.5 : 1;
      }
      if (decision.alpha != 0.5) curve[10] = 1;
      earned += curve[ArmOf(decision.alpha)];
      other += curve[10];
      EXPECT_GE(earned, 0.9 * other - 1e-9) << i;
      waiting.emplace_back(decision, curve);
      if (waiting.size() <= delay) continue;
      ASSERT_TRUE(policy
                      ->Update({.query = {.domain = "a"},
                                .decision = waiting.front().first,
                                .curve = waiting.front().second})
                      .ok());
      waiting.erase(waiting.begin());
      EXPECT_GE(policy->GuardLeft(), -1e-9);
    }
    EXPECT_GT(deviations, 5);
  }
}

TEST(CurvePolicyGuard, UntilItIsPaidForDecisionsAreThePriorsWithBothPaths) {
  const auto policy = Make({.priors = {{"a", {.alpha = 0.8}}}, .largest_loss = 0.05});
  for (std::uint64_t random : {0ull, ~0ull}) {
    const WeightDecision known = policy->Decide({.domain = "a"}, random);
    EXPECT_NEAR(known.alpha, 0.8, 1e-12);
    EXPECT_TRUE(known.both_paths);
    EXPECT_EQ(known.propensity, 1);
    EXPECT_EQ(policy->Decide({.domain = "b"}, random).alpha, 0.5);
  }
  EXPECT_EQ(policy->GuardLeft(), 0);
  // Static decisions that earn 1 pay 0.05 each: 19 pay for one that may lose 0.95.
  const std::vector<double> curve(kGrid, 1.0);
  for (int i = 0; i < 19; ++i) {
    EXPECT_EQ(policy->Decide({.domain = "b"}, 1).propensity, 1) << i;
    ASSERT_TRUE(policy
                    ->Update({.query = {.domain = "b"},
                              .decision = policy->Decide({.domain = "b"}, 1),
                              .curve = curve})
                    .ok());
  }
  EXPECT_NEAR(policy->GuardLeft(), 0.95, 1e-9);
}

TEST(CurvePolicyGuard, FeedbackThatIsCorrectedIsAccountedForOnce) {
  const auto policy = Make({.largest_loss = 0.05});
  const std::vector<double> good(kGrid, 1.0), bad(kGrid, 0.2);
  const WeightDecision decision = policy->Decide({.domain = "a"}, 1);
  WeightFeedback feedback = {.query = {.domain = "a"}, .decision = decision, .curve = good};
  ASSERT_TRUE(policy->Update(feedback).ok());
  EXPECT_NEAR(policy->GuardLeft(), 0.05, 1e-12);
  feedback.curve = bad;
  feedback.replaced_curve = good;
  feedback.replaced_weight = 1;
  ASSERT_TRUE(policy->Update(feedback).ok());
  EXPECT_NEAR(policy->GuardLeft(), 0.01, 1e-12);
}

TEST(CurvePolicyGuard, WhereFeedbackMayLieItWaitsLonger) {
  const auto trusting = Make({.largest_loss = 0.05});
  const auto doubting = Make({.largest_loss = 0.05, .false_share = 0.1});
  const std::vector<double> curve(kGrid, 0.8);
  for (int i = 0; i < 100; ++i)
    for (const auto& policy : {trusting.get(), doubting.get()})
      ASSERT_TRUE(
          policy->Update({.query = {.domain = "a"}, .decision = {.alpha = 0.5}, .curve = curve})
              .ok());
  EXPECT_NEAR(trusting->GuardLeft(), 100 * 0.05 * 0.8, 1e-9);
  EXPECT_NEAR(doubting->GuardLeft(), 100 * 0.05 * 0.8 - 10 * 0.05, 1e-9);
}

TEST(CurvePolicyWatch, ATurnedDomainIsNoticedWithinTwentyQueriesAndLearnedAnew) {
  const auto watching = Make({.watch = 64});
  const auto trusting = Make({});
  Random random(4);
  for (int i = 0; i < 160; ++i) {
    const auto curve = Peak(i < 120 ? 0.9 : 0.1, &random);
    for (const auto& policy : {watching.get(), trusting.get()})
      ASSERT_TRUE(
          policy->Update({.query = {.domain = "a"}, .curve = curve, .time = 1000.0 + i}).ok());
  }
  const DomainPosterior known = *watching->Inspect("a");
  ASSERT_EQ(known.changes, 1u);
  const CurveChange& change = known.latest_changes.at(0);
  EXPECT_NEAR(static_cast<double>(change.began), 121, 4);
  EXPECT_GT(change.noticed, 120u);
  EXPECT_LT(change.noticed, 141u);
  EXPECT_EQ(change.time, 999.0 + static_cast<double>(change.noticed));
  EXPECT_GE(change.evidence, 15);
  EXPECT_LT(known.best_alpha, 0.3);
  EXPECT_EQ(known.feedbacks, 160u);
  EXPECT_NEAR(known.queries, 40, 4);
  EXPECT_GT(trusting->Inspect("a")->best_alpha, 0.6);
  EXPECT_EQ(trusting->Inspect("a")->changes, 0u);
}

TEST(CurvePolicyWatch, WhatStaysAsItIsRaisesFewAlarms) {
  std::uint64_t alarms = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto policy = Make({.watch = 64, .draws = 16});
    Random random(seed);
    for (int i = 0; i < 300; ++i) {
      const auto curve = Peak(0.7, &random);
      ASSERT_TRUE(policy->Update({.query = {.domain = "a"}, .curve = curve}).ok());
    }
    alarms += policy->Inspect("a")->changes;
  }
  EXPECT_LE(alarms, 2u);
}

TEST(CurvePolicyWatch, FeedbackFromBeforeAChangeIsNotTakenBackTwice) {
  const auto policy = Make({.watch = 16});
  Random random(5);
  const auto first = Peak(0.9, &random);
  const WeightDecision early = policy->Decide({.domain = "a"}, 1);
  for (int i = 0; i < 100; ++i) {
    const auto curve = i == 0 ? first : Peak(i < 60 ? 0.9 : 0.1, &random);
    ASSERT_TRUE(policy
                    ->Update({.query = {.domain = "a"},
                              .decision = i == 0 ? early : policy->Decide({.domain = "a"}, 1),
                              .curve = curve})
                    .ok());
  }
  ASSERT_EQ(policy->Inspect("a")->changes, 1u);
  const double before = policy->Inspect("a")->queries;
  ASSERT_TRUE(policy
                  ->Update({.query = {.domain = "a"},
                            .decision = early,
                            .curve = first,
                            .replaced_curve = first,
                            .replaced_weight = 1})
                  .ok());
  EXPECT_NEAR(policy->Inspect("a")->queries, before + 1, 1e-9);
}

TEST(CurvePolicyState, LimitsGuardAndWatchGoOnBitForBit) {
  const TempFolder folder;
  const CurvePolicyOptions options = {.exploration = 1,
                                      .lowest_alpha = 0.1,
                                      .largest_step = 0.2,
                                      .largest_loss = 0.1,
                                      .unjudged = 2,
                                      .false_share = 0.05,
                                      .watch = 32};
  const auto policy = Make(options);
  Random random(6);
  const auto live = [](CurvePolicy* with, Random* by, int from, int until) {
    std::vector<double> out;
    for (int i = from; i < until; ++i) {
      const WeightQuery query = {.domain = i % 3 == 0 ? "a" : "b"};
      const WeightDecision decision = with->Decide(query, by->Next());
      out.insert(out.end(),
                 {decision.alpha, decision.propensity, static_cast<double>(decision.version)});
      const auto curve = Peak(i < 150 ? 0.9 : 0.1, by);
      EXPECT_TRUE(with->Update({.query = query, .decision = decision, .curve = curve}).ok());
    }
    return out;
  };
  live(policy.get(), &random, 0, 160);
  ASSERT_TRUE(policy->Save(folder.path("state")).ok());
  auto loaded = CurvePolicy::Load(folder.path("state"));
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->GuardLeft(), policy->GuardLeft());
  Random same = random;
  EXPECT_EQ(live(policy.get(), &random, 160, 300), live(loaded->get(), &same, 160, 300));
  EXPECT_EQ(policy->Inspect("a")->changes, (*loaded)->Inspect("a")->changes);
  EXPECT_GE(policy->Inspect("b")->changes, 1u);
}

}  // namespace
}  // namespace equipoise
