/// What a policy would have earned: streams of judged queries over several domains, in many orders.
///
///   JudgedSet set = {.name = "finance"};
///   set.queries.push_back(*JudgeQuery(engine, request, judgments));    // for each query
///   SetMeans(&set);
///   auto trial = RunOrders("curve", {&set, ...}, 200, 100, {}, [](std::uint64_t order) {
///     return MakeWeightPolicy("curve", ...); });
///   Earn({&set, ...}, *trial).regret;                                  // a query
///
/// A query's judgments tell its reward at every α, so that nothing is searched while policies run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/optimizer/reward_curve.h>

namespace equipoise::simulation {

inline constexpr std::size_t kGrid = 21;  ///< values of α, AlphaOf(0) = 0 to AlphaOf(20) = 1
inline constexpr std::size_t kShown = 10;
using Curve = std::array<double, kGrid>;

inline double AlphaOf(std::size_t i) { return static_cast<double>(i) / (kGrid - 1); }

/// A query as the policies see it.
struct JudgedQuery {
  std::vector<RewardCandidate> candidates;  ///< in document order, gain of all known: 2^grade − 1
  double ideal_dcg = 0;                     ///< of the first ten in the best order of all judged
  double relevant = 0;
  Curve ndcg{};                                                  ///< nDCG@10 at each α
  Curve recall{};                                                ///< Recall@10
  std::array<std::array<std::uint16_t, kShown>, kGrid> shown{};  ///< candidates, best first
  std::array<std::uint8_t, kGrid> shown_count{};
  /// Place in the set of an earlier one that is the same query asked again: no sample of its own.
  std::optional<std::size_t> same_as{};
  std::vector<float> features{};  ///< QueryFeatures::Values; empty: not known
};

/// A domain.
struct JudgedSet {
  std::string name{};
  std::vector<JudgedQuery> queries{};
  Curve mean{};  ///< of ndcg, over all queries
  Curve mean_recall{};
};
using Sets = std::vector<const JudgedSet*>;

/// Searches once with both paths, and computes the rewards.
/// Range    request: text and embedding, depth as it is to be, more than kShown; α, k and mmr are not looked
///          at
/// Errors   as Engine::Search; kInvalidArgument: a query that has no text or no embedding, no relevant
///          document, or more than 65,535 candidates
EQUIPOISE_API Result<JudgedQuery> JudgeQuery(const Engine& engine, const SearchRequest& request,
                                             const Judgments::OfQuery& judged);
/// Sets the means over the set's queries.
EQUIPOISE_API void SetMeans(JudgedSet* set);
/// The α that is best on average; the middle one of equals.
EQUIPOISE_API std::size_t BestOf(const Curve& curve);
/// One query of a stream.
struct Turn {
  std::size_t domain = 0;
  std::size_t query = 0;  ///< of the set
  double time = 0;        ///< when it is asked; feedback that comes with it is given then
};

/// Up to `horizon` queries of each set in random order, each once; with `again`, drawn with
/// replacement, so that the set is the population that a posterior speaks of.
EQUIPOISE_API std::vector<Turn> MakeStream(const Sets& sets, std::uint64_t order,
                                           std::size_t horizon, bool again = false);

/// The single α that is best for the queries of a stream, each as good as its set's mean.
EQUIPOISE_API std::size_t BestSingle(const Sets& sets, std::span<const Turn> stream);

/// What feedback there is on a query.
struct Feedback {
  bool shown_only = false;  ///< the ten documents shown; the others are unknown
  double flips = 0;         ///< share of judgments that are wrong, of those shown
  std::size_t delay = 0;    ///< queries of the stream after which feedback arrives
  UnknownGain unknown = UnknownGain::kExpected;
  bool recall = false;  ///< the reward is Recall@10
};

/// What happened at one turn.
struct Outcome {
  Turn turn{};
  std::size_t arm = 0;  ///< α is AlphaOf(arm)
  bool both_paths = true;
};

using MakePolicy = std::function<Result<std::unique_ptr<WeightPolicy>>(std::uint64_t order)>;
/// Called after each decision and the update that came with it.
using Watch = std::function<void(std::size_t at, const Outcome&, const WeightPolicy&)>;

/// Runs a policy, whose grid must be kGrid; a decision between two of its values counts as the nearer.
/// Errors   as the policy's Update
EQUIPOISE_API Result<std::vector<Outcome>> RunStream(const Sets& sets, std::span<const Turn> stream,
                                                     std::uint64_t order, const Feedback& feedback,
                                                     WeightPolicy* policy, const Watch& watch = {});

/// The outcomes of many orders.
struct Trial {
  std::string name{};
  std::vector<std::vector<Outcome>> orders{};
};
/// A new policy for each order.
/// Errors   as `make` and RunStream
EQUIPOISE_API Result<Trial> RunOrders(const std::string& name, const Sets& sets, std::size_t orders,
                                      std::size_t horizon, const Feedback& feedback,
                                      const MakePolicy& make);
/// What others do, on the same streams: the best α so far, one domain at a time, all curves known.
EQUIPOISE_API Trial FollowTheLeader(const Sets& sets, std::size_t orders, std::size_t horizon);
EQUIPOISE_API Trial FixedArm(const std::string& name, const Sets& sets, std::size_t orders,
                             std::size_t horizon, std::size_t arm);

/// A mean with its 95 % interval.
struct Difference {
  double mean = 0, low = 0, high = 0;
};

/// A trial's figures. Intervals are by bootstrap over the queries of each set: orders of the same
/// queries are no independent samples.
struct Earned {
  double reward = 0;             ///< mean a query
  double regret = 0;             ///< a query, against the best α of each domain
  double above_best_single = 0;  ///< share of orders
  std::vector<double> domain_regret{};
  double low = 0, high = 0;  ///< of regret
  Difference reward_interval{};
  Difference above_interval{};
};
EQUIPOISE_API Earned Earn(const Sets& sets, const Trial& trial, bool recall = false);

/// Paired difference of reward a query of two trials of the same streams, over all domains.
EQUIPOISE_API Difference Compare(const Sets& sets, const Trial& a, const Trial& b);

/// Mean regret of a learner that knows all other queries of the domain.
EQUIPOISE_API double Floor(const Sets& sets, std::size_t horizon);

/// Weighted mean of values [n], by bootstrap within the groups [n].
EQUIPOISE_API Difference Bootstrap(std::span<const double> values, std::span<const double> weights,
                                   std::span<const std::size_t> groups);

}  // namespace equipoise::simulation
