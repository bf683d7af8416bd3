// Streams of judged queries whose domains turn around, or stay, and the policy that is asked on them.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/curve_policy.h>

#include "experiments.h"

namespace equipoise::bench {

inline constexpr std::size_t kQueries = 300;  // of a domain, in a stream of changes
inline constexpr std::size_t kFlip = 200;     // from this one on α means 1 − α
inline constexpr std::size_t kWatched = 64;
inline constexpr std::array<std::string_view, 3> kChanging = {"cranfield", "cacm-authors",
                                                              "reverse-dictionary"};

/// Those of the sets that have these names, in the order in which they are.
inline Sets Named(const Sets& all, std::span<const std::string_view> names) {
  Sets out;
  for (const JudgedSet* set : all)
    if (std::find(names.begin(), names.end(), set->name) != names.end()) out.push_back(set);
  return out;
}

inline void Check(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// A query of a stream with the curve that it truly has there.
struct Asked {
  std::size_t domain = 0;
  std::size_t place = 0;  // within its domain
  Curve curve{};
  std::size_t best = 0;
};

inline Curve Turned(const Curve& curve) {
  Curve out = curve;
  std::reverse(out.begin(), out.end());
  return out;
}

/// Each set's queries in random order, again and again, the domains mixed.
inline std::vector<Asked> ChangingStream(const Sets& sets, std::uint64_t order, bool flips) {
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

inline std::vector<Asked> SteadyStream(const Sets& sets, std::uint64_t order) {
  std::vector<Asked> out;
  std::vector<std::size_t> seen(sets.size());
  for (const Turn& turn : MakeStream(sets, order, kHorizon))
    out.push_back({turn.domain, seen[turn.domain]++, sets[turn.domain]->queries[turn.query].ndcg,
                   BestOf(sets[turn.domain]->mean)});
  return out;
}

inline std::unique_ptr<CurvePolicy> Policy(CurvePolicyOptions options, std::uint64_t order) {
  options.both_paths_share = 1;
  options.seed = order + 1;
  return OrThrow(CurvePolicy::Create(options));
}

}  // namespace equipoise::bench
