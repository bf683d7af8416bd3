// Keeps what a policy earns above a share of what a static one would have earned: a budget in reward.
//
// Decisions other than the static one are taken only while the budget pays for the worst that they, and
// those still without feedback, could do (conservative bandits: Wu et al. 2016, arXiv:1602.04282;
// Kazerouni et al. 2017, arXiv:1611.06426). Curves of whole queries tell the static decision's reward
// too, so that a query which is judged costs the budget nothing but what it has truly lost.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace equipoise {

/// Written to the state file as it is.
struct GuardSums {
  double earned = 0;      // Σ r(α) − (1 − loss) r(α₀), over judged queries
  double deviations = 0;  // judged queries that were decided otherwise than statically
  double squares = 0;     // Σ of their gains², positive ones
  double statics = 0;     // judged queries that were decided statically
  double flipped = 0;     // version since which decisions are free, or are not
  double free = 0;        // 1: the policy decides
};

/// What a judged query adds; taken back with sign −1.
/// curve [grid], its point `arm` the decision's and `home` the static one's. `trusted`: false where the
/// filter gave it no weight: its losses count, its gains do not.
inline void AddToGuard(std::span<const double> curve, std::size_t arm, std::size_t home,
                       bool trusted, double loss, double sign, GuardSums* sums) {
  const double reward = std::isnan(curve[arm]) ? 0 : curve[arm];
  const double other = std::isnan(curve[home]) ? 1 : curve[home];
  double gain = arm == home ? loss * reward : reward - (1 - loss) * other;
  if (!trusted) gain = std::min(gain, 0.0);
  sums->earned += sign * gain;
  if (arm == home) {
    sums->statics += sign;
    return;
  }
  sums->deviations += sign;
  sums->squares += sign * std::max(gain, 0.0) * std::max(gain, 0.0);
}

/// What is left for certain. Of the judged queries a share may be lies: of k deviations, those that seem
/// to have gained most (no k of them more than √(k Σ gain²), Cauchy and Schwarz), each of which has truly
/// lost all there was; and of the static ones, which then have earned nothing.
inline double GuardBudget(const GuardSums& sums, double loss, double false_share) {
  if (!(false_share > 0)) return sums.earned;
  const double lies = std::min(sums.deviations, std::ceil(false_share * sums.deviations));
  return sums.earned - lies * (1 - loss) - std::sqrt(lies * std::max(0.0, sums.squares)) -
         std::ceil(false_share * sums.statics) * loss;
}

}  // namespace equipoise
