/// What other policies would have earned on the searches of a log (replay_log.h). `equipoise learn
/// --replay` prints it.
///
/// Two ways, which check each other: by the log's propensities (optimizer/off_policy.h), which needs
/// nothing but what was shown and told; and by replaying exactly, since the stored scores give the
/// fused list of any α, and only the documents in it that nobody saw are unknown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/engine/simulation.h>
#include <equipoise/optimizer/off_policy.h>
#include <equipoise/optimizer/policy_priors.h>
#include <equipoise/retrieval/fusion.h>

namespace equipoise {

struct ReplayOptions {
  /// By name, as MakeWeightPolicy: each starts new and learns along the log, every query after it has decided.
  std::vector<std::string> policies = {"static", "beta", "curve"};
  std::vector<std::string>
      states{};           ///< files of WeightPolicy::Save: judged as they are, they learn nothing
  PolicyPriors priors{};  ///< of curve and contextual
  std::size_t watch = 0;  ///< CurvePolicyOptions::watch, of both
  std::uint64_t seed = 1;
  ProgressCallback progress{};
};

/// A policy on the log. Reward of an answer: Σ rating / log2(rank + 1) over its first ten, over that of
/// ten with rating 1; of what was shown and not rated the rating is 0, the mean of all who rated.
struct ReplayedPolicy {
  std::string name{};
  OffPolicyEstimates estimates{};
  // Exact replay, of the queries with both paths. What nobody saw is worth:
  MeanInterval
      exact{};  ///< 0.7 of the mean rating of what was shown, RewardCurveOptions::unknown_share
  MeanInterval least{};  ///< nothing
  MeanInterval most{};   ///< 1
  double known = 0;      ///< share of the ten that were shown, and so are known
};

struct ReplayStudy {
  std::size_t queries = 0;
  std::size_t one_path = 0;  ///< of those, without the scores of one path
  std::size_t rated = 0;     ///< with feedback
  std::vector<std::string> domains{};
  FusionMethod fusion = FusionMethod::kMinMaxUnion;
  MeanInterval logged{};  ///< what the log's own decisions have earned
  /// Exact replay of each α, in every domain.
  std::array<MeanInterval, simulation::kGrid> alphas{};
  std::vector<ReplayedPolicy> policies{};
};

/// Errors   as ReplayLogReader; kInvalidArgument: fewer than two queries, one twice, lines of different fusions, an
///          unknown policy, priors of another normalization, a policy that decides by features and a line
///          that has not as many; as LoadWeightPolicy; kCancelled by the callback
/// Exact    a decision between two of the 21 values of α is replayed as the nearer
/// Threads  one; memory 1 KB a query
EQUIPOISE_API Result<ReplayStudy> StudyReplay(const std::string& log,
                                              const ReplayOptions& options = {});

}  // namespace equipoise
