/// The two passes over a column of ratings that a feedback filter makes: moments, then weights. And a
/// look at how many different ratings there are.
///
/// Pass 1 reads 4 bytes an item; pass 2 reads 16 (12 without confidence) and writes 5. Both work on
/// one block; whoever has many adds their sums up in the order of the blocks, and so gets the same
/// bits from any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/core/export.h>

namespace equipoise {

enum class SimdLevel : std::uint8_t;

/// Sums over the ratings of a block that are inside the scale, about `shift`.
struct RatingSums {
  std::uint64_t count = 0;  ///< ratings inside the scale
  double sum = 0;           ///< Σ (x − shift)
  double sum_squares = 0;   ///< Σ (x − shift)²
};

/// Pass 1.
/// Shapes   ratings [n]
/// Range    NaN and ratings outside [low, high] are passed over; n = 0 gives zeros
/// Exact    additions in double, in a fixed order for each instruction set
EQUIPOISE_API RatingSums SumRatings(const float* ratings, std::size_t n, float low, float high,
                                    double shift);

/// The first rating inside the scale that is none of `known`: what tells ratings of few values from
/// others.
/// Shapes   ratings [n]; known [count]
/// Range    result in [0, n]; n where there is none. NaN and ratings outside [low, high] are passed over
EQUIPOISE_API std::size_t FirstOther(const float* ratings, std::size_t n, float low, float high,
                                     const float* known, std::size_t count);

/// What pass 2 is told.
struct WeighSettings {
  double now = 0;       ///< seconds
  double max_skew = 0;  ///< times up to this far ahead of `now` count as `now`; finite, >= 0
  double rate = 0;      ///< half-lives a second: 1 / half_life; 0: no decay
  double center = 0;    ///< Σ are about this
  double limit = 0;     ///< |x − center| above it is an outlier; infinity: none
  float low = 0;        ///< the scale
  float high = 0;
};

/// What pass 2 says of an item.
enum class WeighVerdict : std::uint8_t {
  kKept = 0,
  kOutlier = 1,
  kBadRating = 2,      ///< NaN or outside the scale
  kBadTime = 3,        ///< NaN or infinite
  kFuture = 4,         ///< more than max_skew ahead
  kBadConfidence = 5,  ///< NaN or outside [0, 1]
};

/// Sums over the kept items of a block, w being 2^(−age · rate) · confidence, d = x − center.
struct WeighSums {
  double weight = 0;               ///< Σ w
  double weight_squares = 0;       ///< Σ w²
  double deviation = 0;            ///< Σ w d
  double deviation_squares = 0;    ///< Σ w d²
  std::uint64_t verdicts[6] = {};  ///< items of each WeighVerdict
  std::uint64_t clamped = 0;       ///< kept items whose time was ahead of `now`
};

/// Pass 2: the weight and the verdict of each item; items that are not kept have weight 0.
/// Shapes   ratings, times, confidence, rates [n]; weights, verdicts [n]
/// Units    times in seconds
/// Range    confidence null: 1 for all; rates null: settings.rate for all. A weight is 0 or a normal
///          float32 (>= 2^−126): ages of 1e12 s cost no denormal arithmetic
/// Exact    weight: relative error <= 1e-7 of 2^(−age · rate) · confidence, the double nearest to the
///          age times the rate being given; sums in double of the weights before their rounding
/// Source   the test FeedbackPass in tests/unit/kernels compares with std::exp2
EQUIPOISE_API WeighSums WeighRatings(const float* ratings, const double* times,
                                     const float* confidence, const double* rates, std::size_t n,
                                     const WeighSettings& settings, float* weights,
                                     std::uint8_t* verdicts);

}  // namespace equipoise
