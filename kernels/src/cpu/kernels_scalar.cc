// Plain C++, the reference that every other level is tested against, and what runs where none fits.
#include <bit>

#include "cpu/half.h"
#include "cpu/kernel_table.h"

namespace equipoise {
namespace {

#include "cpu/plain_loops.inc"

// Sixteen partial sums: short chains of additions, and the compiler may keep them in whatever
// registers there are.
template <typename Term>
float SumTerms(std::size_t d, const Term& term) {
  constexpr std::size_t kLanes = 16;
  float sum = 0;
  for (std::size_t begin = 0; begin < d; begin += kLongestChain * kLanes) {
    const std::size_t end = begin + kLongestChain * kLanes < d ? begin + kLongestChain * kLanes : d;
    float lanes[kLanes] = {};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
    for (std::size_t lane = 0; i < end; ++i, ++lane) lanes[lane] += term(i);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
      for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
    sum += lanes[0];
  }
  return sum;
}

float DotFloats(const float* a, const float* b, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) { return a[i] * b[i]; });
}

float L2Floats(const float* a, const float* b, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) { return (a[i] - b[i]) * (a[i] - b[i]); });
}

float DotHalves(const float* query, const std::uint16_t* row, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) { return query[i] * HalfToFloatBits(row[i]); });
}

float L2Halves(const float* query, const std::uint16_t* row, std::size_t d) {
  return SumTerms(d, [=](std::size_t i) {
    const float difference = query[i] - HalfToFloatBits(row[i]);
    return difference * difference;
  });
}

// 16-bit intermediates: their product summed in 32 bits is one instruction even in SSE2 (pmaddwd).

std::int32_t DotCodes(const std::uint8_t* codes, const std::int8_t* query, std::size_t d) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const std::int16_t code = codes[i];
    const std::int16_t value = query[i];
    sum += std::int32_t{code} * value;
  }
  return sum;
}

std::int32_t L2Codes(const std::uint8_t* a, const std::uint8_t* b, std::size_t d) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const auto difference = static_cast<std::int16_t>(a[i] - b[i]);
    sum += std::int32_t{difference} * difference;
  }
  return sum;
}

float AsFloat(float value) { return value; }
float HalfAsFloat(std::uint16_t bits) { return HalfToFloatBits(bits); }
float BrainAsFloat(std::uint16_t bits) { return BrainToFloatBits(bits); }

template <typename T, float (*Value)(T)>
void Tile(const T* panel, const float* queries, std::size_t d, std::size_t m, float* out) {
  for (std::size_t q = 0; q < m; ++q)
    for (std::size_t i = 0; i < kPanel; ++i) out[q * kPanel + i] = 0;
  for (std::size_t begin = 0; begin < d; begin += kLongestChain) {
    const std::size_t end = begin + kLongestChain < d ? begin + kLongestChain : d;
    for (std::size_t q = 0; q < m; ++q) {
      float sums[kPanel] = {};
      for (std::size_t k = begin; k < end; ++k)
        for (std::size_t i = 0; i < kPanel; ++i)
          sums[i] += queries[k * m + q] * Value(panel[k * kPanel + i]);
      for (std::size_t i = 0; i < kPanel; ++i) out[q * kPanel + i] += sums[i];
    }
  }
}

void TileCodes(const std::uint8_t* panel, const std::int32_t* queries, const std::int32_t* start,
               std::size_t groups, std::size_t m, std::int32_t* out) {
  for (std::size_t q = 0; q < m; ++q) {
    std::int32_t* sums = out + q * kPanel;
    for (std::size_t i = 0; i < kPanel; ++i) sums[i] = start[q];
    for (std::size_t k = 0; k < groups; ++k) {
      const auto word = static_cast<std::uint32_t>(queries[k * m + q]);
      for (std::size_t i = 0; i < kPanel; ++i) {
        for (std::size_t c = 0; c < kCodeGroup; ++c) {
          const auto value = static_cast<std::int8_t>(word >> (8 * c));
          sums[i] += std::int32_t{panel[(k * kPanel + i) * kCodeGroup + c]} * value;
        }
      }
    }
  }
}

template <typename T, float (*Value)(T)>
void Rows(const T* rows, std::size_t stride, std::size_t n, const float* queries, std::size_t m,
          std::size_t d, float* out) {
  for (std::size_t q = 0; q < m; ++q)
    for (std::size_t i = 0; i < n; ++i)
      out[q * kPanel + i] = SumTerms(
          d, [=](std::size_t k) { return queries[q * d + k] * Value(rows[i * stride + k]); });
}

void RowsOfCodes(const std::uint8_t* rows, std::size_t stride, std::size_t n,
                 const std::int8_t* queries, const std::int32_t* start, std::size_t m,
                 std::size_t d, std::int32_t* out) {
  for (std::size_t q = 0; q < m; ++q)
    for (std::size_t i = 0; i < n; ++i)
      out[q * kPanel + i] = start[q] + DotCodes(rows + i * stride, queries + q * d, d);
}

template <typename T, typename Test>
std::uint32_t MaskOf(const T* values, const Test& test) {
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < kPanel; ++i)
    mask |= static_cast<std::uint32_t>(test(values[i]) ? 1u : 0u) << i;
  return mask;
}

std::uint32_t AboveFloats(const float* values, float bar) {
  return MaskOf(values, [=](float value) { return value > bar; });
}

std::uint32_t AboveIntegers(const std::int32_t* values, std::int32_t bar) {
  return MaskOf(values, [=](std::int32_t value) { return value > bar; });
}

std::uint32_t NotFinite(const float* values) {
  return MaskOf(values, [](float value) {
    return (std::bit_cast<std::uint32_t>(value) & 0x7f800000u) == 0x7f800000u;
  });
}

constexpr KernelTable kTable = {
    .level = SimdLevel::kScalar,
    .dot_f32 = DotFloats,
    .l2_f32 = L2Floats,
    .dot_f16 = DotHalves,
    .l2_f16 = L2Halves,
    .dot_i8 = DotCodes,
    .l2_i8 = L2Codes,
    .norm2 = SquaredNormLoop,
    .exp_sum = ExpSumLoop,
    .scale = ScaleLoop,
    .f32_to_f16 = FloatToHalfLoop,
    .f16_to_f32 = HalfToFloatLoop,
    .f32_to_bf16 = FloatToBrainLoop,
    .bf16_to_f32 = BrainToFloatLoop,
    .quantize_i8 = QuantizeLoop,
    .dequantize_i8 = DequantizeLoop,
    .block = 4,
    .tile_f32 = Tile<float, AsFloat>,
    .tile_f16 = Tile<std::uint16_t, HalfAsFloat>,
    .tile_bf16 = Tile<std::uint16_t, BrainAsFloat>,
    .code_block = 4,
    .code_words = 1,
    .tile_i8 = TileCodes,
    .rows_f32 = Rows<float, AsFloat>,
    .rows_f16 = Rows<std::uint16_t, HalfAsFloat>,
    .rows_bf16 = Rows<std::uint16_t, BrainAsFloat>,
    .rows_i8 = RowsOfCodes,
    .transpose = TransposeLoop,
    .above_f32 = AboveFloats,
    .above_i32 = AboveIntegers,
    .not_finite = NotFinite,
    .times = TimesLoop,
    .times_i32 = TimesIntegersLoop,
    .negative_distances = NegativeDistancesLoop,
    .twice_less_i32 = TwiceLessIntegersLoop,
};

}  // namespace

const KernelTable* ScalarKernels() { return &kTable; }

}  // namespace equipoise
