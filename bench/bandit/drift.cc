// Domains that change, and what is lost to watching for it.
#include <cmath>
#include <string>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/curve_policy.h>

#include "changing_stream.h"
#include "experiments.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kSettled = 250;

/// Decides and learns; of each query the α.
std::vector<std::size_t> Live(const Sets& sets, const std::vector<Asked>& stream,
                              std::uint64_t order, CurvePolicy* policy) {
  Random random = Random::Stream(100, order);
  std::vector<std::size_t> out;
  for (const Asked& asked : stream) {
    const WeightQuery query = {.domain = sets[asked.domain]->name};
    const WeightDecision decision = policy->Decide(query, random.Next());
    out.push_back(static_cast<std::size_t>(std::lround(decision.alpha * (kGrid - 1))));
    Check(policy->Update({.query = query, .decision = decision, .curve = asked.curve}));
  }
  return out;
}

}  // namespace

json Drift(const Sets& all, std::size_t orders) {
  const Sets sets = Named(all, kChanging);
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
      const auto arms = Live(sets, stream, order, policy.get());
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
      const auto decided = Live(sets, same, order, quiet.get());
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

}  // namespace equipoise::bench
