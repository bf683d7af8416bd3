#include "curve_watch.h"

#include <algorithm>

namespace equipoise {
namespace {

// Modes that are compared. Those beyond are mostly noise.
constexpr std::size_t kModes = 3;
// Queries that each side needs, by weight.
constexpr double kAfter = 4, kBefore = 8;

}  // namespace

void CurveWatch::Add(const CurveObservation& observation, double weight, std::uint64_t number,
                     WatchedDomain* domain, std::span<WatchedQuery> ring) const {
  const double w = weight * observation.share;
  if (!(w > 0)) return;
  ring[domain->next] = {.modes = observation.modes, .weight = w, .number = number};
  domain->next = (domain->next + 1) % ring.size();
}

bool CurveWatch::TakeBack(const CurveObservation& observation, double weight,
                          std::span<WatchedQuery> ring) const {
  const double w = weight * observation.share;
  for (WatchedQuery& query : ring) {
    if (!(query.weight > 0) || query.weight != w || query.modes != observation.modes) continue;
    query.weight = 0;
    return true;
  }
  return false;
}

std::optional<WatchedChange> CurveWatch::Test(const CurveModes& noise, const WatchedDomain& domain,
                                              std::span<WatchedQuery> ring,
                                              DomainSums* sums) const {
  const std::size_t modes = std::min(kModes, model_.modes());
  double weight = 0, best = evidence_;
  CurveModes sum{};
  std::uint64_t began = 0;
  // From the latest query backwards.
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const WatchedQuery& query = ring[(domain.next + ring.size() - 1 - i) % ring.size()];
    if (!(query.weight > 0)) continue;
    weight += query.weight;
    for (std::size_t j = 0; j < modes; ++j) sum[j] += query.weight * query.modes[j];
    const double before = sums->weight - weight;
    if (before < kBefore) break;
    if (weight < kAfter) continue;
    double ratio = 0;
    for (std::size_t j = 0; j < modes; ++j) {
      const double off = sum[j] / weight - (sums->sum[j] - sum[j]) / before;
      ratio += off * off / (noise[j] * (1 / weight + 1 / before));
    }
    if (ratio / 2 <= best) continue;
    best = ratio / 2;
    began = query.number;
  }
  if (began == 0) return {};
  *sums = {.prior_queries = sums->prior_queries, .prior = sums->prior};
  for (WatchedQuery& query : ring) {
    if (query.number < began) query.weight = 0;
    if (query.weight > 0) model_.Add({.modes = query.modes, .share = 1}, query.weight, 1, sums);
  }
  return WatchedChange{.began = began, .noticed = 0, .evidence = best, .time = 0};
}

}  // namespace equipoise
