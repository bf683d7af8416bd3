// Domains that change, and what is lost to watching for it; the guard of the cumulative reward.
#include <algorithm>
#include <cmath>
#include <string>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/curve_policy.h>

#include "experiments.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kQueries = 300;  // of a domain, in a stream of changes
constexpr std::size_t kFlip = 200;     // from this one on α means 1 − α
constexpr std::size_t kSettled = 250;
constexpr std::size_t kWatched = 64;
constexpr double kLoss = 0.05;
constexpr double kFalse = 0.1;

// A query of a stream with the curve that it truly has there.
struct Asked {
  std::size_t domain = 0;
  std::size_t place = 0;  // within its domain
  Curve curve{};
  std::size_t best = 0;
};

Curve Turned(const Curve& curve) {
  Curve out = curve;
  std::reverse(out.begin(), out.end());
  return out;
}

/// Each set's queries in random order, again and again, the domains mixed.
std::vector<Asked> ChangingStream(const Sets& sets, std::uint64_t order, bool flips) {
  Random random = Random::Stream(99, order);
  std::vector<std::size_t> domains;
  std::vector<std::vector<std::size_t>> rows(sets.size());
  for (std::size_t d = 0; d < sets.size(); ++d) {
    domains.insert(domains.end(), kQueries, d);
    while (rows[d].size() < kQueries) {
      std::vector<std::size_t> round(sets[d]->queries.size());
      for (std::size_t i = 0; i < round.size(); ++i) round[i] = i;
      random.Shuffle(std::span<std::size_t>(round));
      rows[d].insert(rows[d].end(), round.begin(), round.end());
    }
  }
  random.Shuffle(std::span<std::size_t>(domains));
  std::vector<Asked> out;
  std::vector<std::size_t> seen(sets.size());
  for (const std::size_t d : domains) {
    const std::size_t n = seen[d]++;
    const bool turned = flips && n >= kFlip;
    const Curve& curve = sets[d]->queries[rows[d][n]].ndcg;
    const std::size_t best = BestOf(sets[d]->mean);
    out.push_back({d, n, turned ? Turned(curve) : curve, turned ? kGrid - 1 - best : best});
  }
  return out;
}

std::vector<Asked> SteadyStream(const Sets& sets, std::uint64_t order) {
  std::vector<Asked> out;
  std::vector<std::size_t> seen(sets.size());
  for (const Turn& turn : MakeStream(sets, order, kHorizon))
    out.push_back({turn.domain, seen[turn.domain]++, sets[turn.domain]->queries[turn.query].ndcg,
                   BestOf(sets[turn.domain]->mean)});
  return out;
}

std::unique_ptr<CurvePolicy> Policy(CurvePolicyOptions options, std::uint64_t order) {
  options.both_paths_share = 1;
  options.seed = order + 1;
  return OrThrow(CurvePolicy::Create(options));
}

/// Decides and learns; of each query the α. A share of the feedback says the opposite.
std::vector<std::size_t> Live(const Sets& sets, const std::vector<Asked>& stream, double lies,
                              std::uint64_t order, CurvePolicy* policy) {
  Random random = Random::Stream(100, order);
  std::vector<std::size_t> out;
  for (const Asked& asked : stream) {
    const WeightQuery query = {.domain = sets[asked.domain]->name};
    const WeightDecision decision = policy->Decide(query, random.Next());
    out.push_back(static_cast<std::size_t>(std::lround(decision.alpha * (kGrid - 1))));
    Curve told = asked.curve;
    if (random.Chance(lies))
      for (double& value : told) value = 1 - value;
    const Status status = policy->Update({.query = query, .decision = decision, .curve = told});
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }
  return out;
}

}  // namespace

json Drift(const Sets& all, std::size_t orders) {
  Sets sets;
  for (const JudgedSet* set : all)
    for (const char* name : {"cranfield", "cacm-authors", "reverse-dictionary"})
      if (set->name == name) sets.push_back(set);
  json out = {{"policies", json::array()}, {"sets", json::array()}};
  for (const JudgedSet* set : sets) out["sets"].push_back(set->name);
  const auto n = static_cast<double>(orders);
  std::vector<double> steady;  // mean reward of each order without a change, without watching
  for (const std::size_t watch : {std::size_t{0}, kWatched}) {
    std::vector<double> after(sets.size()), before(sets.size()), count(sets.size());
    std::vector<double> delay(sets.size()), noticed(sets.size()), alarms(sets.size());
    double price = 0;
    for (std::size_t order = 0; order < orders; ++order) {
      auto policy = Policy({.watch = watch}, order);
      const auto stream = ChangingStream(sets, order, true);
      const auto arms = Live(sets, stream, 0, order, policy.get());
      for (std::size_t i = 0; i < stream.size(); ++i) {
        const Asked& asked = stream[i];
        const double regret = asked.curve[asked.best] - asked.curve[arms[i]];
        if (asked.place >= kSettled) after[asked.domain] += regret / (kQueries - kSettled) / n;
        if (asked.place < kFlip) before[asked.domain] += regret / kFlip / n;
      }
      for (std::size_t d = 0; d < sets.size(); ++d) {
        const DomainPosterior known = OrThrow(policy->Inspect(sets[d]->name));
        bool found = false;
        for (const CurveChange& change : known.latest_changes) {
          if (change.noticed <= kFlip) continue;
          if (!found) delay[d] += static_cast<double>(change.noticed - kFlip);
          found = true;
        }
        noticed[d] += found ? 1 : 0;
      }
      auto quiet = Policy({.watch = watch}, order);
      const auto same = ChangingStream(sets, order, false);
      const auto decided = Live(sets, same, 0, order, quiet.get());
      double reward = 0;
      for (std::size_t i = 0; i < same.size(); ++i)
        reward += same[i].curve[decided[i]] / static_cast<double>(same.size());
      if (watch == 0)
        steady.push_back(reward);
      else
        price += (steady[order] - reward) / n;
      for (std::size_t d = 0; d < sets.size(); ++d)
        alarms[d] += static_cast<double>(OrThrow(quiet->Inspect(sets[d]->name)).changes) / n;
    }
    json row = {{"watch", watch}, {"price", price}, {"domains", json::array()}};
    double mean = 0;
    for (std::size_t d = 0; d < sets.size(); ++d) {
      mean += after[d] / static_cast<double>(sets.size());
      row["domains"].push_back({{"set", sets[d]->name},
                                {"regret_before", before[d]},
                                {"regret_after", after[d]},
                                {"noticed", noticed[d] / n},
                                {"delay", noticed[d] > 0 ? delay[d] / noticed[d] : 0},
                                {"false_alarms", alarms[d]}});
    }
    row["regret_after"] = mean;
    out["policies"].push_back(row);
  }
  return out;
}

json Safety(const Sets& all, std::size_t orders) {
  struct Stream {
    std::string name;
    Sets sets;
    bool changes;
  };
  std::vector<Stream> streams = {{"seven sets", all, false}};
  if (all.size() == 7)
    streams.push_back({"first five sets", {all.begin(), all.begin() + 5}, false});
  Sets changing;
  for (const JudgedSet* set : all)
    for (const char* name : {"cranfield", "cacm-authors", "reverse-dictionary"})
      if (set->name == name) changing.push_back(set);
  if (!changing.empty()) streams.push_back({"changing domains", changing, true});
  struct Kind {
    const char* name;
    CurvePolicyOptions options;
    double lies;
  };
  const CurvePolicyOptions guarded = {.largest_loss = kLoss};
  const CurvePolicyOptions doubting = {.largest_loss = kLoss, .false_share = kFalse};
  const std::vector<Kind> kinds = {{"no guard", {}, 0},
                                   {"guard", guarded, 0},
                                   {"no guard, 10 % lies", {}, kFalse},
                                   {"guard, 10 % lies", doubting, kFalse}};
  const std::size_t home = kGrid / 2;
  json out = json::array();
  for (const Stream& stream : streams)
    for (const Kind& kind : kinds) {
      double below = 0, reward = 0, other = 0, total = 0, statics = 0, least = 1e9;
      for (std::size_t order = 0; order < orders; ++order) {
        const auto asked = stream.changes ? ChangingStream(stream.sets, order, true)
                                          : SteadyStream(stream.sets, order);
        CurvePolicyOptions options = kind.options;
        options.watch = stream.changes ? kWatched : 0;
        auto policy = Policy(options, order);
        const auto arms = Live(stream.sets, asked, kind.lies, order, policy.get());
        double earned = 0, bound = 0;
        bool fell = false;
        for (std::size_t i = 0; i < asked.size(); ++i) {
          earned += asked[i].curve[arms[i]];
          bound += (1 - kLoss) * asked[i].curve[home];
          // Sums of floating-point numbers.
          fell = fell || earned < bound - 1e-9;
          least = std::min(least, earned - bound);
          statics += arms[i] == home ? 1 : 0;
        }
        below += fell ? 1 : 0;
        reward += earned;
        other += bound / (1 - kLoss);
        total += static_cast<double>(asked.size());
      }
      out.push_back({{"stream", stream.name},
                     {"policy", kind.name},
                     {"guarded", kind.options.largest_loss < 1},
                     {"orders", orders},
                     {"below", below},
                     {"least", least},
                     {"reward", reward / total},
                     {"static", other / total},
                     {"static_share", statics / total}});
    }
  return out;
}

}  // namespace equipoise::bench
