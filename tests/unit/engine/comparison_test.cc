#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/engine/comparison.h>

#include "student_t.h"

namespace equipoise {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Values = std::vector<double>;

// Made by golden/comparison_scipy.py, which names the versions.
nlohmann::json Golden() {
  std::ifstream in(EQUIPOISE_SOURCE_DIR "/tests/unit/engine/golden/comparison_scipy.json");
  return nlohmann::json::parse(in);
}

TEST(Comparison, AgreesWithScipy) {
  std::size_t compared = 0;
  const nlohmann::json all = Golden();
  for (const auto& golden : all["comparisons"]) {
    SCOPED_TRACE(golden["name"].get<std::string>());
    const Values a = golden["a"];
    const Values b = golden["b"];
    ComparisonOptions options;
    options.resamples = options.permutations = 50'000;
    auto out = ComparePaired(a, b, options);
    ASSERT_TRUE(out.ok()) << out.error().ToString();
    EXPECT_EQ(out->n, a.size());
    EXPECT_NEAR(out->difference, golden["difference"], 1e-14);
    EXPECT_NEAR(out->mean_b - out->mean_a, out->difference, 1e-14);
    const double p_t = golden["p_t"];
    EXPECT_NEAR(out->p_t, p_t, 1e-9 * p_t);
    const double p = golden["p_randomization"];
    // Both sides sampled, scipy's 200,000 times: five standard errors of the difference.
    const double sampled = 5 * std::sqrt(p * (1 - p) * (1.0 / 50'000 + 1.0 / 200'000));
    EXPECT_NEAR(out->p_randomization, p, golden["exact"].get<bool>() ? 1e-12 : sampled);
    // The end of a 95 % interval has a standard error of 1.2 % of the mean's from 50,000 resamples
    // and of 0.6 % from scipy's 200,000, more where few queries make tails that are not normal:
    // five times 1.3 or 1.8 %. Where a mean can take few values, the neighbouring one is as good.
    const double step = (a.size() < 30 ? 0.09 : 0.067) * golden["standard_error"].get<double>() +
                        golden["lattice"].get<double>() * (1 + 1e-9);
    EXPECT_NEAR(out->low, golden["low"], step);
    EXPECT_NEAR(out->high, golden["high"], step);
    ++compared;
  }
  EXPECT_EQ(compared, 9u);
}

TEST(Comparison, StudentTAgreesWithScipy) {
  std::size_t compared = 0;
  const nlohmann::json all = Golden();
  for (const auto& golden : all["student_t"]) {
    const double t = golden["t"], freedom = golden["freedom"], p = golden["p"];
    // Below the smallest double nothing is left to agree on.
    if (p < 1e-290) continue;
    EXPECT_NEAR(StudentTwoSidedP(t, freedom), p, 1e-10 * p) << t << " " << freedom;
    EXPECT_EQ(StudentTwoSidedP(t, freedom), StudentTwoSidedP(-t, freedom));
    ++compared;
  }
  EXPECT_GE(compared, 45u);
}

TEST(Comparison, StudentTIsTheClosedFormOfOneAndTwoDegreesOfFreedom) {
  for (double t : {0.0, 1e-12, 1e-9, 1e-5, 0.1, 1.0, 3.0, 1e3}) {
    EXPECT_NEAR(StudentTwoSidedP(t, 1), 1 - 2 / M_PI * std::atan(t), 1e-14);
    EXPECT_NEAR(StudentTwoSidedP(t, 2), 1 - t / std::sqrt(2 + t * t), 1e-14);
  }
}

TEST(Comparison, RandomizationOfThreeQueriesIsCountedByHand) {
  // Differences 1, 2, 3: of the 8 sums +-1 +-2 +-3 only 6 and -6 are as far from 0 as 6.
  EXPECT_DOUBLE_EQ(ComparePaired(Values{0, 0, 0}, Values{1, 2, 3})->p_randomization, 0.25);
  // 1, 1, -1: sum 1; all 8 sums are at least 1 away.
  EXPECT_DOUBLE_EQ(ComparePaired(Values{0, 0, 1}, Values{1, 1, 0})->p_randomization, 1.0);
  // Queries without a difference change nothing.
  EXPECT_DOUBLE_EQ(ComparePaired(Values{0, 5, 0, 0}, Values{1, 5, 2, 3})->p_randomization, 0.25);
}

TEST(Comparison, SampledRandomizationIsNeverZeroAndCloseToTheExactOne) {
  Values a, b;
  Random random(5);
  for (int i = 0; i < 12; ++i) {
    a.push_back(random.Uniform());
    b.push_back(a.back() + random.Uniform() - 0.3);
  }
  const double exact = ComparePaired(a, b, {.permutations = 4096})->p_randomization;
  const double sampled = ComparePaired(a, b, {.permutations = 4095})->p_randomization;
  EXPECT_NEAR(sampled, exact, 5 * std::sqrt(exact * (1 - exact) / 4095) + 1.0 / 4096);
  const Values low(100, 0.0), high(100, 1.0);
  EXPECT_DOUBLE_EQ(ComparePaired(low, high, {.permutations = 999})->p_randomization, 1.0 / 1000);
}

TEST(Comparison, OfASystemWithItselfSaysNothing) {
  const Values a = {0.1, 0.9, 0.4};
  auto out = ComparePaired(a, a);
  EXPECT_EQ(out->difference, 0);
  EXPECT_EQ(out->low, 0);
  EXPECT_EQ(out->high, 0);
  EXPECT_EQ(out->p_randomization, 1);
  EXPECT_EQ(out->p_t, 1);
  EXPECT_EQ(out->wins, 0u);
  EXPECT_EQ(out->losses, 0u);
}

TEST(Comparison, OneQueryAndEqualDifferencesAreDefined) {
  auto one = ComparePaired(Values{0.25}, Values{0.75});
  EXPECT_DOUBLE_EQ(one->low, 0.5);
  EXPECT_DOUBLE_EQ(one->high, 0.5);
  EXPECT_EQ(one->p_randomization, 1);
  EXPECT_EQ(one->p_t, 1);
  auto equal = ComparePaired(Values{0.1, 0.2, 0.3}, Values{0.6, 0.7, 0.8});
  EXPECT_EQ(equal->p_t, 0);
  EXPECT_DOUBLE_EQ(equal->p_randomization, 0.25);
  EXPECT_EQ(equal->wins, 3u);
}

TEST(Comparison, TurnedAroundGivesTheSamePAndTheOppositeDifference) {
  const Values a = {0.1, 0.5, 0.9, 0.3, 0.2}, b = {0.4, 0.4, 1.0, 0.6, 0.1};
  auto ab = ComparePaired(a, b);
  auto ba = ComparePaired(b, a);
  EXPECT_DOUBLE_EQ(ab->difference, -ba->difference);
  EXPECT_DOUBLE_EQ(ab->p_randomization, ba->p_randomization);
  EXPECT_DOUBLE_EQ(ab->p_t, ba->p_t);
  EXPECT_NEAR(ab->low, -ba->high, 1e-9);
  EXPECT_NEAR(ab->high, -ba->low, 1e-9);
  EXPECT_EQ(ab->wins, ba->losses);
}

TEST(Comparison, SameSeedSameResultAndAnotherSeedAnotherInterval) {
  Values a, b;
  Random random(6);
  for (int i = 0; i < 40; ++i) {
    a.push_back(random.Uniform());
    b.push_back(random.Uniform());
  }
  auto first = ComparePaired(a, b, {.seed = 1});
  auto again = ComparePaired(a, b, {.seed = 1});
  auto other = ComparePaired(a, b, {.seed = 2});
  EXPECT_EQ(first->low, again->low);
  EXPECT_EQ(first->p_randomization, again->p_randomization);
  EXPECT_NE(first->low, other->low);
}

// 60 queries of a true difference 0.05: 95 % of the intervals should hold it; the bootstrap of a
// mean falls a little short of that at this size. 400 experiments: standard error 1.1 %.
TEST(Comparison, IntervalHoldsTheTrueDifferenceAsOftenAsItSays) {
  Random random(7);
  int held = 0;
  for (int experiment = 0; experiment < 400; ++experiment) {
    const Values a(60, 0.0);
    Values b(60);
    for (double& value : b) value = 0.05 + (random.Uniform() + random.Uniform() - 1) * 0.3;
    auto out = ComparePaired(a, b, {.resamples = 500, .permutations = 1});
    held += out->low <= 0.05 && 0.05 <= out->high;
  }
  EXPECT_GE(held, 400 * 0.95 - 400 * 0.045);
  EXPECT_LE(held, 400 * 0.95 + 400 * 0.035);
}

TEST(Comparison, RefusesOtherSizesNothingNotFiniteAndOptionsOutOfRange) {
  const Values two = {1, 2}, three = {1, 2, 3};
  EXPECT_EQ(ComparePaired(two, three).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ComparePaired(Values{}, Values{}).error().code(), Code::kInvalidArgument);
  const Values with_nan = {1, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_EQ(ComparePaired(two, with_nan).error().where().row, 1);
  for (const ComparisonOptions& bad :
       {ComparisonOptions{.resamples = 0}, ComparisonOptions{.permutations = 0},
        ComparisonOptions{.resamples = 20'000'000}, ComparisonOptions{.confidence = 1},
        ComparisonOptions{.confidence = 0}, ComparisonOptions{.confidence = std::nan("")}})
    EXPECT_EQ(ComparePaired(two, two, bad).error().code(), Code::kInvalidArgument);
}

TEST(HolmAdjust, IsTheStepDownProcedureByHand) {
  // Sorted .005 .01 .03 .04, factors 4 3 2 1: .02 .03 .06 .04, then never falling: .06 for the last.
  EXPECT_THAT(HolmAdjust(Values{0.01, 0.04, 0.03, 0.005}),
              ElementsAre(DoubleNear(0.03, 1e-15), DoubleNear(0.06, 1e-15), DoubleNear(0.06, 1e-15),
                          DoubleNear(0.02, 1e-15)));
  EXPECT_THAT(HolmAdjust(Values{0.6, 0.5}), ElementsAre(1.0, 1.0));
  EXPECT_THAT(HolmAdjust(Values{0.03}), ElementsAre(0.03));
  EXPECT_THAT(HolmAdjust(Values{std::nan(""), 0.1}), ElementsAre(1.0, DoubleNear(0.2, 1e-15)));
  EXPECT_TRUE(HolmAdjust(Values{}).empty());
}

TEST(HolmAdjust, NeverLowersAPValueAndKeepsTheirOrder) {
  Random random(8);
  for (int round = 0; round < 200; ++round) {
    Values p(1 + random.Below(30));
    for (double& value : p) value = random.Uniform() * random.Uniform();
    const Values adjusted = HolmAdjust(p);
    for (std::size_t i = 0; i < p.size(); ++i) {
      EXPECT_GE(adjusted[i], p[i]);
      EXPECT_LE(adjusted[i], std::min(1.0, p[i] * static_cast<double>(p.size())) + 1e-15 +
                                 *std::max_element(adjusted.begin(), adjusted.end()));
      for (std::size_t j = 0; j < p.size(); ++j)
        if (p[i] < p[j]) {
          EXPECT_LE(adjusted[i], adjusted[j]);
        }
    }
  }
}

RunEvaluation Evaluation(const Values& ndcg) {
  RunEvaluation out;
  for (std::size_t i = 0; i < ndcg.size(); ++i)
    out.queries.push_back({.query = "q" + std::to_string(i),
                           .measures = {.ndcg_10 = ndcg[i],
                                        .recall_10 = ndcg[i] / 2,
                                        .recall_100 = 0.5,
                                        .mrr_10 = 1,
                                        .map = ndcg[i]}});
  return out;
}

TEST(CompareRuns, ComparesEveryPairInEveryMeasureAndAdjustsOverAll) {
  const std::vector<RunEvaluation> runs = {Evaluation({0.1, 0.2, 0.3, 0.4, 0.5, 0.1, 0.2, 0.3}),
                                           Evaluation({0.6, 0.6, 0.8, 0.7, 0.9, 0.5, 0.7, 0.6}),
                                           Evaluation({0.1, 0.3, 0.2, 0.5, 0.4, 0.1, 0.1, 0.5})};
  auto all = CompareRuns(runs);
  ASSERT_TRUE(all.ok()) << all.error().ToString();
  ASSERT_EQ(all->size(), 15u);
  EXPECT_EQ((*all)[0].a, 0u);
  EXPECT_EQ((*all)[0].b, 1u);
  EXPECT_EQ((*all)[0].measure, "ndcg@10");
  EXPECT_EQ((*all)[14].a, 1u);
  EXPECT_EQ((*all)[14].b, 2u);
  EXPECT_EQ((*all)[14].measure, "map");
  // Better in all 8 queries: 2 of 256 assignments; 1 of 15 comparisons.
  EXPECT_DOUBLE_EQ((*all)[0].paired.p_randomization, 2.0 / 256);
  EXPECT_DOUBLE_EQ((*all)[0].p_adjusted, 15 * 2.0 / 256);
  EXPECT_NEAR((*all)[1].paired.difference, (*all)[0].paired.difference / 2, 1e-15);
  EXPECT_EQ((*all)[2].paired.difference, 0);
  EXPECT_EQ((*all)[2].p_adjusted, 1);

  auto first = CompareRuns(runs, ComparedPairs::kAgainstFirst);
  ASSERT_EQ(first->size(), 10u);
  EXPECT_EQ((*first)[9].a, 0u);
  EXPECT_EQ((*first)[9].b, 2u);
  EXPECT_DOUBLE_EQ((*first)[0].p_adjusted, 10 * 2.0 / 256);
}

TEST(CompareRuns, RefusesOneRunNoQueriesAndOtherQueries) {
  const RunEvaluation two = Evaluation({0.1, 0.2}), three = Evaluation({0.1, 0.2, 0.3});
  RunEvaluation renamed = two;
  renamed.queries[1].query = "other";
  EXPECT_EQ(CompareRuns(std::vector{two}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(CompareRuns(std::vector{RunEvaluation(), RunEvaluation()}).error().code(),
            Code::kInvalidArgument);
  EXPECT_THAT(CompareRuns(std::vector{two, three}).error().ToString(), HasSubstr("\"q2\""));
  EXPECT_THAT(CompareRuns(std::vector{three, two}).error().ToString(), HasSubstr("none"));
  EXPECT_THAT(CompareRuns(std::vector{two, two, renamed}).error().ToString(),
              HasSubstr("\"other\""));
}

}  // namespace
}  // namespace equipoise
