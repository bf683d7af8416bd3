// How NSGA-II makes and chooses candidates, part by part.
#include "variation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/nsga2.h>

#include "key_sort.h"
#include "powers.h"

namespace equipoise {
namespace {

TEST(Powers, StayWithinTheirErrorOfLongDoubles) {
  Random random(1);
  double log_error = 0, exp_error = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double x = std::ldexp(1 + random.Uniform(), static_cast<int>(random.Below(2000)) - 1000);
    const long double log = std::log2(static_cast<long double>(x));
    log_error =
        std::max(log_error, static_cast<double>(std::fabs(Log2(x) - log) / (1 + std::fabs(log))));
    const double z = (random.Uniform() - 0.5) * 2000;
    const long double power = std::exp2(static_cast<long double>(z));
    exp_error = std::max(exp_error, static_cast<double>(std::fabs(Exp2(z) - power) / power));
  }
  EXPECT_LE(log_error, 0x1p-52);
  EXPECT_LE(exp_error, 0x1p-51);
  for (const double x : {0.0, 1e-320, 1.0, 2.0, 0.5}) {
    EXPECT_EQ(Log2(x), x < 0x1p-1022 ? -1022 : std::log2(x));
  }
  EXPECT_EQ(Exp2(-5000), 0x1p-1022);
  EXPECT_EQ(Exp2(5000), 0x1p1023);
  for (const double eta : {0.0, 2.5, 15.0, 20.0, 31.0, 63.0, 100.0}) {
    const Power power(eta);
    std::vector<double> x, raised, root;
    for (int i = 0; i < 1000; ++i) x.push_back(random.Uniform() * 1.5);
    raised = root = x;
    power.Raise(raised.data(), raised.size());
    power.Root(root.data(), root.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double n = static_cast<long double>(eta) + 1;
      const long double expected = std::pow(static_cast<long double>(x[i]), n);
      if (expected > 1e-300L) {
        EXPECT_NEAR(static_cast<double>(raised[i] / expected), 1, 1e-13) << eta << " " << x[i];
      }
      EXPECT_NEAR(static_cast<double>(root[i] / std::pow(static_cast<long double>(x[i]), 1 / n)), 1,
                  1e-13);
    }
  }
}

TEST(KeySort, SortsAsAStableSortDoesWhateverIsInOrderAlready) {
  Random random(2);
  KeySort sort;
  for (int round = 0; round < 2000; ++round) {
    const auto n = static_cast<std::uint32_t>(random.Below(round < 200 ? 12 : 300));
    const std::uint64_t values = 1 + random.Below(400);
    std::vector<KeyedRow> rows;
    for (std::uint32_t i = 0; i < n; ++i)
      rows.push_back({static_cast<double>(random.Below(values)), i});
    const auto less = [](const KeyedRow& a, const KeyedRow& b) { return a.key < b.key; };
    const auto part = static_cast<std::ptrdiff_t>(random.Below(n + 1));
    if (round % 3 == 0) std::stable_sort(rows.begin(), rows.begin() + part, less);
    if (round % 7 == 0)
      std::sort(rows.begin(), rows.end(),
                [](const KeyedRow& a, const KeyedRow& b) { return a.key > b.key; });
    std::vector<KeyedRow> expected = rows;
    std::stable_sort(expected.begin(), expected.end(), less);
    sort.Sort(&rows);
    for (std::uint32_t i = 0; i < n; ++i) {
      ASSERT_EQ(rows[i].key, expected[i].key);
      ASSERT_EQ(rows[i].row, expected[i].row);
    }
  }
}

TEST(Variation, BitsAreSetWithTheirProbability) {
  Random random(3);
  constexpr int kWords = 4000;
  for (const double p : {0.0, 1e-3, 0.1, 0.5, 0.75, 0.9, 1.0}) {
    double count = 0;
    for (int i = 0; i < kWords; ++i) count += std::popcount(ChanceBits(p, &random));
    const double n = 64.0 * kWords;
    EXPECT_NEAR(count / n, p, 5 * std::sqrt(p * (1 - p) / n)) << p;
  }
}

// The rows that are made of rows of the same values.
std::vector<double> Varied(const std::vector<Variable>& variables, const Nsga2Options& options,
                           double mutation, const std::vector<double>& row, std::size_t n,
                           std::uint64_t seed) {
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.insert(x.end(), row.begin(), row.end());
  Random random(seed);
  Variation(variables, options, mutation).Apply(x.data(), n, &random);
  return x;
}

TEST(Variation, EveryVariableIsMutatedWithItsProbability) {
  const std::vector<Variable> variables = {{0, 1},
                                           {2, 2},
                                           {0, 1000, VariableKind::kInteger},
                                           {0, 3, VariableKind::kCategorical},
                                           {0, 1}};
  const std::vector<double> row = {0.4, 2, 500, 1, 0.7};
  constexpr std::size_t kRows = 20'000;
  for (const double p : {0.01, 0.2, 0.9, 1.0}) {
    const auto x = Varied(variables, {.mutation_eta = 1}, p, row, kRows, 4);
    std::vector<double> changed(5, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Variable& v = variables[i % 5];
      ASSERT_TRUE(x[i] >= v.low && x[i] <= v.high);
      ASSERT_TRUE(v.kind == VariableKind::kReal || x[i] == std::round(x[i]));
      changed[i % 5] += x[i] != row[i % 5] ? 1 : 0;
    }
    const double spread = 5 * std::sqrt(p * (1 - p) / kRows) + 0.003;  // an integer may come back
    for (const std::size_t j : {0u, 2u, 3u, 4u})
      EXPECT_NEAR(changed[j] / kRows, p, spread) << "variable " << j << ", " << p;
    EXPECT_EQ(changed[1], 0);
  }
  EXPECT_EQ(Varied(variables, {}, 0, row, 4, 4), Varied(variables, {}, 1e-300, row, 4, 4));
}

// Deb 2001: the chance that a mutation moves by less than δ, far from the bounds, is 1 − (1 − δ)^(η + 1).
TEST(Variation, MutationsAreAsFarAsTheirDistributionSays) {
  constexpr double kEta = 20;
  constexpr std::size_t kRows = 40'000;
  const auto x = Varied({{0, 1}}, {.mutation_eta = kEta}, 1, {0.5}, kRows, 5);
  double near = 0, above = 0;
  for (const double value : x) {
    near += std::fabs(value - 0.5) < 0.03 ? 1 : 0;
    above += value > 0.5 ? 1 : 0;
  }
  EXPECT_NEAR(near / kRows, 1 - std::pow(1 - 0.03, kEta + 1), 0.01);
  EXPECT_NEAR(above / kRows, 0.5, 0.01);
}

// Far from the bounds children lie as far from the middle as each other, and by less than β times as far as
// their parents with the chance 0.5 β^(η + 1) where β < 1 (Deb & Agrawal 1995).
TEST(Variation, ChildrenOfACrossingAreAsFarAsTheirDistributionSays) {
  for (const double eta : {2.0, 15.0, 31.0}) {
    constexpr std::size_t kPairs = 30'000;
    const std::vector<Variable> variables = {{-1e6, 1e6}};
    std::vector<double> x;
    for (std::size_t i = 0; i < kPairs; ++i) x.insert(x.end(), {1, 3});
    Random random(6);
    Variation(variables, {.crossover = 1, .crossover_variable = 1, .crossover_eta = eta}, 0)
        .Apply(x.data(), x.size(), &random);
    double closer = 0, first = 0;
    for (std::size_t i = 0; i < x.size(); i += 2) {
      ASSERT_NEAR(x[i] + x[i + 1], 4, 1e-9);
      closer += std::fabs(x[i] - x[i + 1]) / 2 < 0.9 ? 1 : 0;
      first += x[i] < x[i + 1] ? 1 : 0;
    }
    EXPECT_NEAR(closer / kPairs, 0.5 * std::pow(0.9, eta + 1), 0.015) << eta;
    EXPECT_NEAR(first / kPairs, 0.5, 0.015);
  }
}

TEST(Variation, CrossesEachVariableOfAPairWithItsProbability) {
  constexpr std::size_t kPairs = 20'000, kVariables = 70;  // more than a word of bits
  const std::vector<Variable> variables(kVariables, {0, 5, VariableKind::kCategorical});
  std::vector<double> x;
  for (std::size_t i = 0; i < 2 * kPairs; ++i)
    x.insert(x.end(), kVariables, static_cast<double>(i % 2));
  Random random(7);
  Variation(variables, {.crossover = 0.8, .crossover_variable = 0.3}, 0)
      .Apply(x.data(), 2 * kPairs, &random);
  for (const std::size_t j : {std::size_t{0}, std::size_t{63}, std::size_t{64}, std::size_t{69}}) {
    double exchanged = 0;
    for (std::size_t i = 0; i < kPairs; ++i) {
      exchanged += x[2 * i * kVariables + j];
      ASSERT_EQ(x[2 * i * kVariables + j] + x[(2 * i + 1) * kVariables + j], 1);
    }
    EXPECT_NEAR(exchanged / kPairs, 0.8 * 0.3, 0.015) << j;
  }
}

}  // namespace
}  // namespace equipoise
