// How NSGA-II makes candidates: at random, by crossing two parents, by mutation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/nsga2.h>

namespace equipoise {

inline double RandomValue(const Variable& v, Random* random) {
  if (v.kind == VariableKind::kReal) return v.low + random->Uniform() * (v.high - v.low);
  return v.low + static_cast<double>(random->Below(static_cast<std::uint64_t>(v.high - v.low) + 1));
}

// What a value becomes that lies in no candidate: rounded, within the bounds.
inline double Fitted(const Variable& v, double value) {
  if (v.kind != VariableKind::kReal) value = std::round(value);
  return std::clamp(value, v.low, v.high);
}

// x^n and x^(1/n), n = eta + 1. Most of what variation costs: whole n are multiplied.
class Power {
 public:
  explicit Power(double eta)
      : n_(eta + 1), whole_(n_ == std::floor(n_) && n_ <= 64 ? static_cast<unsigned>(n_) : 0) {}

  double Of(double x) const {
    if (whole_ == 0) return std::pow(x, n_);
    double out = 1;
    for (unsigned n = whole_; n > 0; n >>= 1, x *= x)
      if ((n & 1) != 0) out *= x;
    return out;
  }
  double Root(double x) const {
    // Of powers of two square roots are exact, and three times as fast as a power.
    if (whole_ == 16) return std::sqrt(std::sqrt(std::sqrt(std::sqrt(x))));
    return std::pow(x, 1 / n_);
  }

 private:
  double n_;
  unsigned whole_;
};

// Simulated binary crossover of one variable within its bounds: children as far from their parents'
// middle as those are, times a factor near 1.
// Source   Deb & Agrawal 1995; with bounds: Deb 2000, doi:10.1016/S0045-7825(99)00389-8, section 3.4
inline void CrossReal(const Variable& v, const Power& power, double* a, double* b, Random* random) {
  const bool swapped = *a > *b;
  const double low = swapped ? *b : *a, high = swapped ? *a : *b;
  const double gap = high - low;
  const double u = random->Uniform();
  const auto factor = [&](double room) {
    const double alpha = 2 - 1 / power.Of(1 + 2 * room / gap);
    const double ua = u * alpha;
    return ua <= 1 ? power.Root(ua) : 1 / power.Root(2 - ua);
  };
  const double middle = 0.5 * (low + high);
  const double first = Fitted(v, middle - 0.5 * factor(low - v.low) * gap);
  const double second = Fitted(v, middle + 0.5 * factor(v.high - high) * gap);
  // Either child may get either value: otherwise the first would always be the lesser one.
  const bool exchange = random->Chance(0.5);
  *a = exchange ? second : first;
  *b = exchange ? first : second;
}

inline void Cross(std::span<const Variable> variables, double per_variable, const Power& power,
                  double* a, double* b, Random* random) {
  for (std::size_t j = 0; j < variables.size(); ++j) {
    if (!random->Chance(per_variable)) continue;
    const Variable& v = variables[j];
    if (v.kind == VariableKind::kCategorical) {
      std::swap(a[j], b[j]);
    } else if (std::fabs(a[j] - b[j]) > 1e-14 * std::max(1.0, std::fabs(v.high - v.low))) {
      CrossReal(v, power, a + j, b + j, random);
    }
  }
}

// Polynomial mutation of one variable within its bounds.
// Source   Deb & Goyal 1996; with bounds: Deb 2001, Multi-Objective Optimization, section 4.4
inline double MutateReal(const Variable& v, const Power& power, double x, Random* random) {
  const double range = v.high - v.low;
  const double u = random->Uniform();
  double step = 0;
  if (u < 0.5) {
    const double room = 1 - (x - v.low) / range;
    step = power.Root(2 * u + (1 - 2 * u) * power.Of(room)) - 1;
  } else {
    const double room = 1 - (v.high - x) / range;
    step = 1 - power.Root(2 * (1 - u) + (2 * u - 1) * power.Of(room));
  }
  return Fitted(v, x + step * range);
}

inline void Mutate(std::span<const Variable> variables, double per_variable, const Power& power,
                   double* x, Random* random) {
  for (std::size_t j = 0; j < variables.size(); ++j) {
    const Variable& v = variables[j];
    if (!random->Chance(per_variable) || !(v.high > v.low)) continue;
    if (v.kind == VariableKind::kCategorical) {
      // Any of the others, all alike.
      const double other =
          v.low + static_cast<double>(random->Below(static_cast<std::uint64_t>(v.high - v.low)));
      x[j] = other >= x[j] ? other + 1 : other;
    } else {
      x[j] = MutateReal(v, power, x[j], random);
    }
  }
}

}  // namespace equipoise
