/// Which values of a sample lie too far out: 3-sigma, iterated clipping, MAD.
///
/// What each can and cannot see, since a filter must know what it filters:
///   - a sample of n has no |z| above (n − 1)/√n (sample deviation; √(n − 1) with the population's):
///     3-sigma cannot flag anything below n = 11, and says so (kTooSmall);
///   - for ratings of few values, spread is no scale: where fewer than 10 % are positive, every
///     positive lies outside 3 sigma. Samples of at most `few_values` values are not cut (kFewValues).
///     Every value counts: a few ratings of others among clicks make a sample that is cut. Where there
///     can be two, refuse what is neither, or raise few_values, or take the method kNone;
///   - one tenth of equal outliers hides itself from sigma (their own weight moves mean and
///     deviation); MAD stands up to nearly one half.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

enum class OutlierMethod : std::uint8_t {
  kNone,
  kSigma,  ///< one pass, unweighted: |x − mean| > sigma · s, s the sample deviation (n − 1)
  kClip,   ///< sigma again and again on what is left, as SciPy and Astropy do it
  kMad,    ///< Hampel: |x − median| > sigma · 1.4826 · median |x − median|
};

enum class ClipCenter : std::uint8_t { kMean, kMedian };
enum class ClipSpread : std::uint8_t {
  kDeviation,  ///< of the population (n)
  kMad,        ///< 1.4826 · median |x − median|
};

/// How kClip works. scipy.stats.sigmaclip(a, low, high) is {low, high, 0, kMean, kDeviation};
/// astropy.stats.sigma_clip(a, sigma, maxiters = 5) is {sigma, sigma, 5, kMedian, kDeviation}, with
/// cenfunc = "mean" kMean, with stdfunc = "mad_std" kMad. Other than they do, it takes nothing out where
/// the spread is 0 (by kMad, half of the values being equal would cost the other half) or there are fewer
/// than 3 values, and makes no pass that would leave nothing.
struct ClipOptions {
  double sigma_low = 0;   ///< deviations below the center; 0: OutlierOptions::sigma
  double sigma_high = 0;  ///< and above it
  int iterations = 0;     ///< at most; 0: until nothing more goes
  ClipCenter center = ClipCenter::kMean;
  ClipSpread spread = ClipSpread::kDeviation;
};

struct OutlierOptions {
  OutlierMethod method = OutlierMethod::kSigma;
  double sigma = 3;  ///< > 0
  ClipOptions clip;
  /// Samples of at most so many different values are not cut; 0 cuts all. Default: 5, stars.
  int few_values = 5;
  /// Largest share of a sample that is removed, rounded down; the rest of what was flagged, the least
  /// far out, stays and is counted in `over_cap`. In [0, 1].
  double max_removed = 0.10;
};

/// What became of a sample.
enum class OutlierState : std::uint8_t {
  kApplied,
  kOff,        ///< method kNone
  kFewValues,  ///< not cut: few different values
  kTooSmall,   ///< nothing can be flagged in a sample of this size
  kNoSpread,   ///< every measure of spread is 0 (all values, or all but few, are equal)
};

/// Which measure of spread kMad used: the first of this chain that is not 0.
enum class MadSpread : std::uint8_t { kMad, kInterquartile, kMeanAbsolute, kNone };

struct OutlierReport {
  OutlierState state = OutlierState::kOff;
  MadSpread mad_spread = MadSpread::kNone;
  double center = 0;  ///< of the last pass: x is kept from low to high, both included
  double low = 0;
  double high = 0;
  std::uint64_t flagged = 0;   ///< outside the bounds
  std::uint64_t removed = 0;   ///< of these, within the cap
  std::uint64_t over_cap = 0;  ///< flagged − removed
  int iterations = 0;          ///< passes of kClip
};

/// Finds the outliers of one sample.
/// Shapes   values [n], finite; outlier [n]: set to 1 where the value is removed, else 0
/// Order    where the cap decides, the farthest from the center in spreads go first, ties by index
/// Errors   kInvalidArgument: an option outside its range, `outlier` of another size, a value that is
///          not finite; kOutOfMemory
/// Threads  pure; memory O(n) except for kSigma
/// Exact    sums in double about the first value
/// Source   clip: the loops of scipy.stats.sigmaclip and astropy.stats.sigma_clip; MAD: Hampel 1974,
///          doi:10.1080/01621459.1974.10482962; factors 1.4826 (MAD), 1/1.349 (IQR) and 1.2533 (mean
///          absolute deviation) make each the deviation of a normal sample (Iglewicz & Hoaglin 1993)
EQUIPOISE_API Result<OutlierReport> FindOutliers(std::span<const float> values,
                                                 const OutlierOptions& options,
                                                 std::span<std::uint8_t> outlier);

}  // namespace equipoise
