// The factors of a rating's confidence that are not its own: see ConfidenceOptions for the formula.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "filter_work.h"
#include "outlier_checks.h"

namespace equipoise {
namespace {

constexpr int kRounds = 2;

// For each row the number of its item.
std::vector<std::uint64_t> ItemOfRow(const RowGroups& items) {
  std::vector<std::uint64_t> out(items.rows.size());
  for (std::uint64_t group = 0; group < items.size(); ++group)
    for (std::uint64_t i = items.starts[group]; i < items.starts[group + 1]; ++i)
      out[items.rows[i].row] = group;
  return out;
}

// The gold rating of each item; NaN where there is none.
std::vector<float> GoldOfItem(const RowGroups& items, std::vector<GoldRating> gold) {
  std::stable_sort(gold.begin(), gold.end(),
                   [](const GoldRating& a, const GoldRating& b) { return a.item < b.item; });
  std::vector<float> out(items.size(), std::nanf(""));
  for (std::uint64_t group = 0; group < items.size(); ++group) {
    const auto found =
        std::lower_bound(gold.begin(), gold.end(), items.key(group),
                         [](const GoldRating& a, std::uint64_t key) { return a.item < key; });
    if (found != gold.end() && found->item == items.key(group)) out[group] = found->rating;
  }
  return out;
}

struct Sum {
  double weight = 0;
  double value = 0;
};

// Weighted agreement of each source with what others, or gold, say of the items that it rated.
std::vector<Sum> Agreements(const FilterWork& work, const std::vector<std::uint64_t>& item_of,
                            const std::vector<float>& gold, const std::vector<double>& reliability,
                            const std::vector<std::uint64_t>& source_of) {
  const auto& o = work.options;
  const double range = double{o.rating_high} - o.rating_low;
  std::vector<Sum> items(work.items->size());
  for (std::uint64_t row = 0; row < item_of.size(); ++row) {
    if (!work.Kept(row)) continue;
    const double w = work.weight[row] * reliability[source_of[row]];
    items[item_of[row]].weight += w;
    items[item_of[row]].value += w * work.batch.rating[row];
  }
  std::vector<Sum> out(work.sources->size());
  const auto& rows = work.sources->rows;
  for (std::uint64_t source = 0; source < work.sources->size(); ++source) {
    const std::uint64_t end = work.sources->starts[source + 1];
    // All that the source says of one item lies together.
    for (std::uint64_t begin = work.sources->starts[source], next = begin; begin < end;
         begin = next) {
      const std::uint64_t item = item_of[rows[begin].row];
      Sum own;
      for (next = begin; next < end && item_of[rows[next].row] == item; ++next) {
        const std::uint64_t row = rows[next].row;
        if (!work.Kept(row)) continue;
        const double w = work.weight[row] * reliability[source];
        own.weight += w;
        own.value += w * work.batch.rating[row];
      }
      const double others = items[item].weight - own.weight;
      const bool is_gold = !std::isnan(gold[item]);
      // What is left of a difference must be more than rounding.
      if (!is_gold && !(others > 1e-9 * items[item].weight)) continue;
      const double truth = is_gold ? double{gold[item]} : (items[item].value - own.value) / others;
      const double g = is_gold ? o.confidence.gold_weight : 1;
      for (std::uint64_t i = begin; i < next; ++i) {
        if (!work.Kept(rows[i].row)) continue;
        const double a =
            std::clamp(1 - std::abs(work.batch.rating[rows[i].row] - truth) / range, 0.0, 1.0);
        out[source].weight += g;
        out[source].value += g * a;
      }
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
  const double most = 1.0 + c.position_most;
  for (std::uint64_t row = 0; row < work->weight.size(); ++row) {
    if (!work->Kept(row)) continue;
    double factor = 1;
    if (dwell) {
      const double d = work->batch.dwell[row];
      if (!(d >= 0)) {
        work->verdict[row] = FeedbackVerdict::kBadConfidence;
        work->weight[row] = 0;
        continue;
      }
      factor = std::isinf(d) ? 1 : d / (d + c.dwell_half);
    }
    if (position)
      factor *= std::pow(std::min(1.0, (1.0 + work->batch.position[row]) / most), c.position_power);
    work->weight[row] = static_cast<float>(work->weight[row] * factor);
  }
}

std::vector<double> WeighReliability(FilterWork* work) {
  const ConfidenceOptions& c = work->options.confidence;
  const std::vector<std::uint64_t> item_of = ItemOfRow(*work->items);
  const std::vector<float> gold = GoldOfItem(*work->items, c.gold);
  std::vector<std::uint64_t> source_of = ItemOfRow(*work->sources);
  std::vector<double> reliability(work->sources->size(), 1.0);
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<Sum> sums = Agreements(*work, item_of, gold, reliability, source_of);
    Sum all;
    for (const Sum& sum : sums) {
      all.weight += sum.weight;
      all.value += sum.value;
    }
    if (!(all.value > 0)) break;  // nothing to compare with, or nobody agrees with anybody
    const double mean = all.value / all.weight;
    for (std::uint64_t source = 0; source < sums.size(); ++source) {
      const double share = (c.reliability_prior * mean + sums[source].value) /
                           (c.reliability_prior + sums[source].weight);
      reliability[source] = sums[source].weight >= c.reliability_least
                                ? std::clamp(share / mean, c.least_reliability, 1.0)
                                : 1.0;
    }
  }
  for (std::uint64_t row = 0; row < source_of.size(); ++row)
    work->weight[row] = static_cast<float>(work->weight[row] * reliability[source_of[row]]);
  return reliability;
}

void WeighEvidence(FilterWork* work) {
  DistinctValues distinct(2);
  bool binary = true;
  for (std::uint64_t row = 0; binary && row < work->weight.size(); ++row)
    if (work->Kept(row)) binary = !distinct.Exceeds(work->batch.rating[row]);
  const RowGroups& items = *work->items;
  for (std::uint64_t group = 0; group < items.size(); ++group) {
    const std::uint64_t begin = items.starts[group], end = items.starts[group + 1];
    double weight = 0, squares = 0, first = 0;
    float value = 0;
    bool found = false;
    for (std::uint64_t i = begin; i < end; ++i) {
      const std::uint64_t row = items.rows[i].row;
      const double w = work->weight[row];
      if (!work->Kept(row) || !(w > 0)) continue;
      if (!std::exchange(found, true)) value = work->batch.rating[row];
      weight += w;
      squares += w * w;
      if (work->batch.rating[row] == value) first += w;
    }
    if (!(squares > 0)) continue;
    const double n = weight * (weight / squares);
    const double share = std::max(first, weight - first) / weight;
    const double evidence = binary ? WilsonLowerBound(share, n) / share : n / (n + 2);
    for (std::uint64_t i = begin; i < end; ++i) {
      float& w = work->weight[items.rows[i].row];
      w = static_cast<float>(w * evidence);
    }
  }
}

}  // namespace equipoise
