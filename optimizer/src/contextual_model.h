// Linear regression of curves' modes on features, within domains: no threads, no files, no names.
//
// A domain's mean curve and mean features are its own, so that only what differs between the queries of
// one domain teaches (the within estimator of panel data: Wooldridge 2010, Econometric Analysis of Cross
// Section and Panel Data, 10.5). Sums are exact and in any order the same but for rounding; a query can be
// taken back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "curve_model.h"

namespace equipoise {

inline constexpr std::size_t kMostFeatures = 32;
inline constexpr std::size_t kContextModes = 4;
inline constexpr std::size_t kContextDraws = 32;

class ContextualModel {
 public:
  /// features in [1, kMostFeatures]; modes <= kContextModes
  ContextualModel(std::size_t features, std::size_t modes, double noise_ratio,
                  const CurveConstants& constants, std::uint64_t seed);

  std::size_t features() const { return features_; }
  std::size_t modes() const { return modes_; }

  // What is summed, plain numbers that are written to the state file as they are.
  /// A domain's: weight, mean features, mean modes.
  std::size_t domain_size() const { return 1 + features_ + modes_; }
  /// Of all: weight; domains with any; within domains the products of features with features [features,
  /// features] and with modes [features, modes], and the squares of modes [modes]; the sums of features
  /// [features].
  std::size_t shared_size() const {
    return 2 + features_ * features_ + features_ * modes_ + modes_ + features_;
  }
  /// Mean features of all queries.
  double MeanOf(std::span<const double> shared, std::size_t feature) const {
    return shared[0] > 1e-9 ? shared[shared_size() - features_ + feature] / shared[0] : 0;
  }
  /// Adds a query, or takes one back with sign −1.
  void Add(std::span<const float> features, const CurveModes& modes, double weight, double sign,
           std::span<double> domain, std::span<double> shared) const;

  /// The posterior as decisions need it: 1 / standard deviation of each feature, then draws [kContextDraws,
  /// modes, features] of the weights, `exploration` times as wide as they are uncertain.
  std::size_t numbers_size() const { return features_ * (1 + kContextDraws * modes_); }
  void Draw(std::span<const double> shared, double exploration, std::span<float> numbers) const;

 private:
  std::size_t features_, modes_;
  double noise_ratio_;
  CurveConstants constants_;
  std::vector<double> normal_;  // [kContextDraws, modes, features]; each beside its opposite
};

}  // namespace equipoise
