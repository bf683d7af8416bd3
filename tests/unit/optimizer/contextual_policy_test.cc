// α per query: what features that tell something earn, what those that tell nothing may cost, and that
// probabilities are the true ones.

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/weight_policies.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;

constexpr std::size_t kGrid = 21;
constexpr std::size_t kFeatures = 6;

struct Asked {
  std::string domain;
  std::vector<float> features;
  std::vector<double> curve;
};

// Two domains whose features and best α differ; within a domain the first feature moves the best α by
// `telling`: 1, or -1 for the other way, or 0. Features of a domain lie around a value of its own, so that who
// does not tell domains apart learns something else.
Asked Ask(Random* random, double telling) {
  const bool second = random->Chance(0.5);
  Asked out{.domain = second ? "two" : "one", .features = {}, .curve = {}};
  for (std::size_t i = 0; i < kFeatures; ++i)
    out.features.push_back(
        static_cast<float>((second ? 0.6 : 0.4) + 0.4 * (random->Uniform() - 0.5)));
  const double within = 2.5 * (out.features[0] - (second ? 0.6 : 0.4));  // in [-0.5, 0.5]
  const double own = 0.6 * (random->Uniform() - 0.5);
  const double peak = std::clamp((second ? 0.4 : 0.6) + 0.8 * telling * within + own, 0.0, 1.0);
  for (std::size_t i = 0; i < kGrid; ++i)
    out.curve.push_back(0.8 - 0.7 * std::pow(static_cast<double>(i) / (kGrid - 1) - peak, 2));
  return out;
}

ContextualPolicyOptions Options() { return {.curve = {.draws = 64}, .features = kFeatures}; }

double RewardOf(const Asked& asked, const WeightDecision& decision) {
  return asked.curve[static_cast<std::size_t>(std::lround(decision.alpha * (kGrid - 1)))];
}

// Mean reward above that of a curve policy on the same queries, over those from `from` on.
double Above(std::uint64_t seed, double telling, int from, int queries, ContextualPolicy* policy) {
  auto curve = CurvePolicy::Create({.both_paths_share = 1, .draws = 64});
  Random random(seed);
  double sum = 0;
  for (int t = 0; t < queries; ++t) {
    const Asked asked = Ask(&random, telling);
    const std::uint64_t bits = random.Next();
    const WeightQuery query = {.domain = asked.domain, .features = asked.features};
    const WeightDecision with = policy->Decide(query, bits),
                         without = (*curve)->Decide(query, bits);
    if (t >= from) sum += RewardOf(asked, with) - RewardOf(asked, without);
    EXPECT_TRUE(policy->Update({.query = query, .decision = with, .curve = asked.curve}).ok());
    EXPECT_TRUE((*curve)->Update({.query = query, .decision = without, .curve = asked.curve}).ok());
  }
  return sum / (queries - from);
}

TEST(ContextualPolicy, EarnsMoreWhereAFeatureTellsTheBestAlpha) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto policy = ContextualPolicy::Create(Options());
    ASSERT_TRUE(policy.ok());
    // The feature is worth 0.7 · 0.8² / 3 · 0.5² = 0.037 to who knows it.
    EXPECT_GT(Above(seed, 1, 600, 1200, policy->get()), 0.025) << "seed " << seed;
    const ContextualAccount account = (*policy)->Account();
    EXPECT_TRUE(account.decides);
    EXPECT_EQ(account.queries, 1200u);
    EXPECT_EQ(account.counted, 1150u);
    EXPECT_NEAR(account.gain, 0.03, 0.01);
  }
}

TEST(ContextualPolicy, LeavesItToTheCurveWhereFeaturesTellNothing) {
  int decided = 0;
  double worst = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto policy = ContextualPolicy::Create(Options());
    ASSERT_TRUE(policy.ok());
    worst = std::min(worst, Above(seed, 0, 0, 600, policy->get()));
    decided += (*policy)->Account().decides ? 1 : 0;
  }
  // At most a tenth of all runs, says the account; and who is wrong loses little.
  EXPECT_LE(decided, 2);
  EXPECT_GT(worst, -0.002);
}

// A policy that decides by features.
std::unique_ptr<ContextualPolicy> Trained(ContextualPolicyOptions options = Options()) {
  auto policy = ContextualPolicy::Create(std::move(options));
  Above(3, 1, 0, 600, policy->get());
  EXPECT_TRUE((*policy)->Account().decides);
  return *std::move(policy);
}

TEST(ContextualPolicy, PropensitiesAreThoseOfTheDecisions) {
  ContextualPolicyOptions options = Options();
  options.curve.exploration = 1;
  const auto policy = Trained(options);
  Random random(7);
  std::size_t most = 0;
  for (int q = 0; q < 20; ++q) {
    const Asked asked = Ask(&random, 1);
    constexpr int kDecisions = 4000;
    std::map<double, std::pair<double, int>> seen;  // α: propensity, times
    for (int i = 0; i < kDecisions; ++i) {
      const WeightDecision d =
          policy->Decide({.domain = asked.domain, .features = asked.features}, random.Next());
      EXPECT_TRUE(d.both_paths);
      EXPECT_EQ(d.propensity, d.alpha_propensity);
      auto& [propensity, times] = seen[d.alpha];
      EXPECT_TRUE(times == 0 || propensity == d.propensity);
      propensity = d.propensity;
      ++times;
    }
    double sum = 0;
    for (const auto& [alpha, each] : seen) {
      const double share = static_cast<double>(each.second) / kDecisions;
      EXPECT_NEAR(share, each.first, 5 * std::sqrt(each.first * (1 - each.first) / kDecisions))
          << "alpha " << alpha;
      sum += each.first;
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    most = std::max(most, seen.size());
  }
  EXPECT_GT(most, 1u);
}

TEST(ContextualPolicy, DecidesAsTheCurveDoesWithoutFeatures) {
  const auto policy = Trained();
  Random random(9);
  const std::vector<float> broken(kFeatures, std::numeric_limits<float>::quiet_NaN());
  const std::vector<float> few(kFeatures - 1, 0.5f);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t bits = random.Next();
    const WeightDecision curve = policy->curve().Decide({.domain = "one"}, bits);
    for (const std::vector<float>& features : {std::vector<float>{}, broken, few}) {
      const WeightDecision d = policy->Decide({.domain = "one", .features = features}, bits);
      EXPECT_EQ(d.alpha, curve.alpha);
      EXPECT_EQ(d.propensity, curve.propensity);
    }
  }
}

TEST(ContextualPolicy, RefusesFeaturesOfAnotherNumberAndLearnsNothing) {
  auto policy = ContextualPolicy::Create(Options());
  const std::vector<double> curve(kGrid, 0.5);
  const std::vector<float> few(kFeatures - 1, 0.5f), infinite(kFeatures, 1.0f / 0.0f);
  for (const auto& features : {few, infinite})
    EXPECT_EQ((*policy)->Update({.query = {.features = features}, .curve = curve}).code(),
              Code::kInvalidArgument);
  EXPECT_TRUE((*policy)->curve().Domains().empty());
  ContextualPolicyOptions wrong = Options();
  wrong.features = 33;
  EXPECT_EQ(ContextualPolicy::Create(wrong).error().code(), Code::kInvalidArgument);
  wrong = Options();
  wrong.doubt = 0;
  EXPECT_EQ(ContextualPolicy::Create(wrong).error().code(), Code::kInvalidArgument);
}

TEST(ContextualPolicy, KeepsToFloorAndCeiling) {
  ContextualPolicyOptions options = Options();
  options.curve.lowest_alpha = 0.4;
  options.curve.highest_alpha = 0.6;
  auto policy = ContextualPolicy::Create(options);
  Above(3, 1, 0, 1500, policy->get());
  EXPECT_TRUE((*policy)->Account().decides);
  Random random(4);
  for (int i = 0; i < 500; ++i) {
    const Asked asked = Ask(&random, 1);
    const WeightDecision d =
        (*policy)->Decide({.domain = asked.domain, .features = asked.features}, random.Next());
    EXPECT_GE(d.alpha, 0.4);
    EXPECT_LE(d.alpha, 0.6);
  }
}

TEST(ContextualPolicy, TheCurveDecidesAgainWhereFeaturesStopToPay) {
  const auto policy = Trained();
  EXPECT_GE(policy->Account().capital, 10);
  Random random(6);
  int until = 0;
  for (; until < 400 && policy->Account().decides; ++until) {
    // The feature says the opposite of what it said.
    const Asked asked = Ask(&random, -1);
    const WeightQuery query = {.domain = asked.domain, .features = asked.features};
    const WeightDecision decision = policy->Decide(query, random.Next());
    ASSERT_TRUE(policy->Update({.query = query, .decision = decision, .curve = asked.curve}).ok());
  }
  EXPECT_GT(until, 10);
  ASSERT_LT(until, 400);
  EXPECT_LT(policy->Account().capital, 10);
  for (int i = 0; i < 200; ++i) {
    const Asked asked = Ask(&random, -1);
    const std::uint64_t bits = random.Next();
    const WeightDecision curve = policy->curve().Decide({.domain = asked.domain}, bits);
    const WeightDecision d =
        policy->Decide({.domain = asked.domain, .features = asked.features}, bits);
    EXPECT_EQ(d.alpha, curve.alpha);
    EXPECT_EQ(d.propensity, curve.propensity);
  }
}

// How far decisions by features are from the mean of their domain's.
double Farthest(const ContextualPolicy& policy) {
  Random random(4);
  double farthest = 0;
  for (int i = 0; i < 500; ++i) {
    const Asked asked = Ask(&random, 1);
    const DomainPosterior known = *policy.curve().Inspect(asked.domain);
    double mean = 0;
    for (std::size_t k = 0; k < kGrid; ++k)
      mean += known.probability[k] * static_cast<double>(k) / (kGrid - 1);
    const WeightDecision d =
        policy.Decide({.domain = asked.domain, .features = asked.features}, random.Next());
    farthest = std::max(farthest, std::abs(d.alpha - mean));
  }
  return farthest;
}

TEST(ContextualPolicy, KeepsToTheLargestStep) {
  ContextualPolicyOptions options = Options();
  options.curve.largest_step = 0.15;
  auto policy = ContextualPolicy::Create(options);
  Above(3, 1, 0, 1500, policy->get());
  EXPECT_TRUE((*policy)->Account().decides);
  EXPECT_LE(Farthest(**policy), 0.15 + 1e-6);
  EXPECT_GT(Farthest(*Trained()), 0.2);
}

// It may decide by features for as long as that pays, and the hardest adversary knows what it decides.
TEST(ContextualPolicy, KeepsToTheGuard) {
  constexpr double kLoss = 0.1;
  ContextualPolicyOptions options = Options();
  options.curve.largest_loss = kLoss;
  auto policy = ContextualPolicy::Create(options);
  Random random(3);
  double earned = 0, other = 0;
  int by_features = 0, against = 0;
  for (int t = 0; t < 1800; ++t) {
    Asked asked = Ask(&random, 1);
    const WeightQuery query = {.domain = asked.domain, .features = asked.features};
    const std::uint64_t bits = random.Next();
    const WeightDecision decision = (*policy)->Decide(query, bits);
    by_features +=
        decision.alpha != (*policy)->curve().Decide({.domain = asked.domain}, bits).alpha ? 1 : 0;
    if (t >= 1200) {
      // Whatever deviates earns nothing, and everything is better than what does not.
      const bool home = decision.alpha == 0.5;
      against += home ? 0 : 1;
      asked.curve.assign(kGrid, home ? 1 : 0);
      asked.curve[kGrid / 2] = home ? 0.5 : 1;
    }
    earned += RewardOf(asked, decision);
    other += asked.curve[kGrid / 2];
    ASSERT_GE(earned, (1 - kLoss) * other - 1e-9) << t;
    ASSERT_TRUE(
        (*policy)->Update({.query = query, .decision = decision, .curve = asked.curve}).ok());
  }
  EXPECT_GT(by_features, 100);
  EXPECT_GT(against, 20);
  EXPECT_GE((*policy)->curve().GuardLeft(), -1e-9);
}

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ContextualPolicy, ARestoredPolicyGoesOnBitForBit) {
  const TempFolder folder;
  const auto policy = Trained();
  ASSERT_TRUE(policy->Save(folder.path("state")).ok());
  auto restored = LoadWeightPolicy(folder.path("state"));
  ASSERT_TRUE(restored.ok()) << restored.error().ToString();
  auto* const same = dynamic_cast<ContextualPolicy*>(restored->get());
  ASSERT_NE(same, nullptr);
  EXPECT_TRUE(same->Account().decides);
  EXPECT_EQ(Above(8, 1, 0, 100, policy.get()), Above(8, 1, 0, 100, same));
  ASSERT_TRUE(policy->Save(folder.path("a")).ok());
  ASSERT_TRUE(same->Save(folder.path("b")).ok());
  EXPECT_EQ(Bytes(folder.path("a")), Bytes(folder.path("b")));
}

TEST(ContextualPolicy, TheSameSeedLearnsTheSame) {
  const TempFolder folder;
  ASSERT_TRUE(Trained()->Save(folder.path("a")).ok());
  ASSERT_TRUE(Trained()->Save(folder.path("b")).ok());
  EXPECT_EQ(Bytes(folder.path("a")), Bytes(folder.path("b")));
}

TEST(ContextualPolicy, RepeatedFeedbackCountsOnce) {
  // Two policies see the same last curves; one of them saw others before.
  auto once = ContextualPolicy::Create(Options()), twice = ContextualPolicy::Create(Options());
  Random random(5);
  const std::vector<double> first(kGrid, 0.25);
  for (int t = 0; t < 300; ++t) {
    const Asked asked = Ask(&random, 1);
    const WeightQuery query = {.domain = asked.domain, .features = asked.features};
    ASSERT_TRUE((*once)->Update({.query = query, .curve = asked.curve}).ok());
    ASSERT_TRUE((*twice)->Update({.query = query, .curve = first, .weight = 0.5}).ok());
    ASSERT_TRUE((*twice)
                    ->Update({.query = query,
                              .curve = asked.curve,
                              .replaced_curve = first,
                              .replaced_weight = 0.5})
                    .ok());
  }
  EXPECT_EQ((*once)->Account().queries, (*twice)->Account().queries);
  EXPECT_EQ((*once)->Account().counted, (*twice)->Account().counted);
}

}  // namespace
}  // namespace equipoise
