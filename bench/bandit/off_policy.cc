// Off-policy estimates on simulated logs, against what the judged policy truly earns.
#include <algorithm>
#include <cmath>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/off_policy.h>

#include "experiments.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kLogs = 3000;
constexpr std::size_t kLogSize = 1500;
constexpr std::size_t kFolds = 5;

double Normal(double at, double middle, double width) {
  return std::exp(-0.5 * std::pow((at - middle) / width, 2));
}

Curve Shares(double middle, double width, double uniform) {
  Curve out{};
  double sum = 0;
  for (std::size_t i = 0; i < kGrid; ++i) sum += out[i] = Normal(AlphaOf(i), middle, width);
  for (double& p : out) p = (1 - uniform) * p / sum + uniform / kGrid;
  return out;
}

std::size_t DrawArm(const Curve& shares, Random* random) {
  double u = random->Uniform();
  for (std::size_t i = 0; i + 1 < kGrid; ++i)
    if ((u -= shares[i]) < 0) return i;
  return kGrid - 1;
}

struct Query {
  std::size_t domain = 0;
  const Curve* curve = nullptr;
};

// A log of n queries drawn with replacement, its decisions by `logging`; the model is the mean curve of
// the domain in the other folds.
OffPolicyEstimates OneLog(const std::vector<Query>& population, const std::vector<Curve>& logging,
                          const std::vector<Curve>& target, std::size_t n, std::uint64_t seed) {
  Random random = Random::Stream(2'718, seed);
  const std::size_t domains = logging.size();
  std::vector<const Query*> drawn;
  std::vector<Curve> model(domains * kFolds);
  std::vector<double> count(domains * kFolds);
  for (std::size_t i = 0; i < n; ++i) {
    const Query& query = population[random.Below(population.size())];
    drawn.push_back(&query);
    for (std::size_t fold = 0; fold < kFolds; ++fold) {
      if (fold == i % kFolds) continue;
      for (std::size_t a = 0; a < kGrid; ++a)
        model[query.domain * kFolds + fold][a] += (*query.curve)[a];
      count[query.domain * kFolds + fold] += 1;
    }
  }
  std::vector<OffPolicySample> samples;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t d = drawn[i]->domain, cell = d * kFolds + i % kFolds;
    const std::size_t arm = DrawArm(logging[d], &random);
    const auto predicted = [&](std::size_t a) {
      return count[cell] > 0 ? std::min(1.0, model[cell][a] / count[cell]) : 0.0;
    };
    OffPolicySample sample{.reward = (*drawn[i]->curve)[arm],
                           .propensity = logging[d][arm],
                           .target = target[d][arm],
                           .predicted = predicted(arm)};
    for (std::size_t a = 0; a < kGrid; ++a) sample.predicted_target += target[d][a] * predicted(a);
    samples.push_back(sample);
  }
  return OrThrow(EvaluateOffPolicy(samples, seed));
}

struct Tally {
  const char* name;
  OffPolicyEstimate OffPolicyEstimates::*one;
  double sum = 0, squares = 0, errors = 0, held = 0, reliable = 0, effective = 0;

  void Add(const OffPolicyEstimates& all, double truth) {
    const OffPolicyEstimate& e = all.*one;
    const double error = e.mean - truth;
    sum += error;
    squares += error * error;
    held += e.low <= truth && truth <= e.high ? 1 : 0;
    reliable += e.reliable ? 1 : 0;
    effective += e.effective;
  }
  json Row(double logs, std::size_t size) const {
    const double bias = sum / logs, variance = squares / logs - bias * bias;
    return {{"method", name},
            {"size", size},
            {"bias", bias},
            {"t", bias / std::sqrt(variance / (logs - 1))},
            {"rmse", std::sqrt(squares / logs)},
            {"coverage", held / logs},
            {"reliable", reliable / logs},
            {"effective", effective / logs}};
  }
};

}  // namespace

json OffPolicy(const Sets& sets) {
  std::vector<Query> population;
  std::vector<Curve> logging, target, far;
  double truth = 0;
  for (std::size_t d = 0; d < sets.size(); ++d) {
    const double best = AlphaOf(BestOf(sets[d]->mean));
    logging.push_back(Shares(0.5, 0.2, 0.2));
    target.push_back(Shares(best, 0.1, 0));
    far.push_back(Shares(best > 0.5 ? 0.0 : 1.0, 0.02, 0));
    for (const JudgedQuery& query : sets[d]->queries) {
      population.push_back({d, &query.ndcg});
      for (std::size_t a = 0; a < kGrid; ++a) truth += target[d][a] * query.ndcg[a];
    }
  }
  truth /= static_cast<double>(population.size());
  json out = {{"logs", kLogs}, {"truth", truth}, {"estimates", json::array()}};
  for (const std::size_t size : {kLogSize, 4 * kLogSize}) {
    std::vector<Tally> tallies = {{"replay", &OffPolicyEstimates::replay},
                                  {"IPS", &OffPolicyEstimates::ips},
                                  {"self-normalized IPS", &OffPolicyEstimates::snips},
                                  {"doubly robust", &OffPolicyEstimates::doubly_robust}};
    for (std::size_t log = 0; log < kLogs; ++log) {
      const OffPolicyEstimates found = OneLog(population, logging, target, size, log);
      for (Tally& tally : tallies) tally.Add(found, truth);
    }
    for (const Tally& tally : tallies)
      out["estimates"].push_back(tally.Row(static_cast<double>(kLogs), size));
  }
  // A policy that the log hardly knows.
  double warned = 0, covered = 0;
  double far_truth = 0;
  for (const Query& query : population)
    for (std::size_t a = 0; a < kGrid; ++a)
      far_truth +=
          far[query.domain][a] * (*query.curve)[a] / static_cast<double>(population.size());
  for (std::size_t log = 0; log < kLogs; ++log) {
    const OffPolicyEstimates found = OneLog(population, logging, far, kLogSize, kLogs + log);
    const OffPolicyEstimate& one = found.ips;
    warned += one.reliable ? 0 : 1;
    covered += one.low <= far_truth && far_truth <= one.high ? 1 : 0;
  }
  out["far"] = {{"warned", warned / kLogs}, {"coverage", covered / kLogs}};
  return out;
}

}  // namespace equipoise::bench
