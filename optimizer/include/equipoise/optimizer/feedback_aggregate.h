/// What the ratings of one item, one source or a whole batch come to, and how sure that is.
#pragma once

#include <cstdint>

#include <equipoise/core/export.h>

namespace equipoise {

struct Interval {
  double low = 0;
  double high = 0;
};

/// Weighted ratings, summed up.
struct EQUIPOISE_API FeedbackAggregate {
  std::uint64_t key = 0;      ///< item or source id; 0 for the whole
  std::uint64_t kept = 0;     ///< ratings that count
  std::uint64_t removed = 0;  ///< ratings that were left out, for whatever reason
  double weight = 0;          ///< Σ w
  double weight_squares = 0;  ///< Σ w²
  double mean = 0;            ///< Σ w x / Σ w; 0 where Σ w is 0
  double squares = 0;         ///< Σ w (x − mean)²

  /// Adds one rating of weight w >= 0.
  void Add(double x, double w);
  /// As if all ratings of `other` had been added (Chan, Golub & LeVeque 1983,
  /// doi:10.1080/00031305.1983.10483115). `key` stays.
  void Merge(const FeedbackAggregate& other);

  /// Σ w (x − mean)² / (Σ w − Σ w² / Σ w): unbiased where weights say how far a rating counts; 0 for
  /// fewer than two, and where one outweighs the others a million times.
  double Variance() const;
  /// (Σ w)² / Σ w²: as many equal ratings would be worth as much (Kish 1965).
  double EffectiveSize() const;

  /// Wilson's score interval for the share (mean − low) / (high − low) of EffectiveSize() trials.
  /// Range    z > 0, 1.96 for 95 %; result in [0, 1]; [0, 1] where nothing is known
  /// Source   Wilson 1927, doi:10.1080/01621459.1927.10502953
  Interval Wilson(double z = 1.959963984540054, double low = 0, double high = 1) const;

  /// The middle `level` of the Beta posterior of that share, with `prior` pseudo-ratings of each side.
  /// Range    level in (0, 1); prior > 0, 0.5 is Jeffreys'; result in [0, 1]
  /// Exact    within 1e-9 of the quantile
  /// Source   Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286
  Interval Beta(double level = 0.95, double prior = 0.5, double low = 0, double high = 1) const;
};

/// Lower end of Wilson's interval for `share` of n trials; 0 for n <= 0.
EQUIPOISE_API double WilsonLowerBound(double share, double n, double z = 1.959963984540054);

}  // namespace equipoise
