#include "variation.h"

#include <bit>
#include <utility>

namespace equipoise {
namespace {

// log2(1 - p): what a step over those that do not change is drawn with.
double LogOfRest(double p) {
  constexpr double kSmall = 0x1.0p-20, kLog2E = 1.4426950408889634;
  return p < kSmall ? -(p + 0.5 * p * p) * kLog2E : Log2(1 - p);
}

}  // namespace

Variation::Variation(std::span<const Variable> variables, const Nsga2Options& options,
                     double mutation)
    : variables_(variables),
      crossover_(options.crossover),
      per_variable_(options.crossover_variable),
      mutation_(mutation),
      crossover_power_(options.crossover_eta),
      mutation_power_(options.mutation_eta) {
  changes_.reserve(kBlock);
  u_.reserve(kBlock);
}

void Variation::Apply(double* x, std::size_t n, Random* random) {
  Cross(x, n, random);
  Mutate(x, n, random);
}

void Variation::Cross(double* x, std::size_t n, Random* random) {
  const std::size_t d = variables_.size();
  for (std::size_t row = 0; row + 1 < n; row += 2) {
    if (!random->Chance(crossover_)) continue;
    for (std::size_t from = 0; from < d; from += 64) {
      std::uint64_t chosen = ChanceBits(per_variable_, random);
      // Either child may get either value: otherwise the first would always be the lesser one.
      const std::uint64_t exchanged = random->Next();
      if (d - from < 64) chosen &= (std::uint64_t{1} << (d - from)) - 1;
      for (; chosen != 0; chosen &= chosen - 1) {
        const auto bit = static_cast<unsigned>(std::countr_zero(chosen));
        const std::size_t j = from + bit, at = row * d + j;
        const Variable& v = variables_[j];
        if (v.kind == VariableKind::kCategorical) {
          std::swap(x[at], x[at + d]);
          continue;
        }
        if (!(std::fabs(x[at] - x[at + d]) > 1e-14 * std::max(1.0, v.high - v.low))) continue;
        u_.push_back(random->Uniform());
        changes_.push_back({.at = at,
                            .variable = static_cast<std::uint32_t>(j),
                            .exchange = ((exchanged >> bit) & 1) != 0});
        if (changes_.size() == kBlock) CrossBlock(x);
      }
    }
  }
  CrossBlock(x);
}

// Simulated binary crossover of one variable within its bounds: children as far from their parents'
// middle as those are, times a factor near 1.
// Source   Deb & Agrawal 1995; with bounds: Deb 2000, doi:10.1016/S0045-7825(99)00389-8, section 3.4
void Variation::CrossBlock(double* x) {
  const std::size_t d = variables_.size(), count = changes_.size();
  double gap[kBlock], middle[kBlock];
  // First the lower child's, then the upper one's.
  double factor[2 * kBlock], share[2 * kBlock];
  for (std::size_t i = 0; i < count; ++i) {
    const Change& change = changes_[i];
    const Variable& v = variables_[change.variable];
    const double a = x[change.at], b = x[change.at + d];
    const double low = std::min(a, b), high = std::max(a, b);
    gap[i] = high - low;
    middle[i] = 0.5 * (low + high);
    factor[i] = low - v.low;
    factor[count + i] = v.high - high;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const double scale = 2 / gap[i];
    factor[i] = 1 + factor[i] * scale;
    factor[count + i] = 1 + factor[count + i] * scale;
  }
  crossover_power_.Raise(factor, 2 * count);
  for (std::size_t side = 0; side < 2; ++side)
    for (std::size_t i = 0; i < count; ++i) {
      const double ua = u_[i] * (2 - 1 / factor[side * count + i]);
      share[side * count + i] = ua;
      factor[side * count + i] = ua <= 1 ? ua : 2 - ua;
    }
  crossover_power_.Root(factor, 2 * count);
  for (std::size_t side = 0; side < 2; ++side)
    for (std::size_t i = 0; i < count; ++i) {
      const double root = factor[side * count + i], inverse = 1 / root;
      const double step = 0.5 * gap[i] * (share[side * count + i] <= 1 ? root : inverse);
      factor[side * count + i] = side == 0 ? middle[i] - step : middle[i] + step;
    }
  for (std::size_t i = 0; i < count; ++i) {
    const Change& change = changes_[i];
    const Variable& v = variables_[change.variable];
    const std::size_t lower = change.at + (change.exchange ? d : 0);
    const std::size_t upper = change.at + (change.exchange ? 0 : d);
    x[lower] = Fitted(v, factor[i]);
    x[upper] = Fitted(v, factor[count + i]);
  }
  changes_.clear();
  u_.clear();
}

void Variation::Mutate(double* x, std::size_t n, Random* random) {
  if (!(mutation_ > 0)) return;
  const std::size_t d = variables_.size();
  const double scale = mutation_ < 1 ? 1 / LogOfRest(mutation_) : 0;
  // From one value that changes straight to the next: how many lie between is geometric.
  for (std::size_t at = 0; at < n * d; ++at) {
    if (mutation_ < 1) {
      const double between = std::floor(Log2(1 - random->Uniform()) * scale);
      if (!(between < static_cast<double>(n * d - at))) break;
      at += static_cast<std::size_t>(between);
    }
    const std::size_t j = at % d;
    const Variable& v = variables_[j];
    if (!(v.high > v.low)) continue;
    if (v.kind == VariableKind::kCategorical) {
      // Any of the others, all alike.
      const double other =
          v.low + static_cast<double>(random->Below(static_cast<std::uint64_t>(v.high - v.low)));
      x[at] = other >= x[at] ? other + 1 : other;
      continue;
    }
    u_.push_back(random->Uniform());
    changes_.push_back({.at = at, .variable = static_cast<std::uint32_t>(j)});
    if (changes_.size() == kBlock) MutateBlock(x);
  }
  MutateBlock(x);
}

// Polynomial mutation of one variable within its bounds.
// Source   Deb & Goyal 1996; with bounds: Deb 2001, Multi-Objective Optimization, section 4.4
void Variation::MutateBlock(double* x) {
  const std::size_t count = changes_.size();
  double power[kBlock];
  for (std::size_t i = 0; i < count; ++i) {
    const Variable& v = variables_[changes_[i].variable];
    const double value = x[changes_[i].at];
    // The further the bound, the smaller the share.
    power[i] = 1 - (u_[i] < 0.5 ? value - v.low : v.high - value) / (v.high - v.low);
  }
  mutation_power_.Raise(power, count);
  for (std::size_t i = 0; i < count; ++i) {
    const double u = u_[i], w = u < 0.5 ? 2 * u : 2 * (1 - u);
    power[i] = w + (1 - w) * power[i];
  }
  mutation_power_.Root(power, count);
  for (std::size_t i = 0; i < count; ++i) {
    const Variable& v = variables_[changes_[i].variable];
    const double step = u_[i] < 0.5 ? power[i] - 1 : 1 - power[i];
    double& value = x[changes_[i].at];
    value = Fitted(v, value + step * (v.high - v.low));
  }
  changes_.clear();
  u_.clear();
}

}  // namespace equipoise
