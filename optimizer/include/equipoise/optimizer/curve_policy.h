/// The default policy: Thompson sampling over whole reward curves, shared between domains as far as
/// they are alike.
///
///   auto policy = CurvePolicy::Create({.priors = ShippedPriors()});
///   WeightDecision decision = (*policy)->Decide({.domain = "finance"}, random.Next());
///   (*policy)->Update({.query = {.domain = "finance"}, .decision = decision, .curve = curve.values});
///   (*policy)->Inspect("finance")->regret_bound;     // what it may still lose a query
///
/// Model: the curve of a query in domain d is f_d + noise, f_d = prior + g + h_d, each a smooth curve
/// over α: a Gaussian process of zero level, in its first cosine modes, with variances that fall with
/// the mode. g is what all domains have in common; h_d has a scale of its own among a few, whose
/// weights are learned over the domains (most are alike, some are far off); the noise's variance in
/// each mode is learned over all domains and scaled for each. Every posterior is in closed form, given
/// the scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/optimizer/policy_priors.h>

namespace equipoise {

struct CurvePolicyOptions {
  // What is decided.
  PolicyPriors priors{};  ///< a domain without one starts from the global posterior
  /// Where the curve peaks before anything is known. In [0, 1].
  double prior_alpha = 0.5;
  /// Share of decisions at α = 0 or 1 that search both paths nevertheless, so that the domain can find
  /// its way back. In [0, 1]; 1: no path is ever skipped.
  double both_paths_share = 0.05;
  /// How widely decisions spread: 0 takes the α that looks best, 1 samples the posterior (Thompson).
  /// In [0, 1]. Curves of whole queries need little of it.
  double exploration = 0.1;
  /// What asking a path costs, in reward: its time times what time is worth. At α = 0 the lexical path
  /// is not asked and at α = 1 the vector path, so that those are taken where they lose less than that.
  /// In [0, 1]; not counted where both_paths_share is 1.
  double lexical_price = 0;
  double vector_price = 0;

  // How far it may go.
  double lowest_alpha = 0;   ///< a floor under every decision; in [0, highest_alpha]
  double highest_alpha = 1;  ///< and a ceiling; in [lowest_alpha, 1]
  /// How far the mean decision of a domain moves from one update to the next, and a decision from that
  /// mean; in (0, 1], 1: as far as it likes. At first the mean is the static decision's.
  double largest_step = 1;
  /// Share δ of the static policy's reward that may be lost: over all domains together, what the judged
  /// queries have earned stays above 1 − δ times what the static decisions (the prior's α) would have,
  /// at any time, as long as no more than `unjudged` decisions wait for feedback. Until that is paid for
  /// decisions are the static ones, with both paths. In (0, 1]; 1: no guard.
  double largest_loss = 1;
  std::size_t unjudged = 1;  ///< >= 1
  /// Share of feedback that may be made up, which the guard then reckons with: of queries that were decided
  /// statically and of the others each, rounded up. Who lies about the others alone can do more. In [0, 1).
  double false_share = 0;

  // Change.
  /// Latest queries of each domain among which it looks for a change, from which on the domain is
  /// learned anew; 64 bytes each, twice an update's time. 0: none, what was learned stays; else in
  /// [16, 1024].
  std::size_t watch = 0;
  /// Log likelihood ratio from which on a change is believed; >= 1.
  /// Source   `./dev bench bandit`: what waiting and false alarms cost
  double change_evidence = 15;

  // Its size and speed.
  std::size_t grid = 21;                ///< values of α, i / (grid − 1); in [3, 101]
  std::size_t draws = 512;              ///< of the posterior, for an update; in [16, 65,536]
  std::uint64_t seed = 1;               ///< of the draws
  std::size_t max_domains = 1'000'000;  ///< with feedback or a prior; >= 1
};

/// A change that a domain went through.
struct CurveChange {
  std::uint64_t began = 0;    ///< of the domain's feedbacks, counted from 1: the first after it
  std::uint64_t noticed = 0;  ///< the one with which it was noticed
  double evidence = 0;        ///< log likelihood ratio
  double time = 0;            ///< of that feedback
};

/// What is known of a domain, over the grid.
struct DomainPosterior {
  std::uint64_t version = 0;        ///< of its probabilities, as decisions say it
  std::uint64_t feedbacks = 0;      ///< queries that were learned from, those of weight 0 too
  double queries = 0;               ///< their weights added
  std::vector<double> mean;         ///< [grid] expected reward, up to a constant: 0 on average
  std::vector<double> deviation;    ///< [grid] its posterior standard deviation
  std::vector<double> probability;  ///< [grid] with which an α is decided
  double best_alpha = 0.5;          ///< where the mean is highest
  /// With 90 % posterior probability the decisions lose no more than this a query, on average, against
  /// the domain's best α.
  double regret_bound = 0;
  /// Smallest difference of reward between its best α and another, 0.2 away, that so many queries can
  /// show (two-sided 5 %, power 80 %).
  double smallest_effect = 0;
  double sharing = 0;  ///< in [0, 1]: the part of the mean that comes from other domains and priors
  std::uint64_t changes = 0;                ///< that were noticed
  std::vector<CurveChange> latest_changes;  ///< of them up to 4, the latest last
};

/// Thompson sampling over reward curves.
/// Threads  Decide reads one of two copies of a domain's probabilities, the one that no update writes: no
///          lock, no waiting, no reference count that threads fight over. Update, Inspect and Save take a mutex
/// Source   Thompson 1933; scale mixtures for what differs between groups: Gelman 2006,
///          doi:10.1214/06-BA117A
class EQUIPOISE_API CurvePolicy final : public WeightPolicy {
 public:
  /// Errors   kInvalidArgument: an option out of range; kOutOfMemory
  static Result<std::unique_ptr<CurvePolicy>> Create(CurvePolicyOptions options = {});
  /// What Save has written, options included.
  /// Errors   kNotFound, kIo; kCorruption: changed, cut; kUnsupported: another version
  static Result<std::unique_ptr<CurvePolicy>> Load(const std::string& path);
  ~CurvePolicy() override;

  WeightDecision Decide(const WeightQuery& query, std::uint64_t random) const noexcept override;
  /// A curve that is determined at fewer than two α is counted and teaches nothing; one with gaps is
  /// filled in, and counts by the part that was there.
  Status Update(const WeightFeedback& feedback) override;
  Status Save(const std::string& path) const override;

  /// What is known of a domain; of one that was never seen, what a new one starts from.
  /// Errors   kOutOfMemory
  Result<DomainPosterior> Inspect(std::string_view domain) const;
  /// The domains with feedback or a prior, in the order in which they came.
  std::vector<std::string> Domains() const;
  const CurvePolicyOptions& options() const;
  /// Reward that the guard has left to lose; negative: a loss of more than largest_loss may have come of
  /// feedback that was changed afterwards. 0 without a guard.
  double GuardLeft() const;

 private:
  friend struct CurveTuning;      // the benchmark that chooses the constants
  friend class ContextualPolicy;  // which decides around the domain's curve
  struct State;
  explicit CurvePolicy(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
