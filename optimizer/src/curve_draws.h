// From a posterior over curves to probabilities of each α, by a fixed number of seeded draws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "curve_model.h"

namespace equipoise {

/// The draws are made once: every posterior is looked at through the same ones, so that what changes is
/// the posterior, and an update is a few thousand multiplications.
/// Threads  one at a time: it keeps scratch
class CurveDraws {
 public:
  CurveDraws(std::size_t draws, std::uint64_t seed, const CurveModel& model);

  std::size_t size() const { return draws_; }
  /// How many draws each α is the best of, drawn `exploration` times as wide as the posterior is. At
  /// α = 0 and 1 the reward is higher by what the path that is not asked would have cost.
  /// Shapes   counts [grid]; they add up to size()
  void Count(const CurvePosterior& posterior, double exploration, double at_zero, double at_one,
             std::span<std::uint32_t> counts);
  /// What decisions with these probabilities [grid] lose against the best α: not exceeded in this share
  /// of the draws. Curves are a little rougher here than the modes are, as true ones are.
  double RegretQuantile(const CurvePosterior& posterior, std::span<const double> probabilities,
                        double share);

 private:
  void Draw(const CurvePosterior& posterior, double width);

  const CurveModel& model_;
  std::size_t draws_;
  std::vector<float> normal_;      // [modes, draws]
  std::vector<float> rough_;       // [grid, draws] what curves have beyond their modes
  std::vector<double> uniform_;    // [draws] which scale, ascending
  std::vector<float> modes_;       // [kCurveModes, draws] scratch, 0 beyond the model's modes
  std::vector<float> best_;        // [draws]
  std::vector<std::int32_t> arg_;  // [draws]
  std::vector<float> value_;       // [draws]
  std::vector<float> basis_;       // [grid, kCurveModes], 0 beyond the model's
};

}  // namespace equipoise
