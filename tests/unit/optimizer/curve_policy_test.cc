// The policy as its user sees it: decisions, their probabilities, what feedback does.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <map>
#include <new>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/reward_curve.h>
#include <equipoise/optimizer/weight_policies.h>

#include "decision_table.h"

namespace {

// Counts what this thread allocates, so that a test can see that deciding does not.
thread_local std::size_t allocations = 0;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace equipoise {
namespace {

std::vector<double> PeakAt(double peak, Random* random = nullptr) {
  std::vector<double> out(21);
  const double shift = random == nullptr ? 0 : 0.3 * (random->Uniform() - 0.5);
  for (std::size_t i = 0; i < 21; ++i) {
    const double off = static_cast<double>(i) / 20 - peak;
    out[i] = 0.6 - 0.4 * off * off + shift * (off + 0.5) * 0.5;
  }
  return out;
}

std::unique_ptr<CurvePolicy> Make(CurvePolicyOptions options = {}) {
  auto made = CurvePolicy::Create(std::move(options));
  EXPECT_TRUE(made.ok()) << made.error().ToString();
  return *std::move(made);
}

Status Teach(WeightPolicy* policy, std::string_view domain, const std::vector<double>& curve,
             double weight = 1) {
  return policy->Update({.query = {.domain = domain}, .curve = curve, .weight = weight});
}

double MeanAlpha(const WeightPolicy& policy, std::string_view domain) {
  Random random(9);
  double sum = 0;
  for (int i = 0; i < 2000; ++i) sum += policy.Decide({.domain = domain}, random.Next()).alpha;
  return sum / 2000;
}

TEST(CurvePolicy, FindsTheBestAlphaOfEachDomain) {
  const auto policy = Make();
  Random random(1);
  const std::map<std::string, double> truth = {{"low", 0.0}, {"middle", 0.5}, {"high", 0.85}};
  for (int i = 0; i < 60; ++i)
    for (const auto& [domain, peak] : truth)
      ASSERT_TRUE(Teach(policy.get(), domain, PeakAt(peak, &random)).ok());
  for (const auto& [domain, peak] : truth) {
    EXPECT_NEAR(MeanAlpha(*policy, domain), peak, 0.08) << domain;
    const auto state = policy->Inspect(domain);
    ASSERT_TRUE(state.ok());
    EXPECT_NEAR(state->best_alpha, peak, 0.1);
    EXPECT_EQ(state->feedbacks, 60u);
    EXPECT_LT(state->regret_bound, 0.02);
    EXPECT_LT(state->sharing, 0.5);
  }
}

TEST(CurvePolicy, StartsFromTheCurveOfItsPrior) {
  // A curve that is best at 0.2 and, unlike one peak at 0.2, worst in between.
  std::vector<double> curve;
  for (int i = 0; i <= 40; ++i) {
    const double a = i / 40.0;
    curve.push_back(0.5 - 0.3 * std::pow(a - 0.2, 2) + (a > 0.5 ? 0.2 * (a - 0.5) : 0));
  }
  for (const std::size_t grid : {std::size_t{11}, std::size_t{21}, std::size_t{41}}) {
    const auto policy =
        Make({.priors = {{"d", {.alpha = 0.2, .strength = 30, .curve = curve}}}, .grid = grid});
    const auto known = policy->Inspect("d");
    ASSERT_TRUE(known.ok());
    EXPECT_NEAR(known->best_alpha, 0.2, 0.1);
    // The shape, up to its level, as far as a few modes tell it.
    double level = 0;
    for (std::size_t i = 0; i < grid; ++i)
      level += curve[i * 40 / (grid - 1)] / static_cast<double>(grid);
    for (std::size_t i = 0; i < grid; ++i)
      EXPECT_NEAR(known->mean[i], curve[i * 40 / (grid - 1)] - level, 0.03) << grid << ' ' << i;
  }
  // It is a part of what is saved, and fades as feedback comes.
  const auto policy = Make({.priors = {{"d", {.alpha = 0.2, .strength = 10, .curve = curve}}}});
  const std::string path = ::testing::TempDir() + "curve_prior_policy";
  ASSERT_TRUE(policy->Save(path).ok());
  const auto loaded = CurvePolicy::Load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ((*loaded)->options().priors.at("d").curve, curve);
  EXPECT_EQ((*loaded)->Inspect("d")->mean, policy->Inspect("d")->mean);
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(Teach(policy.get(), "d", PeakAt(0.9)).ok());
  EXPECT_NEAR(policy->Inspect("d")->best_alpha, 0.9, 0.1);
}

TEST(CurvePolicy, TheExampleOfTheReadmeRuns) {
  Random random(1);
  const std::vector<RewardCandidate> candidates = {{.lexical = 1, .vector = 0.2f, .gain = 1},
                                                   {.lexical = 0.1f, .vector = 1, .gain = 0}};
  auto policy = CurvePolicy::Create({.priors = ShippedPriors()});
  WeightDecision decision = (*policy)->Decide({.domain = "finance"}, random.Next());
  auto curve = ComputeRewardCurve(candidates);
  const Status status = (*policy)->Update(
      {.query = {.domain = "finance"}, .decision = decision, .curve = curve->values});
  EXPECT_TRUE(status.ok());
  EXPECT_GT((*policy)->Inspect("finance")->best_alpha, 0.45);
}

TEST(CurvePolicy, PropensitiesSumToOneAndMatchFrequenciesOverAMillionDraws) {
  const auto policy = Make({.both_paths_share = 0.25, .exploration = 1});
  Random random(2);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Teach(policy.get(), "d", PeakAt(0.0, &random)).ok());
  std::map<std::pair<double, bool>, std::pair<double, int>> seen;
  std::map<double, double> of_alpha;
  constexpr int kDraws = 1'000'000;
  for (int i = 0; i < kDraws; ++i) {
    const WeightDecision decision = policy->Decide({.domain = "d"}, random.Next());
    auto& [propensity, count] = seen[{decision.alpha, decision.both_paths}];
    if (count++ > 0) {
      ASSERT_EQ(propensity, decision.propensity);
    }
    propensity = decision.propensity;
    of_alpha[decision.alpha] = decision.alpha_propensity;
    ASSERT_EQ(decision.version, 4u);
  }
  double sum = 0, alphas = 0;
  std::map<double, double> joined;
  for (const auto& [what, found] : seen) {
    const auto [propensity, count] = found;
    sum += propensity;
    joined[what.first] += propensity;
    const double deviation = std::sqrt(propensity * (1 - propensity) / kDraws);
    EXPECT_NEAR(static_cast<double>(count) / kDraws, propensity, 5 * deviation);
  }
  for (const auto& [alpha, propensity] : of_alpha) {
    alphas += propensity;
    EXPECT_NEAR(propensity, joined[alpha], 1e-12);
  }
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_NEAR(alphas, 1, 1e-9);
  ASSERT_TRUE(seen.contains({0.0, false}));
  EXPECT_NEAR((seen[{0.0, true}].first / of_alpha[0.0]), 0.25, 1e-6);
}

TEST(CurvePolicy, PathsAreSkippedAtTheEndsOnly) {
  const auto policy = Make({.exploration = 1});
  Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    const WeightDecision decision = policy->Decide({.domain = "new"}, random.Next());
    EXPECT_TRUE(decision.both_paths || decision.alpha == 0 || decision.alpha == 1);
  }
  const auto never = Make({.both_paths_share = 1, .exploration = 1});
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(Teach(never.get(), "d", PeakAt(1)).ok());
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(never->Decide({.domain = "d"}, random.Next()).both_paths);
}

TEST(CurvePolicy, APriceOfAPathMakesTheEndsAttractive) {
  const auto dear = Make({.vector_price = 0.1}), free = Make();
  for (int i = 0; i < 40; ++i)
    for (const auto& policy : {dear.get(), free.get()})
      ASSERT_TRUE(Teach(policy, "d", PeakAt(0.8)).ok());
  EXPECT_NEAR(MeanAlpha(*free, "d"), 0.8, 0.1);
  EXPECT_NEAR(MeanAlpha(*dear, "d"), 1, 0.02);
}

TEST(CurvePolicy, ASkippedQueryTeachesNothingAndIsCounted) {
  const auto policy = Make();
  std::vector<double> curve(21, kUndetermined);
  curve[0] = 0.9;
  const auto before = policy->Inspect("d");
  ASSERT_TRUE(Teach(policy.get(), "d", curve).ok());
  const auto after = policy->Inspect("d");
  EXPECT_EQ(after->feedbacks, 1u);
  EXPECT_EQ(after->queries, 0);
  EXPECT_EQ(after->mean, before->mean);
}

TEST(CurvePolicy, ADomainWithoutFeedbackStartsFromWhatTheOthersHaveInCommon) {
  const auto policy = Make();
  const double before = MeanAlpha(*policy, "new");
  EXPECT_NEAR(before, 0.5, 0.03);
  Random random(4);
  for (int i = 0; i < 40; ++i)
    for (const char* domain : {"a", "b", "c", "d", "e"})
      ASSERT_TRUE(Teach(policy.get(), domain, PeakAt(0.75, &random)).ok());
  EXPECT_GT(MeanAlpha(*policy, "new"), 0.6);
  const auto state = policy->Inspect("new");
  EXPECT_EQ(state->feedbacks, 0u);
  EXPECT_NEAR(state->sharing, 1, 1e-12);
  EXPECT_EQ(policy->Domains().size(), 5u);
}

TEST(CurvePolicy, OneStrangeDomainDoesNotMoveTheOthers) {
  const auto policy = Make();
  Random random(5);
  for (int i = 0; i < 40; ++i) {
    for (const char* domain : {"a", "b", "c", "d"})
      ASSERT_TRUE(Teach(policy.get(), domain, PeakAt(0.5, &random)).ok());
    auto strange = PeakAt(0.5);
    for (std::size_t k = 0; k < 21; ++k) strange[k] = 0.1 + 0.04 * static_cast<double>(k);
    ASSERT_TRUE(Teach(policy.get(), "strange", strange).ok());
  }
  EXPECT_GT(MeanAlpha(*policy, "strange"), 0.95);
  EXPECT_NEAR(MeanAlpha(*policy, "a"), 0.5, 0.06);
  EXPECT_NEAR(MeanAlpha(*policy, "new"), 0.5, 0.1);
}

TEST(CurvePolicy, StartsFromItsPriorsAndLeavesThemWhereTheyAreWrong) {
  const auto policy = Make({.priors = ShippedPriors()});
  EXPECT_NEAR(MeanAlpha(*policy, "healthcare"), 0.7, 0.1);
  EXPECT_NEAR(MeanAlpha(*policy, "finance"), 0.5, 0.03);
  EXPECT_NEAR(MeanAlpha(*policy, ""), 0.4, 0.06);
  EXPECT_EQ(MeanAlpha(*policy, ""), MeanAlpha(*policy, "general"));
  Random random(6);
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(Teach(policy.get(), "healthcare", PeakAt(0.1, &random)).ok());
  EXPECT_NEAR(MeanAlpha(*policy, "healthcare"), 0.1, 0.1);
}

TEST(CurvePolicy, OfRepeatedFeedbackTheLastCountsOnce) {
  const auto once = Make(), twice = Make();
  const std::vector<double> wrong = PeakAt(1), right = PeakAt(0.2);
  ASSERT_TRUE(Teach(once.get(), "d", right, 0.5).ok());
  ASSERT_TRUE(Teach(twice.get(), "d", wrong).ok());
  ASSERT_TRUE(twice
                  ->Update({.query = {.domain = "d"},
                            .curve = right,
                            .weight = 0.5,
                            .replaced_curve = wrong,
                            .replaced_weight = 1})
                  .ok());
  const auto a = once->Inspect("d"), b = twice->Inspect("d");
  EXPECT_EQ(a->feedbacks, b->feedbacks);
  EXPECT_NEAR(a->queries, b->queries, 1e-12);
  for (std::size_t i = 0; i < 21; ++i) EXPECT_NEAR(a->mean[i], b->mean[i], 1e-9);
}

TEST(CurvePolicy, FeedbackOfWeightZeroIsCountedAndTeachesNothing) {
  const auto policy = Make();
  const auto before = policy->Inspect("d");
  ASSERT_TRUE(Teach(policy.get(), "d", PeakAt(1), 0).ok());
  EXPECT_EQ(policy->Inspect("d")->feedbacks, 1u);
  EXPECT_EQ(policy->Inspect("d")->mean, before->mean);
}

TEST(CurvePolicy, RefusesNumbersThatAreNone) {
  const auto policy = Make();
  const double nan = std::nan("");
  const auto code = [&](WeightFeedback feedback) { return policy->Update(feedback).code(); };
  const std::vector<double> good = PeakAt(0.5);
  std::vector<double> high = good, low = good, infinite = good;
  high[3] = 1.5;
  low[3] = -0.1;
  infinite[3] = std::numeric_limits<double>::infinity();
  for (const auto& curve : {high, low, infinite, std::vector<double>(20, 0.5)}) {
    EXPECT_EQ(code({.curve = curve}), Code::kInvalidArgument);
    EXPECT_EQ(code({.curve = good, .replaced_curve = curve}), Code::kInvalidArgument);
  }
  EXPECT_EQ(code({}), Code::kInvalidArgument);
  for (const double weight : {nan, -0.1, 1.1}) {
    EXPECT_EQ(code({.curve = good, .weight = weight}), Code::kInvalidArgument);
    EXPECT_EQ(code({.curve = good, .replaced_curve = good, .replaced_weight = weight}),
              Code::kInvalidArgument);
  }
  EXPECT_EQ(code({.curve = good, .time = nan}), Code::kInvalidArgument);
  EXPECT_TRUE(policy->Domains().empty());
}

TEST(CurvePolicy, RefusesOptionsOutOfRange) {
  const double nan = std::nan("");
  for (const CurvePolicyOptions& options :
       std::vector<CurvePolicyOptions>{{.priors = {{"d", {.alpha = nan}}}},
                                       {.priors = {{"d", {.strength = -1}}}},
                                       {.priors = {{"", {}}}},
                                       {.priors = {{"d", {.curve = {0.1, 0.2}}}}},
                                       {.priors = {{"d", {.curve = {0.1, 0.2, nan}}}}},
                                       {.priors = {{"d", {.curve = {0.1, 0.2, 1.5}}}}},
                                       {.prior_alpha = 1.5},
                                       {.both_paths_share = nan},
                                       {.exploration = -1},
                                       {.lexical_price = 2},
                                       {.grid = 2},
                                       {.draws = 0},
                                       {.max_domains = 0}})
    EXPECT_EQ(CurvePolicy::Create(options).error().code(), Code::kInvalidArgument);
}

TEST(CurvePolicy, WorksOnAnyGrid) {
  for (const std::size_t grid : {3, 4, 6, 101}) {
    const auto policy = Make({.grid = grid});
    std::vector<double> curve(grid);
    for (std::size_t i = 0; i < grid; ++i)
      curve[i] = 0.8 - 0.6 * static_cast<double>(i) / static_cast<double>(grid - 1);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(Teach(policy.get(), "d", curve).ok());
    EXPECT_LT(MeanAlpha(*policy, "d"), 0.05) << grid;
  }
}

TEST(CurvePolicy, TheSameSeedDecidesTheSame) {
  const auto run = [](std::uint64_t seed) {
    const auto policy = Make({.exploration = 1, .seed = seed});
    Random random(7);
    std::vector<double> out;
    for (int i = 0; i < 200; ++i) {
      const std::string domain = "d" + std::to_string(i % 5);
      const auto decision = policy->Decide({.domain = domain}, random.Next());
      out.push_back(decision.alpha);
      out.push_back(decision.propensity);
      EXPECT_TRUE(Teach(policy.get(), domain, PeakAt(random.Uniform())).ok());
    }
    return out;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(CurvePolicy, DecisionsAreThoseOfTheDayTheyWereRecorded) {
  const auto policy = Make({.priors = ShippedPriors()});
  Random random(8);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Teach(policy.get(), "finance", PeakAt(0.3, &random)).ok());
    ASSERT_TRUE(Teach(policy.get(), "law", PeakAt(0.9, &random)).ok());
  }
  std::vector<int> steps;
  for (const char* domain : {"finance", "law", "healthcare", "general", "new"})
    for (int i = 0; i < 3; ++i)
      steps.push_back(static_cast<int>(
          std::lround(policy->Decide({.domain = domain}, random.Next()).alpha * 20)));
  EXPECT_EQ(steps, (std::vector<int>{5, 5, 5, 17, 17, 17, 16, 15, 15, 9, 9, 9, 10, 14, 11}));
}

TEST(CurvePolicy, AHundredThousandDomainsAreKeptApart) {
  const auto policy = Make({.draws = 16});
  constexpr int kDomains = 100'000;
  for (int d = 0; d < kDomains; ++d)
    ASSERT_TRUE(
        Teach(policy.get(), "domain " + std::to_string(d), PeakAt(d % 2 == 0 ? 0.2 : 0.8)).ok());
  EXPECT_EQ(policy->Domains().size(), static_cast<std::size_t>(kDomains));
  for (int i = 0; i < 20; ++i)
    for (const int d : {70'000, 70'001})
      ASSERT_TRUE(
          Teach(policy.get(), "domain " + std::to_string(d), PeakAt(d % 2 == 0 ? 0.0 : 1.0)).ok());
  EXPECT_LT(MeanAlpha(*policy, "domain 70000"), 0.4);
  EXPECT_GT(MeanAlpha(*policy, "domain 70001"), 0.6);
}

TEST(CurvePolicy, MoreDomainsThanItKeepsAreRefused) {
  const auto policy = Make({.max_domains = 2});
  ASSERT_TRUE(Teach(policy.get(), "a", PeakAt(0)).ok());
  ASSERT_TRUE(Teach(policy.get(), "b", PeakAt(0)).ok());
  EXPECT_EQ(Teach(policy.get(), "c", PeakAt(0)).code(), Code::kBudgetExceeded);
  EXPECT_TRUE(Teach(policy.get(), "a", PeakAt(0)).ok());
}

TEST(CurvePolicy, DecidingAllocatesNothing) {
  const auto policy = Make({.priors = ShippedPriors()});
  ASSERT_TRUE(Teach(policy.get(), "d", PeakAt(0)).ok());
  Random random(10);
  const std::size_t before = allocations;
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    sum += policy->Decide({.domain = "d"}, random.Next()).alpha;
    sum +=
        policy->Decide({.domain = "a domain with a name of more than a few letters"}, random.Next())
            .alpha;
  }
  EXPECT_EQ(allocations, before);
  EXPECT_GE(sum, 0);
}

TEST(CurvePolicy, TwoThreadsDecideWhileAThirdTeaches) {
  const auto policy = Make();
  ASSERT_TRUE(
      Teach(policy.get(), "d1", PeakAt(0.5)).ok());  // from here on it has versions of its own
  std::atomic<bool> stop = false;
  std::atomic<int> bad = 0;
  const auto decide = [&](std::uint64_t seed) {
    Random random(seed);
    std::uint64_t last = 0;
    while (!stop.load(std::memory_order_relaxed)) {
      const auto decision = policy->Decide({.domain = "d1"}, random.Next());
      const double step = decision.alpha * 20;
      if (std::abs(step - std::round(step)) > 1e-9 || !(decision.propensity > 0) ||
          decision.propensity > decision.alpha_propensity || decision.alpha_propensity > 1 ||
          decision.version < last)
        ++bad;
      last = decision.version;
      (void)policy->Decide({.domain = "d" + std::to_string(random.Below(600))}, random.Next());
    }
  };
  std::thread first(decide, 1), second(decide, 2);
  Random random(11);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(Teach(policy.get(), "d1", PeakAt(random.Uniform())).ok());
    ASSERT_TRUE(Teach(policy.get(), "d" + std::to_string(i % 500), PeakAt(0.2)).ok());
    ASSERT_TRUE(i % 100 != 0 || policy->Inspect("d1").ok());
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(bad, 0);
}

TEST(AtomicCategorical, AReaderSeesOneVersionWhole) {
  AtomicCategorical categorical(8);
  const auto publish = [&](std::uint64_t version) {
    std::vector<std::uint32_t> ends(7);
    for (std::size_t i = 0; i < 7; ++i)
      ends[i] = static_cast<std::uint32_t>((i + 1) * (version % 1000 + 1));
    categorical.Publish(ends, version);
  };
  publish(1);
  std::atomic<bool> stop = false;
  std::atomic<int> bad = 0;
  const auto read = [&](std::uint64_t seed) {
    Random random(seed);
    while (!stop.load(std::memory_order_relaxed)) {
      const auto drawn = categorical.At(random.Below(7000));
      const std::uint64_t width = drawn.version % 1000 + 1;
      const bool whole = drawn.begin == drawn.outcome * width &&
                         (drawn.outcome == 7 || drawn.end == drawn.begin + width) &&
                         (drawn.outcome == 0 || drawn.before == drawn.begin - width);
      if (!whole) ++bad;
    }
  };
  std::thread first(read, 1), second(read, 2);
  for (std::uint64_t version = 2; version < 30'000; ++version) publish(version);
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace equipoise
