#include "student_t.h"

#include <cmath>

namespace equipoise {
namespace {

// The continued fraction of I_x(a, b) without its leading factor; it converges quickly for
// x < (a + 1) / (a + b + 2).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;  // stands in for a denominator of 0
  constexpr double kPrecision = 1e-15;
  constexpr int kTerms = 10'000;
  const auto away_from_0 = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away_from_0(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_0(1 + even * d);
    c = away_from_0(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_0(1 + odd * d);
    c = away_from_0(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < kPrecision) break;
  }
  return fraction;
}

// std::lgamma writes the sign to a global variable.
double LogGamma(double value) {
  int sign = 0;
  return ::lgamma_r(value, &sign);
}

}  // namespace

double StudentTwoSidedP(double t, double freedom) {
  // P = I_x(freedom / 2, 1 / 2) with x = freedom / (freedom + t^2). y = 1 - x is computed on its
  // own: a small t would be lost in the subtraction.
  const double a = freedom / 2;
  const double b = 0.5;
  const double square = t * t;
  const double x = freedom / (freedom + square);
  const double y = square / (freedom + square);
  if (!(y > 0)) return 1;
  if (!(x > 0)) return 0;
  // a log x + b log y, with log x from y where x is close to 1.
  const double log_x = x > 0.5 ? std::log1p(-y) : std::log(x);
  const double front =
      std::exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + a * log_x + b * std::log(y));
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(a, b, x) / a;
  return 1 - front * BetaFraction(b, a, y) / b;
}

}  // namespace equipoise
