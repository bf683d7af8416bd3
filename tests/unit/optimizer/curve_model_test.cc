// The closed-form posterior against brute force: sums over a fine grid of everything that is unknown.

#include "curve_model.h"

#include <cmath>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>

#include "curve_draws.h"

namespace equipoise {
namespace {

double Normal(double x, double variance) {
  return std::exp(-0.5 * x * x / variance) / std::sqrt(2 * std::numbers::pi * variance);
}

// Scales and noise given, so that what is left is the exact part.
CurveConstants Given(double scale) {
  CurveConstants out;
  out.scales.fill(scale);
  out.global_scale = 0.05;
  out.noise = {0.1, 0.06, 0.05, 0.04, 0.03, 0.02};
  out.noise_queries = out.domain_noise_queries = out.scale_domains = 1e12;
  return out;
}

std::vector<double> SampleCurve(const CurveModel& model, Random* random) {
  std::vector<double> out(model.grid());
  const double slope = random->Uniform() - 0.3, bend = random->Uniform();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double a = static_cast<double>(i) / static_cast<double>(out.size() - 1);
    out[i] = 0.4 + 0.2 * slope * a - 0.3 * bend * a * a + 0.02 * random->Uniform();
  }
  return out;
}

TEST(CurveModel, PosteriorAgreesWithBruteForceBayes) {
  const CurveModel model(5, 0.5, Given(0.08));
  Random random(1);
  std::vector<DomainSums> domains(3);  // the third gets no feedback
  std::vector<std::vector<CurveModes>> seen(3);
  for (const auto& [d, n] : {std::pair{0, 2}, std::pair{1, 5}})
    for (int i = 0; i < n; ++i) {
      const auto observed = model.Observe(SampleCurve(model, &random));
      model.Add(observed, 1, 1, &domains[static_cast<std::size_t>(d)]);
      seen[static_cast<std::size_t>(d)].push_back(observed.modes);
    }
  CurvePart shared;
  for (const DomainSums& sums : domains) shared.Add(model.PartOf(sums, {}), 1);

  for (std::size_t j = 0; j < 2; ++j) {
    const double fall = std::pow(static_cast<double>(j + 1), -2.0);
    const double global = std::pow(0.05 * fall, 2), own = std::pow(0.08 * fall, 2);
    const double noise = std::pow(model.constants().noise[j], 2);
    constexpr int kSteps = 400;
    const auto at = [](int i, double variance) {
      return (i - kSteps / 2) * 12 * std::sqrt(variance) / kSteps;
    };
    // p(data of d | f), and its integral over h_d for a given g.
    const auto likelihood = [&](std::size_t d, double f) {
      double out = 1;
      for (const CurveModes& c : seen[d]) out *= Normal(c[j] - f, noise);
      return out;
    };
    double all = 0, mean[3] = {}, square[3] = {};
    for (int gi = 0; gi <= kSteps; ++gi) {
      const double g = at(gi, global);
      double part[3] = {}, first[3] = {}, second[3] = {};
      for (std::size_t d = 0; d < 3; ++d)
        for (int hi = 0; hi <= kSteps; ++hi) {
          const double h = at(hi, own), f = g + h;
          const double p = Normal(h, own) * likelihood(d, f);
          part[d] += p;
          first[d] += p * f;
          second[d] += p * f * f;
        }
      const double weight = Normal(g, global);
      all += weight * part[0] * part[1] * part[2];
      for (std::size_t d = 0; d < 3; ++d) {
        const double others = part[(d + 1) % 3] * part[(d + 2) % 3];
        mean[d] += weight * others * first[d];
        square[d] += weight * others * second[d];
      }
    }
    for (std::size_t d = 0; d < 3; ++d) {
      const CurvePosterior posterior = model.Posterior(domains[d], shared);
      const double expected = mean[d] / all;
      EXPECT_NEAR(posterior.Mean()[j], expected, 1e-5);
      EXPECT_NEAR(std::sqrt(posterior.variance[0][j]),
                  std::sqrt(square[d] / all - expected * expected), 1e-5);
    }
  }
}

TEST(CurveModel, ScalesAreWeightedByTheirMarginalLikelihood) {
  CurveConstants constants = Given(0.1);
  constants.scales = {0.003, 0.01, 0.03, 0.1, 0.3};
  constants.global_scale = 1e-9;  // nothing in common: each scale has one unknown a mode
  const CurveModel model(3, 0.5, constants);
  DomainSums sums;
  const std::vector<double> curve = {0.7, 0.6, 0.3};
  const CurveObservation observed = model.Observe(curve);
  for (int i = 0; i < 4; ++i) model.Add(observed, 1, 1, &sums);
  double expected[kCurveScales], all = 0;
  for (std::size_t h = 0; h < kCurveScales; ++h) {
    expected[h] = 1;
    for (std::size_t j = 0; j < model.modes(); ++j) {
      const double spread =
          std::pow(constants.scales[h] * std::pow(static_cast<double>(j + 1), -2.0), 2);
      const double noise = std::pow(constants.noise[j], 2) / 4;
      double sum = 0;
      constexpr int kSteps = 20'000;
      for (int i = -kSteps; i <= kSteps; ++i) {
        const double step = 8 * std::sqrt(spread) / kSteps;
        sum += Normal(i * step, spread) * Normal(observed.modes[j] - i * step, noise) * step;
      }
      expected[h] *= sum;
    }
    all += expected[h];
  }
  const CurvePosterior posterior = model.Posterior(sums, {});
  for (std::size_t h = 0; h < kCurveScales; ++h)
    EXPECT_NEAR(posterior.weight[h], expected[h] / all, 1e-4);
}

TEST(CurveModel, NoiseIsLearnedFromTheQueries) {
  const CurveModel model(21, 0.5, {});
  Random random(4);
  DomainSums loud, quiet;
  const CurveModes deviation = {0.03, 0.05, 0.01, 0.02, 0.004, 0.003};
  for (int i = 0; i < 4000; ++i) {
    std::vector<double> curve(21, 0.5);
    for (std::size_t j = 0; j < model.modes(); ++j) {
      const double c =
          (i % 2 == 0 ? 1 : 0.5) * deviation[j] * std::sqrt(12) * (random.Uniform() - 0.5);
      for (std::size_t k = 0; k < 21; ++k) curve[k] += c * model.Basis(j)[k];
    }
    model.Add(model.Observe(curve), 1, 1, i % 2 == 0 ? &loud : &quiet);
  }
  CurvePart shared;
  shared.Add(model.PartOf(loud, {}), 1);
  shared.Add(model.PartOf(quiet, {}), 1);
  for (std::size_t j = 0; j < model.modes(); ++j) {
    const double variance = deviation[j] * deviation[j];
    EXPECT_NEAR(model.Posterior(loud, shared).noise[j] / variance, 1, 0.1) << j;
    EXPECT_NEAR(model.Posterior(quiet, shared).noise[j] / variance, 0.25, 0.04) << j;
  }
}

TEST(CurveModel, TheLevelOfACurveTeachesNothing) {
  const CurveModel model(21, 0.5, {});
  Random random(2);
  std::vector<double> curve = SampleCurve(model, &random);
  const auto before = model.Observe(curve);
  for (double& value : curve) value += 0.1;
  for (std::size_t j = 0; j < kCurveModes; ++j)
    EXPECT_NEAR(model.Observe(curve).modes[j], before.modes[j], 1e-12);
}

TEST(CurveModel, WhatWasTakenBackIsGone) {
  const CurveModel model(21, 0.5, {});
  Random random(3);
  const auto a = model.Observe(SampleCurve(model, &random));
  const auto b = model.Observe(SampleCurve(model, &random));
  DomainSums once, twice;
  model.Add(b, 0.7, 1, &once);
  model.Add(a, 1, 1, &twice);
  model.Add(b, 0.7, 1, &twice);
  model.Add(a, 1, -1, &twice);
  EXPECT_NEAR(once.weight, twice.weight, 1e-12);
  for (std::size_t j = 0; j < kCurveModes; ++j) EXPECT_NEAR(once.sum[j], twice.sum[j], 1e-12);
  model.Add(b, 0.7, -1, &twice);
  EXPECT_EQ(twice.weight, 0);
  EXPECT_EQ(twice.sum, CurveModes{});
}

TEST(CurveModel, GapsAreFilledInAndCountForLess) {
  const CurveModel model(21, 0.5, {});
  std::vector<double> curve(21);
  for (std::size_t k = 0; k < 21; ++k) curve[k] = 0.2 + 0.5 * static_cast<double>(k) / 20;
  const auto whole = model.Observe(curve);
  EXPECT_EQ(whole.share, 1);
  for (std::size_t k = 0; k < 21; ++k)
    if (k % 2 == 1) curve[k] = std::nan("");
  const auto half = model.Observe(curve);
  EXPECT_NEAR(half.share, 11.0 / 21, 1e-12);
  EXPECT_NEAR(half.modes[0], whole.modes[0], 0.02 * std::abs(whole.modes[0]) + 0.002);
  std::fill(curve.begin() + 1, curve.end(), std::nan(""));
  EXPECT_EQ(model.Observe(curve).share, 0);
}

TEST(CurveDraws, FrequenciesAreThoseOfIndependentSamples) {
  CurveConstants constants;
  constants.roughness = 0;
  const CurveModel model(5, 0.5, constants);
  CurveDraws draws(16'384, 5, model);
  CurvePosterior posterior;
  posterior.weight = {0.3, 0, 0.7, 0, 0};
  posterior.mean[0] = {0.02, -0.005, 0, 0, 0, 0};
  posterior.mean[2] = {-0.03, -0.01, 0, 0, 0, 0};
  posterior.variance[0] = {4e-4, 1e-4, 1e-5, 1e-5, 0, 0};
  posterior.variance[2] = {9e-4, 4e-4, 1e-5, 1e-5, 0, 0};
  std::vector<std::uint32_t> counts(5);
  draws.Count(posterior, 1, 0, 0, counts);

  Random random(6);
  const auto normal = [&] {  // the sum of twelve: not how the draws are made
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += random.Uniform();
    return sum;
  };
  constexpr int kSamples = 200'000;
  std::vector<double> expected(5), regrets;
  std::vector<double> uniform(5, 0.2);
  for (int s = 0; s < kSamples; ++s) {
    const std::size_t h = random.Chance(0.3) ? 0 : 2;
    double value[5] = {}, mean = 0;
    for (std::size_t j = 0; j < model.modes(); ++j) {
      const double c =
          model.prior()[j] + posterior.mean[h][j] + std::sqrt(posterior.variance[h][j]) * normal();
      for (std::size_t k = 0; k < 5; ++k) value[k] += c * model.Basis(j)[k];
    }
    for (const double v : value) mean += v / 5;
    const auto best = std::max_element(value, value + 5) - value;
    expected[static_cast<std::size_t>(best)] += 1.0 / kSamples;
    regrets.push_back(value[best] - mean);
  }
  std::uint32_t sum = 0;
  for (std::size_t k = 0; k < 5; ++k) {
    sum += counts[k];
    EXPECT_NEAR(counts[k] / 16'384.0, expected[k], 0.015);
  }
  EXPECT_EQ(sum, 16'384u);
  std::sort(regrets.begin(), regrets.end());
  EXPECT_NEAR(draws.RegretQuantile(posterior, uniform, 0.9) / regrets[kSamples * 9 / 10], 1, 0.03);
}

}  // namespace
}  // namespace equipoise
