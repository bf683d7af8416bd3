#include <cmath>

#include <equipoise/kernels/similarity.h>

#include "cpu/half.h"

namespace equipoise {
namespace {

// Sixteen partial sums: the compiler keeps them in vector registers without being allowed to
// reorder a sum, and the result does not depend on how wide those are.
constexpr std::size_t kLanes = 16;

float SumOfLanes(const float (&lanes)[kLanes]) {
  float sums[kLanes / 2];
  for (std::size_t i = 0; i < 8; ++i) sums[i] = lanes[i] + lanes[i + 8];
  for (std::size_t i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

// `term(i)` is the i-th summand.
template <typename Term>
inline float SumTerms(std::size_t d, const Term& term) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (std::size_t lane = 0; i < d; ++i, ++lane) lanes[lane] += term(i);
  return SumOfLanes(lanes);
}

}  // namespace

float Dot(const float* a, const float* b, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) { return a[i] * b[i]; });
}

float SquaredL2(const float* a, const float* b, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) {
    const float difference = a[i] - b[i];
    return difference * difference;
  });
}

float DotF16(const float* query, const Float16* row, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) { return query[i] * HalfToFloatBits(row[i].bits); });
}

float SquaredL2F16(const float* query, const Float16* row, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) {
    const float difference = query[i] - HalfToFloatBits(row[i].bits);
    return difference * difference;
  });
}

// 16-bit intermediates: their product summed in 32 bits is one instruction (pmaddwd).

std::int32_t DotI8(const std::uint8_t* codes, const std::int8_t* query, std::size_t d) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const std::int16_t code = codes[i];
    const std::int16_t value = query[i];
    sum += std::int32_t{code} * value;
  }
  return sum;
}

std::int32_t SquaredL2I8(const std::uint8_t* a, const std::uint8_t* b, std::size_t d) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const auto difference = static_cast<std::int16_t>(a[i] - b[i]);
    sum += std::int32_t{difference} * difference;
  }
  return sum;
}

double Norm(const float* a, std::size_t d) {
  double sum = 0;
  for (std::size_t i = 0; i < d; ++i) sum += double{a[i]} * a[i];
  return std::sqrt(sum);
}

double Normalize(float* row, std::size_t d) {
  const double norm = Norm(row, d);
  if (norm > 0) {
    for (std::size_t i = 0; i < d; ++i) row[i] = static_cast<float>(row[i] / norm);
  }
  return norm;
}

}  // namespace equipoise
