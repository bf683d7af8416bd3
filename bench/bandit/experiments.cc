#include "experiments.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/weight_policies.h>

#include "curve_tuning.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

// What half a search is worth in nDCG@10, where skipping is measured.
constexpr double kPathPrice = 0.0175;

template <typename Policy>
std::unique_ptr<Policy> Made(Result<std::unique_ptr<Policy>> made) {
  if (!made) throw std::runtime_error(made.error().ToString());
  return *std::move(made);
}

MakePolicy Curves(CurvePolicyOptions options = {}) {
  options.both_paths_share = 1;  // what skipping costs is a question of its own
  return [options](std::uint64_t order) {
    CurvePolicyOptions own = options;
    own.seed = order + 1;
    return Made(CurvePolicy::Create(own));
  };
}

MakePolicy Betas(std::size_t arms) {
  return [arms](std::uint64_t order) {
    return Made(BetaPolicy::Create({.arms = arms, .draws = 64, .seed = order + 1}));
  };
}

json AsJson(const Difference& d) { return {{"mean", d.mean}, {"low", d.low}, {"high", d.high}}; }

json AsJson(const Sets& sets, const Trial& trial, bool recall = false) {
  const Earned earned = Earn(sets, trial, recall);
  return {{"policy", trial.name},
          {"reward", earned.reward},
          {"regret", earned.regret},
          {"regret_low", earned.low},
          {"regret_high", earned.high},
          {"above_best_single", earned.above_best_single},
          {"domain_regret", earned.domain_regret}};
}

}  // namespace

json FullFeedback(const Sets& sets, std::size_t orders) {
  std::vector<Trial> trials;
  trials.push_back(FixedArm("bm25", sets, orders, kHorizon, kGrid - 1));
  trials.push_back(FixedArm("vector", sets, orders, kHorizon, 0));
  trials.push_back(FixedArm("static 0.5", sets, orders, kHorizon, kGrid / 2));
  trials.push_back(FixedArm("best single alpha", sets, orders, kHorizon,
                            BestSingle(sets, MakeStream(sets, 0, kHorizon))));
  for (const std::size_t arms : {11, 5})
    trials.push_back(RunOrders("beta, " + std::to_string(arms) + " arms", sets, orders, kHorizon,
                               {}, Betas(arms)));
  trials.push_back(FollowTheLeader(sets, orders, kHorizon));
  for (const double exploration : {0.0, 0.1, 1.0}) {
    CurvePolicyOptions options;
    options.exploration = exploration;
    const bool usual = exploration == CurvePolicyOptions{}.exploration;
    char name[32];
    std::snprintf(name, sizeof name, "curve, exploration %.1f", exploration);
    trials.push_back(
        RunOrders(usual ? "curve" : name, sets, orders, kHorizon, {}, Curves(options)));
  }
  trials.push_back(RunOrders("contextual", sets, orders, kHorizon, {}, [](std::uint64_t order) {
    return Made(ContextualPolicy::Create({.curve = {.seed = order + 1}}));
  }));
  json out = {{"floor", Floor(sets, kHorizon)}, {"policies", json::array()}};
  const auto curve = [&]() -> const Trial& {
    return *std::find_if(trials.begin(), trials.end(),
                         [](const Trial& trial) { return trial.name == "curve"; });
  };
  for (const Trial& trial : trials) {
    out["policies"].push_back(AsJson(sets, trial));
    if (trial.name == "curve") out["curve_less_static"] = AsJson(Compare(sets, trial, trials[2]));
    if (trial.name == "contextual")
      out["contextual_less_curve"] = AsJson(Compare(sets, trial, curve()));
  }
  return out;
}

json ShownOnly(const Sets& sets, std::size_t orders) {
  json out = json::array();
  const std::map<UnknownGain, std::string> unknowns = {
      {UnknownGain::kExpected, "curve"},
      {UnknownGain::kCondensed, "curve, condensed"},
      {UnknownGain::kZero, "curve, zero"}};
  for (const auto& [unknown, name] : unknowns) {
    const Feedback feedback = {.shown_only = true, .flips = 0.05, .delay = 20, .unknown = unknown};
    out.push_back(AsJson(sets, RunOrders(name, sets, orders, kHorizon, feedback, Curves())));
  }
  const Feedback feedback = {.shown_only = true, .flips = 0.05, .delay = 20};
  out.push_back(
      AsJson(sets, RunOrders("beta, 11 arms", sets, orders, kHorizon, feedback, Betas(11))));
  return out;
}

json PriorsAssigned(const Sets& sets, std::size_t orders) {
  const PolicyPriors shipped = ShippedPriors();
  std::vector<DomainPrior> priors;
  for (const auto& [name, prior] : shipped) priors.push_back(prior);
  // Each set meets each prior beside others: a third of the assignments is one prior for all, the
  // others are drawn.
  const std::size_t assignments = 9, few = std::max<std::size_t>(1, orders / 2);
  Random random(7);
  json out = json::array();
  for (std::size_t a = 0; a < assignments; ++a) {
    CurvePolicyOptions options;
    std::vector<std::size_t> given;
    for (const JudgedSet* set : sets) {
      given.push_back(a < priors.size() ? a
                                        : static_cast<std::size_t>(random.Below(priors.size())));
      options.priors[set->name] = priors[given.back()];
    }
    const Trial trial = RunOrders("curve", sets, few, kHorizon, {}, Curves(options));
    for (std::size_t d = 0; d < sets.size(); ++d) {
      const JudgedSet& set = *sets[d];
      const std::size_t arm =
          static_cast<std::size_t>(std::lround(priors[given[d]].alpha * (kGrid - 1)));
      std::vector<double> sum(set.queries.size()), count(set.queries.size());
      for (const auto& order : trial.orders) {
        std::vector<const Outcome*> own;
        for (const Outcome& outcome : order)
          if (outcome.turn.domain == d) own.push_back(&outcome);
        for (std::size_t t = own.size() - own.size() / 3; t < own.size(); ++t) {
          const JudgedQuery& query = set.queries[own[t]->turn.query];
          sum[own[t]->turn.query] += query.ndcg[own[t]->arm] - query.ndcg[arm];
          count[own[t]->turn.query] += 1;
        }
      }
      for (std::size_t i = 0; i < sum.size(); ++i)
        if (count[i] > 0) sum[i] /= count[i];
      const std::vector<std::size_t> group(sum.size());
      json row = AsJson(Bootstrap(sum, count, group));
      row["set"] = set.name;
      row["assignment"] = a;
      row["alpha"] = priors[given[d]].alpha;
      out.push_back(std::move(row));
    }
  }
  return out;
}

json RecallGain(const Sets& sets, std::size_t orders) {
  json out = json::array();
  const auto add = [&](const Trial& trial) {
    // Mean over the sets, of the queries that the streams asked; and of the better single path.
    std::vector<double> got(sets.size()), lexical(sets.size()), vector(sets.size()),
        best(sets.size()), turns(sets.size());
    for (const auto& order : trial.orders)
      for (const Outcome& o : order) {
        const std::size_t d = o.turn.domain;
        const Curve& curve = sets[d]->queries[o.turn.query].recall;
        got[d] += curve[o.arm];
        lexical[d] += curve[kGrid - 1];
        vector[d] += curve[0];
        best[d] += curve[BestOf(sets[d]->mean_recall)];
        turns[d] += 1;
      }
    double g = 0, l = 0, v = 0, b = 0;
    for (std::size_t d = 0; d < sets.size(); ++d) {
      g += got[d] / turns[d];
      l += lexical[d] / turns[d];
      v += vector[d] / turns[d];
      b += best[d] / turns[d];
    }
    const auto n = static_cast<double>(sets.size());
    out.push_back({{"policy", trial.name},
                   {"recall", g / n},
                   {"lexical", l / n},
                   {"vector", v / n},
                   {"hindsight", b / n},
                   {"gain", g / std::max(l, v) - 1},
                   {"hindsight_gain", b / std::max(l, v) - 1}});
  };
  add(RunOrders("curve, full feedback", sets, orders, kHorizon, {.recall = true}, Curves()));
  add(RunOrders("curve, shown only, noisy, late", sets, orders, kHorizon,
                {.shown_only = true, .flips = 0.05, .delay = 20, .recall = true}, Curves()));
  return out;
}

json Skipping(const Sets& sets, std::span<const SearchTimes> times, std::size_t orders) {
  // The bound on what skipping can save is the share of time that the other path takes where α is 0 or
  // 1; the times are those of real searches.
  const auto make = [](double share) {
    return [share](std::uint64_t order) {
      return Made(CurvePolicy::Create({.both_paths_share = share,
                                       .lexical_price = kPathPrice,
                                       .vector_price = kPathPrice,
                                       .seed = order + 1}));
    };
  };
  const Trial with = RunOrders("skipping", sets, orders, kHorizon, {}, make(0.05));
  const Trial without = RunOrders("both paths", sets, orders, kHorizon, {}, make(1));
  const auto time = [&](const Trial& trial, double* skipped) {
    double us = 0, turns = 0;
    *skipped = 0;
    for (const auto& order : trial.orders)
      for (const Outcome& o : order) {
        const SearchTimes& of = times[o.turn.domain];
        us += o.both_paths ? of.both_us : o.arm == 0 ? of.vector_us : of.lexical_us;
        *skipped += o.both_paths ? 0 : 1;
        turns += 1;
      }
    *skipped /= turns;
    return us / turns;
  };
  double skipped = 0, none = 0;
  const double fast = time(with, &skipped), slow = time(without, &none);
  double learning = 0, fixed = 0;
  for (const SearchTimes& of : times) {
    learning += of.learning_us;
    fixed += of.both_us;
  }
  const auto n = static_cast<double>(times.size());
  return {{"us", fast},
          {"us_both_paths", slow},
          {"saved", 1 - fast / slow},
          {"skipped", skipped},
          {"us_fixed_alpha", fixed / n},
          {"us_learning", learning / n},
          {"ndcg_less_both_paths", AsJson(Compare(sets, with, without))},
          {"regret", AsJson(sets, with)}};
}

json Calibration(const Sets& sets, std::size_t orders) {
  json out = json::array();
  for (const bool again : {false, true}) {
    // [domain][queries of it so far]
    std::vector<std::vector<double>> covered(sets.size(), std::vector<double>(kHorizon + 1)),
        bound = covered, regret = covered, effect = covered, count = covered;
    for (std::size_t order = 0; order < orders; ++order) {
      auto policy = Made(CurvePolicy::Create({.both_paths_share = 1, .seed = order + 1}));
      std::vector<std::size_t> seen(sets.size());
      bench::RunStream(sets, MakeStream(sets, order, kHorizon, again), order, {}, policy.get(),
                       [&](std::size_t, const Outcome& outcome, const WeightPolicy&) {
                         const std::size_t d = outcome.turn.domain, n = ++seen[d];
                         if (n % 10 != 0 && n != 5) return;
                         const auto state = policy->Inspect(sets[d]->name);
                         const Curve& truth = sets[d]->mean;
                         double lost = truth[BestOf(truth)];
                         for (std::size_t i = 0; i < kGrid; ++i)
                           lost -= state->probability[i] * truth[i];
                         covered[d][n] += lost <= state->regret_bound ? 1 : 0;
                         bound[d][n] += state->regret_bound;
                         regret[d][n] += lost;
                         effect[d][n] += state->smallest_effect;
                         count[d][n] += 1;
                       });
    }
    double all_covered = 0, all = 0;
    json domains = json::array();
    for (std::size_t d = 0; d < sets.size(); ++d) {
      json points = json::array();
      int converged = -1;
      for (std::size_t n = 1; n <= kHorizon; ++n) {
        if (count[d][n] == 0) continue;
        const double c = count[d][n];
        all_covered += covered[d][n];
        all += c;
        if (converged < 0 && bound[d][n] / c < 0.02) converged = static_cast<int>(n);
        points.push_back({{"queries", n},
                          {"covered", covered[d][n] / c},
                          {"bound", bound[d][n] / c},
                          {"regret", regret[d][n] / c},
                          {"smallest_effect", effect[d][n] / c}});
      }
      domains.push_back({{"set", sets[d]->name}, {"converged", converged}, {"points", points}});
    }
    out.push_back({{"with_replacement", again},
                   {"covered", all_covered / all},
                   {"domains", std::move(domains)}});
  }
  return out;
}

json LeaveOneSetOut(const Sets& sets, std::size_t orders) {
  // A few values of what matters most; the winner on the other sets is judged on the one left out.
  struct Candidate {
    CurveConstants constants;
    Earned earned;
  };
  std::vector<Candidate> candidates;
  const std::size_t few = std::max<std::size_t>(1, orders / 5);
  for (const double power : {1.5, 2.0, 2.5})
    for (const double global : {0.01, 0.02, 0.04})
      for (const double curvature : {0.15, 0.25, 0.4}) {
        CurveConstants constants;
        constants.mode_power = power;
        constants.global_scale = global;
        constants.curvature = curvature;
        const Trial trial =
            RunOrders("curve", sets, few, kHorizon, {}, [&constants](std::uint64_t order) {
              return Made(
                  CurveTuning::Create({.both_paths_share = 1, .seed = order + 1}, constants));
            });
        candidates.push_back({constants, Earn(sets, trial)});
      }
  json out = {{"tried", candidates.size()}, {"sets", json::array()}};
  double sum = 0, turns = 0, worst = 0, least = 1;
  for (const Candidate& c : candidates) {
    worst = std::max(worst, c.earned.regret);
    least = std::min(least, c.earned.regret);
  }
  for (std::size_t d = 0; d < sets.size(); ++d) {
    const Candidate* chosen = nullptr;
    double lowest = 0;
    for (const Candidate& c : candidates) {
      double others = 0;
      for (std::size_t o = 0; o < sets.size(); ++o)
        if (o != d)
          others += c.earned.domain_regret[o] *
                    static_cast<double>(std::min(kHorizon, sets[o]->queries.size()));
      if (chosen != nullptr && others >= lowest) continue;
      chosen = &c;
      lowest = others;
    }
    const auto n = static_cast<double>(std::min(kHorizon, sets[d]->queries.size()));
    sum += n * chosen->earned.domain_regret[d];
    turns += n;
    out["sets"].push_back({{"set", sets[d]->name},
                           {"mode_power", chosen->constants.mode_power},
                           {"global_scale", chosen->constants.global_scale},
                           {"curvature", chosen->constants.curvature},
                           {"regret", chosen->earned.domain_regret[d]}});
  }
  out["regret"] = sum / turns;
  out["worst_of_all"] = worst;
  out["best_of_all"] = least;
  return out;
}

json Speed() {
  auto policy = Made(CurvePolicy::Create({}));
  constexpr std::size_t kDomains = 100;
  std::vector<std::string> names;
  for (std::size_t d = 0; d < kDomains; ++d) names.push_back("domain " + std::to_string(d));
  Random random(3);
  std::vector<double> updates;
  for (std::size_t i = 0; i < 50 * kDomains; ++i) {
    Curve curve;
    const double peak = random.Uniform();
    for (std::size_t k = 0; k < kGrid; ++k)
      curve[k] = 0.5 - 0.4 * (AlphaOf(k) - peak) * (AlphaOf(k) - peak) + 0.05 * random.Uniform();
    const WeightFeedback feedback = {.query = {.domain = names[random.Below(kDomains)]},
                                     .curve = curve};
    const auto start = std::chrono::steady_clock::now();
    const Status status = policy->Update(feedback);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    if (!status.ok()) throw std::runtime_error(status.ToString());
    if (i >= 10 * kDomains) updates.push_back(took.count());
  }
  std::sort(updates.begin(), updates.end());
  constexpr std::size_t kDecisions = 1'000'000;
  double sum = 0, best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < kDecisions; ++i)
      sum += policy->Decide({.domain = names[i % kDomains]}, random.Next()).alpha;
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / kDecisions);
  }
  return {{"decide_ns", best},
          {"mean_alpha", sum / (5 * kDecisions)},
          {"update_p50_us", updates[updates.size() / 2]},
          {"update_p99_us", updates[updates.size() * 99 / 100]},
          {"domains", kDomains}};
}

}  // namespace equipoise::bench
