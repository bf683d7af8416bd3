// How many queries it takes to tell a better α from a worse one: interleaved lists against two halves.
#include <algorithm>
#include <cmath>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/interleaving.h>

#include "experiments.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kMost = 1 << 20;
// Rewards a query that a better α must earn more, to be a better one.
constexpr double kDifference = 0.01;

/// Who clicks on nine of ten good documents and one of ten others that he looks at. A browsing reader looks
/// at rank r (from 0) with probability 1 / log2(r + 2), as credits are discounted. One who reads down the
/// list stops after half of the good documents that he clicked on, and else goes on (the dependent click
/// model; Guo, Liu & Wang 2009): its attention is nobody's discount.
enum class Reader { kBrowsing, kDown };

std::vector<double> Clicks(Reader reader, const JudgedQuery& query,
                           std::span<const std::uint32_t> items, Random* random) {
  std::vector<double> out;
  bool reads = true;
  for (std::size_t rank = 0; rank < items.size(); ++rank) {
    const bool good = query.candidates[items[rank]].gain > 0;
    const bool seen = reader == Reader::kDown
                          ? reads
                          : random->Chance(1 / std::log2(static_cast<double>(rank) + 2));
    const bool clicked = seen && random->Chance(good ? 0.9 : 0.1);
    if (clicked && good && random->Chance(0.5)) reads = false;
    out.push_back(clicked ? 1 : 0);
  }
  return out;
}

std::vector<std::uint32_t> Shown(const JudgedQuery& query, std::size_t arm) {
  return {query.shown[arm].begin(), query.shown[arm].begin() + query.shown_count[arm]};
}

double Discounted(std::span<const double> clicks) {
  double sum = 0;
  for (std::size_t rank = 0; rank < clicks.size(); ++rank)
    sum += clicks[rank] / std::log2(static_cast<double>(rank) + 2);
  return sum;
}

/// Queries that a two-sided test at 5 % needs to see a mean of this size with a power of 80 %.
double Needed(double mean, double variance) {
  constexpr double kQuantiles = 1.959964 + 0.841621;
  return mean == 0 ? static_cast<double>(kMost)
                   : std::min(static_cast<double>(kMost),
                              std::ceil(kQuantiles * kQuantiles * variance / (mean * mean)));
}

struct Moments {
  double n = 0, sum = 0, squares = 0;
  void Add(double value) {
    n += 1;
    sum += value;
    squares += value * value;
  }
  double mean() const { return sum / n; }
  double variance() const { return std::max(0.0, squares / n - mean() * mean()); }
};

/// Share of `trials` in which the verdict after n queries is the right one.
double Right(Reader reader, const JudgedSet& set, std::size_t worse, std::size_t better,
             std::size_t n, std::size_t trials, Random* random) {
  double right = 0;
  for (std::size_t t = 0; t < trials; ++t) {
    InterleavingComparison comparison;
    for (std::size_t i = 0; i < n; ++i) {
      const JudgedQuery& query = set.queries[random->Below(set.queries.size())];
      const auto draft =
          OrThrow(TeamDraft(Shown(query, worse), Shown(query, better), 10, random->Next()));
      comparison.Add(DraftOutcome(draft, Clicks(reader, query, draft.items, random)));
    }
    right += comparison.Verdict() == 1 ? 1.0 / static_cast<double>(trials) : 0;
  }
  return right;
}

json Compare(Reader reader, const JudgedSet& set, std::size_t worse, std::size_t better,
             Random* random) {
  constexpr std::size_t kRounds = 40;
  // Each query often, so that what is left to chance are the readers.
  Moments half[2], pairs;
  for (std::size_t round = 0; round < kRounds; ++round)
    for (const JudgedQuery& query : set.queries) {
      for (const int side : {0, 1}) {
        const auto shown = Shown(query, side == 0 ? worse : better);
        half[side].Add(Discounted(Clicks(reader, query, shown, random)));
      }
      const auto draft =
          OrThrow(TeamDraft(Shown(query, worse), Shown(query, better), 10, random->Next()));
      pairs.Add(DraftOutcome(draft, Clicks(reader, query, draft.items, random)));
    }
  // Two halves of the queries: both means have half of them.
  const double gap = half[1].mean() - half[0].mean();
  const double halves = Needed(gap, 2 * (half[0].variance() + half[1].variance()));
  const double drafted = Needed(pairs.mean(), pairs.variance());
  const auto n = static_cast<std::size_t>(std::min(drafted, 4000.0));
  return {{"set", set.name},
          {"reader", reader == Reader::kDown ? "down" : "browsing"},
          {"better", AlphaOf(better)},
          {"worse", AlphaOf(worse)},
          {"difference", set.mean[better] - set.mean[worse]},
          {"halves", halves},
          {"interleaved", drafted},
          {"ratio", halves / drafted},
          {"agrees", pairs.mean() > 0},
          {"halves_agree", gap > 0},
          {"power", Right(reader, set, worse, better, n, 200, random)},
          {"power_queries", n}};
}

}  // namespace

json Interleaving(const Sets& sets) {
  json out = json::array();
  Random random(17);
  for (const Reader reader : {Reader::kBrowsing, Reader::kDown})
    for (const JudgedSet* set : sets) {
      const std::size_t better = BestOf(set->mean);
      for (const std::size_t worse : {std::size_t{0}, kGrid / 2, kGrid - 1})
        if (set->mean[better] - set->mean[worse] >= kDifference)
          out.push_back(Compare(reader, *set, worse, better, &random));
    }
  return out;
}

}  // namespace equipoise::bench
