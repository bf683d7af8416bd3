// How NSGA-II makes candidates: at random, by crossing two parents, by mutation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/nsga2.h>

#include "powers.h"

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

// Up to 64 bits, each 1 with this probability, a multiple of 2^-53; the others mean nothing. From the last
// binary digit of the probability to the first: a 1 makes p of p / 2 + 1 / 2, a 0 p / 2. A half is one number.
inline std::uint64_t ChanceBits(double probability, Random* random) {
  if (!(probability < 1)) return ~std::uint64_t{0};
  constexpr double kDigits = 0x1.0p53;
  const auto digits = static_cast<std::uint64_t>(probability * kDigits);
  if (digits == 0) return 0;
  std::uint64_t out = 0;
  for (int at = std::countr_zero(digits); at < 53; ++at)
    out = ((digits >> at) & 1) != 0 ? out | random->Next() : out & random->Next();
  return out;
}

// Crosses and mutates a generation. What changes is drawn first; then it is computed in blocks.
class Variation {
 public:
  Variation(std::span<const Variable> variables, const Nsga2Options& options, double mutation);

  // x [n, variables]: rows 2 i and 2 i + 1 are two parents, and become their children.
  void Apply(double* x, std::size_t n, Random* random);

 private:
  void Cross(double* x, std::size_t n, Random* random);
  void CrossBlock(double* x);
  void Mutate(double* x, std::size_t n, Random* random);
  void MutateBlock(double* x);

  static constexpr std::size_t kBlock = 256;
  /// A variable of two parents, or of one candidate, that is to change.
  struct Change {
    std::size_t at = 0;  ///< in x
    std::uint32_t variable = 0;
    bool exchange = false;
  };

  std::span<const Variable> variables_;
  double crossover_, per_variable_, mutation_;
  Power crossover_power_, mutation_power_;
  std::vector<Change> changes_;
  std::vector<double> u_;
};

}  // namespace equipoise
