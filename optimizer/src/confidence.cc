// The factors of a rating's confidence that are not its own: see ConfidenceOptions for the formula.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <equipoise/core/parallel.h>

#include "few_values.h"
#include "filter_work.h"

namespace equipoise {
namespace {

constexpr int kRounds = 2;

// The gold rating of each item; NaN where there is none.
std::vector<float> GoldOfItem(const RowGroups& items, std::vector<GoldRating> gold) {
  std::stable_sort(gold.begin(), gold.end(),
                   [](const GoldRating& a, const GoldRating& b) { return a.item < b.item; });
  std::vector<float> out(items.size(), std::nanf(""));
  for (std::uint64_t group = 0; group < items.size(); ++group) {
    const auto found =
        std::lower_bound(gold.begin(), gold.end(), items.keys[group],
                         [](const GoldRating& a, std::uint64_t key) { return a.item < key; });
    if (found != gold.end() && found->item == items.keys[group]) out[group] = found->rating;
  }
  return out;
}

struct Sum {
  double weight = 0;
  double value = 0;
};

// What all say of each item.
void SumItems(const FilterWork& work, const std::vector<double>& reliability,
              std::vector<Sum>* out) {
  const auto& starts = work.items->starts;
  ForGroups(starts, work.threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t item = first; item < last; ++item) {
      Sum sum;
      for (std::uint64_t i = starts[item]; i < starts[item + 1]; ++i) {
        const Vote vote = work.item_votes[i];
        if (std::isnan(vote.rating)) continue;
        const double w = vote.weight * reliability[vote.source];
        sum.weight += w;
        sum.value += w * vote.rating;
      }
      (*out)[item] = sum;
    }
  });
}

// Weighted agreement of one source with what others, or gold, say of the items that it rated.
Sum Agreement(const FilterWork& work, std::uint64_t source, double reliability,
              const std::vector<Sum>& items, const std::vector<float>& gold) {
  const auto& o = work.options;
  const double per_range = 1 / (double{o.rating_high} - o.rating_low);
  const RawArray<Vote>& votes = work.source_votes;
  const std::uint64_t end = work.sources->starts[source + 1];
  Sum out;
  // All that the source says of one item lies together.
  for (std::uint64_t begin = work.sources->starts[source], next = 0; begin < end; begin = next) {
    const std::uint32_t item = votes[begin].item;
    const Sum all = items[item];
    Sum own;
    for (next = begin; next < end && votes[next].item == item; ++next) {
      if (std::isnan(votes[next].rating)) continue;
      const double w = votes[next].weight * reliability;
      own.weight += w;
      own.value += w * votes[next].rating;
    }
    const double others = all.weight - own.weight;
    const bool is_gold = !gold.empty() && !std::isnan(gold[item]);
    // What is left of a difference must be more than rounding.
    if (!is_gold && !(others > 1e-9 * all.weight)) continue;
    const double truth = is_gold ? double{gold[item]} : (all.value - own.value) / others;
    const double g = is_gold ? o.confidence.gold_weight : 1;
    for (std::uint64_t i = begin; i < next; ++i) {
      if (std::isnan(votes[i].rating)) continue;
      out.weight += g;
      out.value += g * std::clamp(1 - std::abs(votes[i].rating - truth) * per_range, 0.0, 1.0);
    }
  }
  return out;
}

}  // namespace

void WeighContext(FilterWork* work) {
  const ConfidenceOptions& c = work->options.confidence;
  const bool dwell = c.dwell_half > 0 && !work->batch.dwell.empty();
  const bool position = c.position_power > 0 && !work->batch.position.empty();
  if (!dwell && !position) return;
  ParallelFor(work->weight.size(), work->threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t row = begin; row < end; ++row) {
      if (!work->Kept(row)) continue;
      const float seconds = dwell ? work->batch.dwell[row] : 0;
      if (!(seconds >= 0)) {
        work->verdict[row] = FeedbackVerdict::kBadConfidence;
        work->weight[row] = 0;
        continue;
      }
      const std::uint32_t rank = position ? work->batch.position[row] : 0;
      work->weight[row] = Scaled(work->weight[row], (dwell ? DwellFactor(c, seconds) : 1) *
                                                        (position ? PositionFactor(c, rank) : 1));
    }
  });
}

double DwellFactor(const ConfidenceOptions& c, float dwell) {
  return std::isinf(dwell) ? 1 : dwell / (dwell + c.dwell_half);
}

double PositionFactor(const ConfidenceOptions& c, std::uint32_t position) {
  return std::pow(std::min(1.0, (1.0 + position) / (1.0 + c.position_most)), c.position_power);
}

void TakeVotes(FilterWork* work) {
  const std::size_t n = work->verdict.size();
  work->votes = RawArray<Vote>(n, work->pool);
  ParallelFor(n, work->threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t row = begin; row < end; ++row) {
      const bool kept = work->Kept(row);
      work->votes[row] = {kept ? work->batch.rating[row] : std::nanf(""),
                          kept ? work->weight[row] : 0, work->items ? work->items->of_row[row] : 0,
                          work->sources ? work->sources->of_row[row] : 0};
    }
  });
}

RawArray<Vote> OrderVotes(const FilterWork& work, const RowGroups& groups) {
  RawArray<Vote> out(groups.rows.size(), work.pool);
  ParallelFor(out.size(), work.threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) out[i] = work.votes[groups.rows[i]];
  });
  return out;
}

void LearnReliability(FilterWork* work) {
  const ConfidenceOptions& c = work->options.confidence;
  const std::vector<float> gold =
      c.gold.empty() ? std::vector<float>() : GoldOfItem(*work->items, c.gold);
  std::vector<double> reliability(work->sources->size(), 1.0);
  std::vector<Sum> items(work->items->size()), sources(work->sources->size());
  for (int round = 0; round < kRounds; ++round) {
    SumItems(*work, reliability, &items);
    ForGroups(work->sources->starts, work->threads,
              [&](std::uint64_t first, std::uint64_t last, int) {
                for (std::uint64_t source = first; source < last; ++source)
                  sources[source] = Agreement(*work, source, reliability[source], items, gold);
              });
    Sum all;
    for (const Sum& sum : sources) {
      all.weight += sum.weight;
      all.value += sum.value;
    }
    if (!(all.value > 0)) break;  // nothing to compare with, or nobody agrees with anybody
    const double mean = all.value / all.weight;
    for (std::uint64_t source = 0; source < sources.size(); ++source) {
      const double share = (c.reliability_prior * mean + sources[source].value) /
                           (c.reliability_prior + sources[source].weight);
      reliability[source] = sources[source].weight >= c.reliability_least
                                ? std::clamp(share / mean, c.least_reliability, 1.0)
                                : 1.0;
    }
  }
  work->reliability = std::move(reliability);
}

void FindEvidence(FilterWork* work) {
  const FeedbackOptions& o = work->options;
  const bool binary = !HasMoreValues(work->batch.rating, o.rating_low, o.rating_high, 2,
                                     [&](std::uint64_t row) { return work->Kept(row); });
  const auto& starts = work->items->starts;
  std::vector<double> evidence(work->items->size(), 1.0);
  ForGroups(starts, work->threads, [&](std::uint64_t first_item, std::uint64_t last_item, int) {
    for (std::uint64_t item = first_item; item < last_item; ++item) {
      double weight = 0, squares = 0, first = 0;
      float value = std::nanf("");
      for (std::uint64_t i = starts[item]; i < starts[item + 1]; ++i) {
        const Vote& vote = work->item_votes[i];
        const double w = work->WeightOf(vote);
        if (!(w > 0)) continue;  // so have all that are not kept
        if (std::isnan(value)) value = vote.rating;
        weight += w;
        squares += w * w;
        if (vote.rating == value) first += w;
      }
      if (!(squares > 0)) continue;
      const double n = weight * (weight / squares);
      const double share = std::max(first, weight - first) / weight;
      evidence[item] = binary ? WilsonLowerBound(share, n) / share : n / (n + 2);
    }
  });
  work->evidence = std::move(evidence);
}

}  // namespace equipoise
