// Streams of queries over several domains, and what a policy earns on them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/weight_policy.h>

#include "judged_set.h"

namespace equipoise::bench {

using Sets = std::vector<const JudgedSet*>;

/// One query of a stream.
struct Turn {
  std::size_t domain = 0;
  std::size_t query = 0;  // of the set
};

/// Up to `horizon` queries of each set in random order, each once; with `again`, drawn with
/// replacement, so that the set is the population that a posterior speaks of.
std::vector<Turn> MakeStream(const Sets& sets, std::uint64_t order, std::size_t horizon,
                             bool again = false);

struct Feedback {
  bool shown_only = false;  // the ten documents shown; the others are unknown
  double flips = 0;         // share of judgments that are wrong
  std::size_t delay = 0;    // queries of the stream after which feedback arrives
  UnknownGain unknown = UnknownGain::kExpected;
  bool recall = false;  // the reward is Recall@10
};

/// What happened at one turn.
struct Outcome {
  Turn turn;
  std::size_t arm = 0;
  bool both_paths = true;
};

using MakePolicy = std::function<std::unique_ptr<WeightPolicy>(std::uint64_t order)>;
/// Called after each decision and the update that came with it.
using Watch = std::function<void(std::size_t at, const Outcome&, const WeightPolicy&)>;

std::vector<Outcome> RunStream(const Sets& sets, std::span<const Turn> stream, std::uint64_t order,
                               const Feedback& feedback, WeightPolicy* policy,
                               const Watch& watch = {});

/// The outcomes of many orders.
struct Trial {
  std::string name;
  std::vector<std::vector<Outcome>> orders;
};
Trial RunOrders(const std::string& name, const Sets& sets, std::size_t orders, std::size_t horizon,
                const Feedback& feedback, const MakePolicy& make);

/// What others do, on the same streams: follow the leader, one domain at a time.
Trial FollowTheLeader(const Sets& sets, std::size_t orders, std::size_t horizon);
Trial FixedArm(const std::string& name, const Sets& sets, std::size_t orders, std::size_t horizon,
               std::size_t arm);

/// A trial's figures.
struct Earned {
  double reward = 0;             // mean a query
  double regret = 0;             // a query, against the best α of each domain
  double above_best_single = 0;  // share of orders
  std::vector<double> domain_regret;
  double low = 0, high = 0;  // 95 % of regret, by bootstrap over queries
};
/// Queries are drawn anew, not orders: orders of the same queries are no independent samples.
Earned Earn(const Sets& sets, const Trial& trial, bool recall = false);

/// Paired difference of reward a query of two trials, over all domains, with its 95 % interval.
struct Difference {
  double mean = 0, low = 0, high = 0;
};
Difference Compare(const Sets& sets, const Trial& a, const Trial& b);

/// Mean regret of a learner that knows all other queries of the domain.
double Floor(const Sets& sets, std::size_t horizon);
/// The single α that is best over the domains, all weighing the same.
std::size_t BestSingle(const Sets& sets);

/// Mean of values [n] with its 95 % interval, by bootstrap within the groups [n].
Difference Bootstrap(std::span<const double> values, std::span<const double> weights,
                     std::span<const std::size_t> groups);

}  // namespace equipoise::bench
