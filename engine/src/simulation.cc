#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/engine/simulation.h>

namespace equipoise::simulation {
namespace {

constexpr std::uint64_t kSeed = 20'240'711;
constexpr int kResamples = 1000;

struct Pending {
  Turn turn;
  WeightDecision decision;
  std::vector<double> curve;
  double weight = 1;
};

std::size_t ArmOf(double alpha) {
  return static_cast<std::size_t>(std::lround(alpha * (kGrid - 1)));
}

std::span<const float> FeaturesFor(const WeightPolicy& policy, const JudgedQuery& query) {
  return policy.UsesFeatures() ? std::span<const float>(query.features) : std::span<const float>();
}

// The curve that the feedback on one query tells.
Result<Pending> Judge(const JudgedSet& set, const Turn& turn, const WeightDecision& decision,
                      const Feedback& feedback, Random* random) {
  const JudgedQuery& query = set.queries[turn.query];
  const std::size_t arm = ArmOf(decision.alpha);
  Pending out{.turn = turn, .decision = decision, .curve = {}, .weight = 1};
  if (!feedback.shown_only) {
    const Curve& whole = feedback.recall ? query.recall : query.ndcg;
    out.curve.assign(whole.begin(), whole.end());
    if (!decision.both_paths)
      for (std::size_t i = 0; i < kGrid; ++i)
        if (i != arm) out.curve[i] = kUndetermined;
    return out;
  }
  std::vector<RewardCandidate> candidates = query.candidates;
  std::vector<bool> shown(candidates.size());
  for (std::size_t rank = 0; rank < query.shown_count[arm]; ++rank)
    shown[query.shown[arm][rank]] = true;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    RewardCandidate& c = candidates[i];
    if (!shown[i]) {
      c.gain = std::numeric_limits<float>::quiet_NaN();
    } else if (random->Chance(feedback.flips)) {
      c.gain = c.gain > 0 ? 0.0f : 1.0f;
    }
    if (decision.both_paths) continue;
    (arm == 0 ? c.lexical : c.vector) = std::numeric_limits<float>::quiet_NaN();
  }
  EQUIPOISE_ASSIGN_OR_RETURN(
      const RewardCurve curve,
      ComputeRewardCurve(
          candidates, {.measure = feedback.recall ? RewardMeasure::kRecall : RewardMeasure::kNdcg,
                       .grid = kGrid,
                       .unknown = feedback.unknown}));
  out.curve = curve.values;
  out.weight = curve.empty ? 0 : 1;
  return out;
}

}  // namespace

std::vector<Turn> MakeStream(const Sets& sets, std::uint64_t order, std::size_t horizon,
                             bool again) {
  Random random = Random::Stream(kSeed, order);
  std::vector<Turn> out;
  for (std::size_t d = 0; d < sets.size(); ++d) {
    const std::size_t n = sets[d]->queries.size();
    std::vector<std::size_t> rows(n);
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    random.Shuffle(std::span<std::size_t>(rows));
    for (std::size_t i = 0; i < (again ? horizon : std::min(n, horizon)); ++i)
      out.push_back({d, again ? static_cast<std::size_t>(random.Below(n)) : rows[i]});
  }
  random.Shuffle(std::span<Turn>(out));
  return out;
}

Result<std::vector<Outcome>> RunStream(const Sets& sets, std::span<const Turn> stream,
                                       std::uint64_t order, const Feedback& feedback,
                                       WeightPolicy* policy, const Watch& watch) {
  Random random = Random::Stream(kSeed + 1, order);
  std::deque<Pending> pending;
  std::vector<Outcome> out;
  out.reserve(stream.size());
  for (const Turn& turn : stream) {
    const JudgedSet& set = *sets[turn.domain];
    const WeightDecision decision = policy->Decide(
        {.domain = set.name, .features = FeaturesFor(*policy, set.queries[turn.query])},
        random.Next());
    const Outcome outcome{turn, ArmOf(decision.alpha), decision.both_paths};
    EQUIPOISE_ASSIGN_OR_RETURN(Pending judged, Judge(set, turn, decision, feedback, &random));
    pending.push_back(std::move(judged));
    if (pending.size() > feedback.delay) {
      const Pending& arrived = pending.front();
      const JudgedSet& from = *sets[arrived.turn.domain];
      EQUIPOISE_RETURN_IF_ERROR(policy->Update(
          {.query = {.domain = from.name,
                     .features = FeaturesFor(*policy, from.queries[arrived.turn.query])},
           .decision = arrived.decision,
           .curve = arrived.curve,
           .weight = arrived.weight,
           .time = turn.time}));
      pending.pop_front();
    }
    out.push_back(outcome);
    if (watch) watch(out.size() - 1, outcome, *policy);
  }
  return out;
}

Result<Trial> RunOrders(const std::string& name, const Sets& sets, std::size_t orders,
                        std::size_t horizon, const Feedback& feedback, const MakePolicy& make) {
  Trial out{.name = name, .orders = {}};
  for (std::size_t order = 0; order < orders; ++order) {
    EQUIPOISE_ASSIGN_OR_RETURN(const std::unique_ptr<WeightPolicy> policy, make(order));
    EQUIPOISE_ASSIGN_OR_RETURN(
        std::vector<Outcome> outcomes,
        RunStream(sets, MakeStream(sets, order, horizon), order, feedback, policy.get()));
    out.orders.push_back(std::move(outcomes));
  }
  return out;
}

Trial FollowTheLeader(const Sets& sets, std::size_t orders, std::size_t horizon) {
  Trial out{.name = "follow the leader", .orders = {}};
  for (std::size_t order = 0; order < orders; ++order) {
    std::vector<Curve> sums(sets.size());
    auto& outcomes = out.orders.emplace_back();
    for (const Turn& turn : MakeStream(sets, order, horizon)) {
      Curve& sum = sums[turn.domain];
      outcomes.push_back({turn, BestOf(sum), true});
      for (std::size_t i = 0; i < kGrid; ++i)
        sum[i] += sets[turn.domain]->queries[turn.query].ndcg[i];
    }
  }
  return out;
}

Trial FixedArm(const std::string& name, const Sets& sets, std::size_t orders, std::size_t horizon,
               std::size_t arm) {
  Trial out{.name = name, .orders = {}};
  for (std::size_t order = 0; order < orders; ++order) {
    auto& outcomes = out.orders.emplace_back();
    for (const Turn& turn : MakeStream(sets, order, horizon)) outcomes.push_back({turn, arm, true});
  }
  return out;
}

std::size_t BestSingle(const Sets& sets, std::span<const Turn> stream) {
  std::vector<double> turns(sets.size());
  for (const Turn& turn : stream) turns[turn.domain] += 1;
  Curve sum{};
  for (std::size_t d = 0; d < sets.size(); ++d)
    for (std::size_t i = 0; i < kGrid; ++i) sum[i] += turns[d] * sets[d]->mean[i];
  return BestOf(sum);
}

Difference Bootstrap(std::span<const double> values, std::span<const double> weights,
                     std::span<const std::size_t> groups) {
  std::vector<std::vector<std::size_t>> members;
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (members.size() <= groups[i]) members.resize(groups[i] + 1);
    if (weights[i] > 0) members[groups[i]].push_back(i);
    sum += values[i] * weights[i];
    weight += weights[i];
  }
  Random random(kSeed);
  std::vector<double> means;
  for (int r = 0; r < kResamples; ++r) {
    double s = 0, w = 0;
    for (const auto& group : members)
      for (std::size_t i = 0; i < group.size(); ++i) {
        const std::size_t at = group[random.Below(group.size())];
        s += values[at] * weights[at];
        w += weights[at];
      }
    means.push_back(w > 0 ? s / w : 0);
  }
  std::sort(means.begin(), means.end());
  return {weight > 0 ? sum / weight : 0, means[kResamples / 40],
          means[kResamples - kResamples / 40]};
}

namespace {

// Mean over the orders of a value of each query, beside how often it came.
struct PerQuery {
  std::vector<double> values, weights;
  std::vector<std::size_t> groups;
};

// Of a query's figures, by where each set's begin; of one that was asked again those of the first time.
std::size_t Place(const Sets& sets, const std::vector<std::size_t>& first, const Turn& turn) {
  return first[turn.domain] + sets[turn.domain]->queries[turn.query].same_as.value_or(turn.query);
}

PerQuery Collect(const Sets& sets, const Trial& trial,
                 const std::function<double(std::size_t order, std::size_t at)>& value) {
  std::vector<std::size_t> first = {0};
  for (const JudgedSet* set : sets) first.push_back(first.back() + set->queries.size());
  PerQuery out;
  out.values.assign(first.back(), 0);
  out.weights.assign(first.back(), 0);
  out.groups.resize(first.back());
  for (std::size_t d = 0; d < sets.size(); ++d)
    std::fill(out.groups.begin() + static_cast<std::ptrdiff_t>(first[d]),
              out.groups.begin() + static_cast<std::ptrdiff_t>(first[d + 1]), d);
  for (std::size_t o = 0; o < trial.orders.size(); ++o)
    for (std::size_t t = 0; t < trial.orders[o].size(); ++t) {
      const Turn& turn = trial.orders[o][t].turn;
      const std::size_t at = Place(sets, first, turn);
      out.values[at] += value(o, t);
      out.weights[at] += 1;
    }
  for (std::size_t i = 0; i < out.values.size(); ++i)
    if (out.weights[i] > 0) out.values[i] /= out.weights[i];
  return out;
}

double RewardOf(const Sets& sets, const Turn& turn, std::size_t arm, bool recall) {
  const JudgedQuery& query = sets[turn.domain]->queries[turn.query];
  return (recall ? query.recall : query.ndcg)[arm];
}

// The share of orders above the single α, with the queries of each set drawn anew: how often a query
// was drawn is what it weighs in every order.
Difference AboveSingle(const Sets& sets, const Trial& trial, std::size_t single, bool recall) {
  std::vector<std::size_t> first = {0};
  for (const JudgedSet* set : sets) first.push_back(first.back() + set->queries.size());
  struct Gain {
    std::uint32_t query;
    float gain;
  };
  std::vector<std::vector<Gain>> orders;
  for (const auto& order : trial.orders) {
    auto& gains = orders.emplace_back();
    for (const Outcome& o : order) {
      const double gain =
          RewardOf(sets, o.turn, o.arm, recall) - RewardOf(sets, o.turn, single, recall);
      if (gain != 0)
        gains.push_back(
            {static_cast<std::uint32_t>(Place(sets, first, o.turn)), static_cast<float>(gain)});
    }
  }
  const auto share = [&](const std::vector<float>& weight) {
    std::size_t above = 0;
    for (const auto& gains : orders) {
      double sum = 0;
      for (const Gain& g : gains) sum += double{weight[g.query]} * double{g.gain};
      above += sum > 0 ? 1 : 0;
    }
    return static_cast<double>(above) /
           static_cast<double>(std::max<std::size_t>(1, orders.size()));
  };
  std::vector<std::vector<std::size_t>> members(sets.size());
  for (std::size_t d = 0; d < sets.size(); ++d)
    for (std::size_t i = 0; i < sets[d]->queries.size(); ++i)
      if (!sets[d]->queries[i].same_as) members[d].push_back(first[d] + i);
  Random random(kSeed);
  std::vector<double> shares;
  std::vector<float> weight(first.back(), 1.0f);
  const double mean = share(weight);
  for (int r = 0; r < kResamples; ++r) {
    std::fill(weight.begin(), weight.end(), 0.0f);
    for (const auto& of : members)
      for (std::size_t i = 0; i < of.size(); ++i) weight[of[random.Below(of.size())]] += 1;
    shares.push_back(share(weight));
  }
  std::sort(shares.begin(), shares.end());
  return {mean, shares[kResamples / 40], shares[kResamples - kResamples / 40]};
}

}  // namespace

Earned Earn(const Sets& sets, const Trial& trial, bool recall) {
  Earned out;
  if (trial.orders.empty()) return out;
  std::vector<std::size_t> best;
  for (const JudgedSet* set : sets) best.push_back(BestOf(recall ? set->mean_recall : set->mean));
  std::vector<Turn> stream;
  for (const Outcome& o : trial.orders.front()) stream.push_back(o.turn);
  const std::size_t single = BestSingle(sets, stream);
  out.domain_regret.assign(sets.size(), 0);
  std::vector<double> turns(sets.size());
  double total = 0;
  for (const auto& order : trial.orders) {
    double earned = 0, other = 0;
    for (const Outcome& o : order) {
      const double reward = RewardOf(sets, o.turn, o.arm, recall);
      earned += reward;
      other += RewardOf(sets, o.turn, single, recall);
      out.domain_regret[o.turn.domain] +=
          RewardOf(sets, o.turn, best[o.turn.domain], recall) - reward;
      turns[o.turn.domain] += 1;
    }
    out.reward += earned;
    total += static_cast<double>(order.size());
    out.above_best_single += earned > other ? 1 : 0;
  }
  out.reward /= total;
  out.above_best_single /= static_cast<double>(trial.orders.size());
  for (std::size_t d = 0; d < sets.size(); ++d) out.domain_regret[d] /= turns[d];
  const PerQuery per = Collect(sets, trial, [&](std::size_t o, std::size_t t) {
    const Outcome& outcome = trial.orders[o][t];
    return RewardOf(sets, outcome.turn, best[outcome.turn.domain], recall) -
           RewardOf(sets, outcome.turn, outcome.arm, recall);
  });
  const Difference regret = Bootstrap(per.values, per.weights, per.groups);
  const PerQuery rewards = Collect(sets, trial, [&](std::size_t o, std::size_t t) {
    const Outcome& outcome = trial.orders[o][t];
    return RewardOf(sets, outcome.turn, outcome.arm, recall);
  });
  out.reward_interval = Bootstrap(rewards.values, rewards.weights, rewards.groups);
  out.above_interval = AboveSingle(sets, trial, single, recall);
  out.regret = regret.mean;
  out.low = regret.low;
  out.high = regret.high;
  return out;
}

Difference Compare(const Sets& sets, const Trial& a, const Trial& b) {
  const PerQuery per = Collect(sets, a, [&](std::size_t o, std::size_t t) {
    const Outcome &left = a.orders[o][t], &right = b.orders[o][t];
    return RewardOf(sets, left.turn, left.arm, false) -
           RewardOf(sets, right.turn, right.arm, false);
  });
  return Bootstrap(per.values, per.weights, per.groups);
}

double Floor(const Sets& sets, std::size_t horizon) {
  double sum = 0, turns = 0;
  for (const JudgedSet* set : sets) {
    const std::size_t best = BestOf(set->mean);
    const auto n = static_cast<double>(set->queries.size());
    double regret = 0;
    for (const JudgedQuery& query : set->queries) {
      Curve others{};
      for (std::size_t i = 0; i < kGrid; ++i) others[i] = set->mean[i] * n - query.ndcg[i];
      regret += query.ndcg[best] - query.ndcg[BestOf(others)];
    }
    const double counted = std::min(n, static_cast<double>(horizon));
    sum += regret / n * counted;
    turns += counted;
  }
  return sum / turns;
}

}  // namespace equipoise::simulation
