/// What a policy would have earned, told from the decisions of another one: off-policy evaluation.
///
///   OffPolicySample sample = {.reward = ..., .propensity = decision.alpha_propensity};
///   for (const AlphaShare& share : AlphaShares(policy, query))      // what it would have decided
///     if (share.alpha == decision.alpha) sample.target = share.probability;
///   ...
///   EvaluateOffPolicy(samples)->snips;                              // mean, interval, sample size
///
/// Where the whole reward curve of a query is known (reward_curve.h) none of this is needed: the reward
/// of any decision can be read off it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/optimizer/mean_interval.h>

namespace equipoise {

/// The sample size from which on intervals are to be trusted; below they may be far too narrow.
inline constexpr double kReliableSamples = 200;

/// The least propensity of a logged decision: no sum of squared weights overflows.
inline constexpr double kLeastPropensity = 1e-100;

/// A logged decision, and what the judged policy has to do with it.
struct OffPolicySample {
  double reward = 0;      ///< that the logged decision has earned, in [0, 1]
  double propensity = 1;  ///< with which the logging policy decided so, in [kLeastPropensity, 1]
  double target = 0;      ///< with which the judged policy decides the same, in [0, 1]
  // For doubly robust: what a model says which has not seen this reward. In [0, 1].
  double predicted = 0;         ///< of the logged decision
  double predicted_target = 0;  ///< of the judged policy's decisions, on average
};

struct OffPolicyEstimate {
  double mean = 0;  ///< reward a query; those without a bias may lie outside [0, 1]
  double low = 0;   ///< 95 % interval, cut to [0, 1]; all of it where no decision is shared
  double high = 1;
  /// (Σ w)² / Σ w² of the weights that it rests on (Kish 1965).
  double effective = 0;
  bool reliable = false;  ///< effective >= kReliableSamples
};

struct OffPolicyEstimates {
  /// The decisions that a draw from the judged policy shares with the log, by 1 / propensity: under a
  /// uniform log plain replay (Li et al. 2011, arXiv:1003.5956). Consistent.
  OffPolicyEstimate replay{};
  /// Mean of w · reward, w = target / propensity. No bias; wide where weights differ.
  OffPolicyEstimate ips{};
  /// Σ w · reward / Σ w (Swaminathan & Joachims 2015). Consistent, in the range of the rewards.
  OffPolicyEstimate snips{};
  /// Mean of predicted_target + w · (reward − predicted) (Dudík et al. 2011, arXiv:1103.4601). No bias,
  /// and the narrower the better the model is.
  OffPolicyEstimate doubly_robust{};
  double largest_weight = 0;
  std::size_t samples = 0;
};

/// All four.
/// Shapes   samples [n], of queries that are independent given the policies; the judged policy may have
///          learned from the samples before
/// Range    n >= 2. Without a bias where the logging policy may decide all that the judged one may
/// Errors   kInvalidArgument naming sample and field: a value out of its range, n < 2
/// Exact    intervals by Student's t of the per-sample terms, for the two ratios of their linear parts;
///          `./dev bench bandit` counts how often they hold the truth
/// Threads  pure; seed: of the draws of replay
EQUIPOISE_API Result<OffPolicyEstimates> EvaluateOffPolicy(std::span<const OffPolicySample> samples,
                                                           std::uint64_t seed = 1);

/// An α and how likely a policy decides it, whichever paths.
struct AlphaShare {
  double alpha = 0;
  double probability = 0;
};
/// All that a policy may decide for a query, asked at `probes` evenly spaced random numbers.
/// Order    ascending alpha, each once; probabilities add up to 1
/// Exact    as the policy states them where each is at least 1 / probes and those of one α lie together, as
///          with all policies here; rarer ones may be missed, and the rest is scaled up
/// Errors   none; std::bad_alloc may leave it
EQUIPOISE_API std::vector<AlphaShare> AlphaShares(const WeightPolicy& policy,
                                                  const WeightQuery& query,
                                                  std::size_t probes = 1024);

}  // namespace equipoise
