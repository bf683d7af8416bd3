/// α for each query from what recall says of it, where that is shown to pay; else as CurvePolicy.
///
///   auto policy = ContextualPolicy::Create({.curve = {.priors = ShippedPriors()}});
///   std::shared_ptr<ContextualPolicy> learns = *std::move(policy);
///   engine.UsePolicy(learns);       // which hands it the features of each query
///   learns->Account().decides;      // whether it is shown to pay
///
/// Model: a query's curve is its domain's (CurvePolicy) and, in the first few cosine modes, a linear
/// function of how its features differ from the domain's mean; the weights are common to all domains,
/// with a normal prior and a posterior in closed form. They are learned within domains alone: what makes
/// one domain another is the curve's part. A decision takes one of 32 draws of the weights (Thompson
/// sampling) and the best α by it; the propensity is the share of the draws that come to the same α.
///
/// Account: judged curves tell what both would have earned, before they learn from it. A
/// capital of 1, staked on features in several parts, grows with each gain of theirs over the curve alone
/// and shrinks with each loss; features decide while it is at least 1 / doubt. If they gain nothing on
/// average, it ever gets there with a probability of at most `doubt`, however long it runs: that it is there
/// says that the anytime-valid lower bound of the mean gain, at a confidence of 1 − doubt, is above 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/optimizer/curve_policy.h>

namespace equipoise {

struct ContextualPolicyOptions {
  /// What decides without features, and what is decided around. both_paths_share is taken as 1: features
  /// come of both paths. Floor, ceiling, step, guard and exploration hold with features as well.
  CurvePolicyOptions curve{};
  std::size_t features = 15;  ///< numbers that describe a query; in [1, 32]
  /// Variance of a query's curve that features cannot explain, over what they are expected to; in
  /// (0, 1e6].
  /// Source   NOISE of bench/bandit/contextual.py: of a prototype, one of eleven on the judged sets
  double noise_ratio = 10;
  /// Queries with features that are learned before the account begins; >= 1.
  std::size_t enough = 50;
  double doubt = 0.1;  ///< in (0, 1): the less, the surer it must be that features pay
};

/// Whether features pay.
struct ContextualAccount {
  bool decides = false;       ///< features decide, else the curve of the domain
  std::uint64_t queries = 0;  ///< judged with features, and learned from
  std::uint64_t counted = 0;  ///< of these, those in the account
  double gain = 0;       ///< mean reward a counted query above what the curve would have earned
  double deviation = 0;  ///< standard deviation of that
  double capital = 0;    ///< e-value against "no gain"; features decide from 1 / doubt on
};

/// Bayesian linear regression of curves on features, with Thompson sampling and a curve to fall back on.
/// Threads  as CurvePolicy: Decide takes no lock and allocates nothing; about 5 µs with features
/// Source   Thompson sampling with linear payoffs: Agrawal & Goyal 2013, arXiv:1209.3352; the account:
///          testing by betting, Waudby-Smith & Ramdas 2024, doi:10.1093/jrsssb/qkad009
class EQUIPOISE_API ContextualPolicy final : public WeightPolicy {
 public:
  /// Errors   kInvalidArgument: an option out of range; kOutOfMemory
  static Result<std::unique_ptr<ContextualPolicy>> Create(ContextualPolicyOptions options = {});
  /// What Save has written, options included.
  /// Errors   kNotFound, kIo; kCorruption: changed, cut; kUnsupported: another version
  static Result<std::unique_ptr<ContextualPolicy>> Load(const std::string& path);
  ~ContextualPolicy() override;

  bool UsesFeatures() const noexcept override { return true; }
  /// Features that are missing, not finite, or of another number: decided by the curve.
  WeightDecision Decide(const WeightQuery& query, std::uint64_t random) const noexcept override;
  /// Without features, or with a curve that is not whole, the domain's curve alone learns. Of repeated
  /// feedback the account counts the first, the model the last.
  /// Errors   as CurvePolicy::Update; kInvalidArgument: features of another number, or not finite
  Status Update(const WeightFeedback& feedback) override;
  Status Save(const std::string& path) const override;

  ContextualAccount Account() const;
  /// The curves of the domains.
  const CurvePolicy& curve() const;
  const ContextualPolicyOptions& options() const;  ///< `curve` as given, both_paths_share 1

 private:
  struct State;
  explicit ContextualPolicy(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
