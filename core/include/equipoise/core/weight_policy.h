/// Who decides α: the interface between searching and learning.
///
/// A search asks Decide for the weight of the lexical path; feedback, whenever it comes, goes to Update
/// as a reward curve: what the query would have earned at every α of the grid. Three functions, so that
/// a program can bring its own.
///
///   const WeightDecision decision = policy.Decide({.domain = "finance"}, random.Next());
///   ... search with decision.alpha, judge what was shown, ComputeRewardCurve (optimizer) ...
///   policy.Update({.query = {.domain = "finance"}, .decision = decision, .curve = curve});
///   policy.Save("policy.state");
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// The domain of queries that belong to none; an empty name means this one.
inline constexpr std::string_view kGeneralDomain = "general";

/// A point of a reward curve that is not known.
inline constexpr double kUndetermined = std::numeric_limits<double>::quiet_NaN();

/// What a decision may look at. The views need to live during the call only.
struct WeightQuery {
  std::string_view domain{};  ///< any bytes; empty: kGeneralDomain
  /// Of the query. An engine hands a policy that UsesFeatures those of the query (QueryFeatures,
  /// retrieval), every other one the query's embedding. May be empty.
  std::span<const float> features{};
};

/// Which α, and how likely that was.
struct WeightDecision {
  double alpha = 0.5;  ///< in [0, 1]: the weight of the lexical path
  /// Both paths are to be searched. False only at α = 0 or 1: the path without weight is then not asked.
  bool both_paths = true;
  /// Probability with which this version decides this α and these paths, for this query: exact.
  double propensity = 1;
  /// The same for this α, whichever paths: >= propensity.
  double alpha_propensity = 1;
  /// False: the policy was not asked, the caller or a configuration decided; the propensities are then 1
  /// and nobody's.
  bool by_policy = true;
  /// Grows with what the policy has learned for the domain; 0: from the prior alone.
  std::uint64_t version = 0;
};

/// What one query has taught. The views need to live during the call only.
struct WeightFeedback {
  WeightQuery query{};  ///< as it was handed to Decide
  /// What Decide answered. Where somebody else decided, the curve is as true as any, since it tells of
  /// every α; what a policy learns of the chosen α alone, or by its propensity, it does not learn then.
  WeightDecision decision{};
  /// Reward of the query at each α of the policy's grid, i / (size − 1), in [0, 1]; kUndetermined
  /// where nobody knows, as everywhere but at α where a path was skipped.
  std::span<const double> curve{};
  /// How much it counts, in [0, 1]: confidence × decay, from the feedback filter. 0: counted, and
  /// nothing is learned.
  double weight = 1;
  double time = 0;  ///< when it was given, in seconds; any clock
  /// Where the query has been learned from before: the curve and weight of that time, bit for bit.
  /// They are taken back, so that of repeated feedback the last counts, once. Whoever calls keeps them
  /// with the query's context; with both empty nothing is taken back.
  std::span<const double> replaced_curve{};
  double replaced_weight = 0;
};

/// Decides and learns.
/// Threads  Decide from any number of threads, while one or more others Update or Save: Decide waits
///          for nobody and allocates nothing
class EQUIPOISE_API WeightPolicy {
 public:
  virtual ~WeightPolicy() = default;

  /// α for a query. A domain that was never seen is decided as a new one.
  /// Range    random: 64 uniform bits (core/random.h); the same bits give the same decision of one
  ///          version, so that a run can be repeated
  /// Errors   none
  virtual WeightDecision Decide(const WeightQuery& query, std::uint64_t random) const noexcept = 0;

  /// Learns from one query. Decisions made before keep their propensity and version.
  /// Errors   kInvalidArgument: curve of another size than the grid, a value or weight that is NaN
  ///          (a weight) or outside [0, 1]; kBudgetExceeded: more domains than the policy keeps;
  ///          kOutOfMemory. Then nothing was learned
  virtual Status Update(const WeightFeedback& feedback) = 0;

  /// Whether it is to be asked after recall, with what both paths have found put into features. Both
  /// paths are then searched whatever it decides.
  virtual bool UsesFeatures() const noexcept { return false; }

  /// Writes all that it knows to a file, whole or not at all. What is restored from it decides and
  /// learns bit for bit as this one would.
  /// Errors   kIo, kOutOfMemory
  virtual Status Save(const std::string& path) const = 0;

 protected:
  WeightPolicy() = default;
  WeightPolicy(const WeightPolicy&) = default;
  WeightPolicy& operator=(const WeightPolicy&) = default;
};

}  // namespace equipoise
