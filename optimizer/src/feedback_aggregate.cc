#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/optimizer/feedback_aggregate.h>

namespace equipoise {
namespace {

// Continued fraction of the incomplete beta function, by Lentz's method (DLMF 8.17.22).
double BetaFraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double value = d;
  // The number of terms needed grows with the root of the larger parameter.
  const int most = 300 + static_cast<int>(std::min(1e6, 10 * std::sqrt(std::max(a, b))));
  for (int m = 1; m <= most; ++m) {
    const auto factor = [&](double term) {
      d = 1 + term * d;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      c = 1 + term / c;
      if (std::abs(c) < kTiny) c = kTiny;
      value *= d * c;
      return d * c;
    };
    factor(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
    const double last = factor(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)));
    if (std::abs(last - 1) < 1e-15) break;
  }
  return value;
}

// std::lgamma writes a global sign.
double LogGamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

// Newton's steps from the mean, halving the bracket where one would leave it.
double BetaQuantile(double q, double a, double b) {
  const double scale = LogGamma(a + b) - LogGamma(a) - LogGamma(b);
  double low = 0, high = 1, x = a / (a + b);
  for (int i = 0; i < 200 && high - low > 1e-15; ++i) {
    const double front = std::exp(scale + a * std::log(x) + b * std::log1p(-x));
    const double below = x < (a + 1) / (a + b + 2) ? front * BetaFraction(x, a, b) / a
                                                   : 1 - front * BetaFraction(1 - x, b, a) / b;
    (below < q ? low : high) = x;
    const double density = front / (x * (1 - x));
    const double step = (below - q) / density;
    if (std::abs(step) < 1e-12 * std::min(x, 1 - x)) break;
    const double next = x - step;
    x = next > low && next < high ? next : (low + high) / 2;
  }
  return x;
}

// Below it the sum is one rating and what rounding has left of others.
constexpr double kLeastFreedom = 1e-6;

double ShareOf(const FeedbackAggregate& a, double low, double high) {
  return high > low ? std::clamp((a.mean - low) / (high - low), 0.0, 1.0) : 0;
}

}  // namespace

void FeedbackAggregate::Add(double x, double w) {
  ++kept;
  if (!(w > 0)) return;
  weight += w;
  weight_squares += w * w;
  const double before = x - mean;
  mean += w / weight * before;
  squares += w * before * (x - mean);
}

void FeedbackAggregate::Merge(const FeedbackAggregate& other) {
  kept += other.kept;
  removed += other.removed;
  if (!(other.weight > 0)) return;
  const double both = weight + other.weight;
  const double apart = other.mean - mean;
  squares += other.squares + apart * apart * (weight / both) * other.weight;
  mean = weight > 0 ? mean + apart * (other.weight / both) : other.mean;
  weight = both;
  weight_squares += other.weight_squares;
}

double FeedbackAggregate::Variance() const {
  if (!(weight > 0)) return 0;
  const double freedom = weight - weight_squares / weight;
  return freedom > kLeastFreedom * weight ? std::max(0.0, squares) / freedom : 0;
}

double FeedbackAggregate::EffectiveSize() const {
  return weight_squares > 0 ? weight * (weight / weight_squares) : 0;
}

Interval FeedbackAggregate::Wilson(double z, double low, double high) const {
  const double n = EffectiveSize();
  if (!(n > 0) || !(z > 0)) return {0, 1};
  const double p = ShareOf(*this, low, high);
  const double z2 = z * z / n;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double half = z / (1 + z2) * std::sqrt(p * (1 - p) / n + z2 / (4 * n));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

Interval FeedbackAggregate::Beta(double level, double prior, double low, double high) const {
  if (!(level > 0 && level < 1) || !(prior > 0)) return {0, 1};
  const double n = EffectiveSize();
  const double p = ShareOf(*this, low, high);
  const double a = n * p + prior, b = n * (1 - p) + prior;
  return {BetaQuantile((1 - level) / 2, a, b), BetaQuantile((1 + level) / 2, a, b)};
}

double WilsonLowerBound(double share, double n, double z) {
  if (!(n > 0)) return 0;
  FeedbackAggregate aggregate;
  aggregate.weight = aggregate.weight_squares = n;  // effective size n
  aggregate.mean = share;
  return aggregate.Wilson(z).low;
}

}  // namespace equipoise
