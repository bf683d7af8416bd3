#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/optimizer/mean_interval.h>

namespace equipoise {
namespace {

// Student's t at 97.5 %, from the normal quantile (Cornish & Fisher; Abramowitz & Stegun 26.7.5): within
// 0.1 % from 8 degrees of freedom on.
double StudentQuantile(double freedom) {
  constexpr double z = 1.959964, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const double f = freedom;
  return z + (z3 + z) / (4 * f) + (5 * z5 + 16 * z3 + 3 * z) / (96 * f * f) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * f * f * f);
}

// `around`: Σ (value − mean)².
MeanInterval Interval(double n, double mean, double around) {
  constexpr double kAll = std::numeric_limits<double>::infinity();
  const double half = n < 2 ? kAll : StudentQuantile(n - 1) * std::sqrt(around / (n - 1) / n);
  return {.mean = mean, .low = mean - half, .high = mean + half};
}

}  // namespace

MeanInterval MeanOf(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0, around = 0;
  for (const double value : values) mean += value / n;
  for (const double value : values) around += (value - mean) * (value - mean);
  return Interval(n, mean, around);
}

MeanInterval MeanOf(std::size_t count, double sum, double squares) {
  const auto n = static_cast<double>(count);
  const double mean = count == 0 ? 0 : sum / n;
  return Interval(n, mean, std::max(0.0, squares - n * mean * mean));
}

}  // namespace equipoise
