/// A mean and how far off it may be.
#pragma once

#include <cstddef>
#include <span>

#include <equipoise/core/export.h>

namespace equipoise {

struct MeanInterval {
  double mean = 0;
  double low = 0, high = 0;  ///< 95 % interval
};

/// The mean of independent values with its interval by Student's t.
/// Range    of fewer than two values the interval is (−∞, ∞)
/// Exact    the quantile within 0.1 % from 8 degrees of freedom on
/// Threads  pure
EQUIPOISE_API MeanInterval MeanOf(std::span<const double> values);

/// The same of sums that were kept.
/// Units    sum of the values, sum of the squares
EQUIPOISE_API MeanInterval MeanOf(std::size_t count, double sum, double squares);

}  // namespace equipoise
