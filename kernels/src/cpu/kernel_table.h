// What each instruction set implements: one table of functions a level, chosen once at run time.
//
// The files that fill a table are compiled with flags of their own. They include this header, their
// intrinsics and the texts in this folder, keep everything in anonymous namespaces and leave no weak
// symbol behind, as an inline function of the standard library would: the linker may keep any one of
// several copies of it, also the one that an old processor cannot run (the warning is Highway's). A
// test looks at their objects.
//
// Batches work on panels: 32 items side by side, so that a vector register holds the same dimension
// of neighbouring items and no sum across a register is ever needed. A panel of
//   float32, float16, bfloat16   is [d][32]: element k of item i at [k * 32 + i]
//   codes                        is [ceil(d / 4)][32][4]: the layout that vpdpbusd multiplies
// Queries are interleaved likewise, `m` of them a block: element k of query r at [k * m + r].
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/kernels/simd_level.h>

namespace equipoise {

/// Items of a panel; one bit each in a mask.
inline constexpr std::size_t kPanel = 32;
/// Codes of one item that a step of the product takes.
inline constexpr std::size_t kCodeGroup = 4;
/// Rows that `rows_*` takes at once.
inline constexpr std::size_t kRowQueries = 4;
/// Longest chain of float additions without a partial sum: with it, and as many partial sums as
/// d <= 4,096 gives, an error stays below (128 + 32) 2⁻²⁴ |q| |x| < 1e-5 |q| |x|.
inline constexpr std::size_t kLongestChain = 128;

struct KernelTable {
  SimdLevel level;

  // One pair; see dot.h. float16 and bfloat16 as their bits.
  float (*dot_f32)(const float* a, const float* b, std::size_t d);
  float (*l2_f32)(const float* a, const float* b, std::size_t d);
  float (*dot_f16)(const float* query, const std::uint16_t* row, std::size_t d);
  float (*l2_f16)(const float* query, const std::uint16_t* row, std::size_t d);
  std::int32_t (*dot_i8)(const std::uint8_t* codes, const std::int8_t* query, std::size_t d);
  std::int32_t (*l2_i8)(const std::uint8_t* a, const std::uint8_t* b, std::size_t d);

  // One row. norm2: Σ a², added in double. exp_sum: row[i] = exp((row[i] - shift) * factor), and the
  // sum of these, for shift >= row[i].
  double (*norm2)(const float* a, std::size_t d);
  double (*exp_sum)(float* row, std::size_t n, float shift, float factor);
  void (*scale)(float* row, std::size_t n, float factor);

  // Formats; see quantize.h.
  void (*f32_to_f16)(const float* from, std::uint16_t* to, std::size_t n);
  void (*f16_to_f32)(const std::uint16_t* from, float* to, std::size_t n);
  void (*f32_to_bf16)(const float* from, std::uint16_t* to, std::size_t n);
  void (*bf16_to_f32)(const std::uint16_t* from, float* to, std::size_t n);
  void (*quantize_i8)(const float* from, std::size_t n, float scale, float center,
                      std::uint8_t* codes);
  void (*dequantize_i8)(const std::uint8_t* codes, std::size_t n, float step, float center,
                        float* to);

  // Products of a panel and a block of m queries, 1 <= m <= block: out [m, 32].
  std::size_t block;
  void (*tile_f32)(const float* panel, const float* queries, std::size_t d, std::size_t m,
                   float* out);
  void (*tile_f16)(const std::uint16_t* panel, const float* queries, std::size_t d, std::size_t m,
                   float* out);
  void (*tile_bf16)(const std::uint16_t* panel, const float* queries, std::size_t d, std::size_t m,
                    float* out);
  // Of signed values (code - 128). A query's group of 4 signed codes is `code_words` words: one word
  // of 4 bytes, or two of two 16-bit values, dimensions (0, 2) and (1, 3). The sum starts at
  // start[r] = -128 Σ query, since the items come with their 128.
  std::size_t code_block;  // most queries of a block of codes
  std::size_t code_words;
  void (*tile_i8)(const std::uint8_t* panel, const std::int32_t* queries, const std::int32_t* start,
                  std::size_t groups, std::size_t m, std::int32_t* out);

  // Products of rows that lie where they are, for few queries: m <= kRowQueries queries [m, d] dense,
  // n <= 32 rows, strides in elements, out [m, 32]. Reads nothing past a row's end.
  void (*rows_f32)(const float* rows, std::size_t stride, std::size_t n, const float* queries,
                   std::size_t m, std::size_t d, float* out);
  void (*rows_f16)(const std::uint16_t* rows, std::size_t stride, std::size_t n,
                   const float* queries, std::size_t m, std::size_t d, float* out);
  void (*rows_bf16)(const std::uint16_t* rows, std::size_t stride, std::size_t n,
                    const float* queries, std::size_t m, std::size_t d, float* out);
  void (*rows_i8)(const std::uint8_t* rows, std::size_t stride, std::size_t n,
                  const std::int8_t* queries, const std::int32_t* start, std::size_t m,
                  std::size_t d, std::int32_t* out);

  // The first `words` 32-bit words of n <= 32 rows, `stride` bytes apart, to [words][32]; lanes past n
  // are zero. Rows need no alignment.
  void (*transpose)(const std::byte* rows, std::size_t stride, std::size_t n, std::size_t words,
                    std::uint32_t* to);

  // Bits of the 32 values that are above the bar, or that are no finite number.
  std::uint32_t (*above_f32)(const float* values, float bar);
  std::uint32_t (*above_i32)(const std::int32_t* values, std::int32_t bar);
  std::uint32_t (*not_finite)(const float* values);
  // values[i] = values[i] * mul[i], or float(from[i]) * mul[i]: one rounding each.
  void (*times)(float* values, const float* mul);
  void (*times_i32)(const std::int32_t* from, const float* mul, float* to);
  // Scores of L2 from products: min(0, 2 values[i] - norms[i] - norm), -infinity where that overflows.
  void (*negative_distances)(float* values, const float* norms, float norm);
  // values[i] = 2 values[i] - norms[i].
  void (*twice_less_i32)(std::int32_t* values, const std::int32_t* norms);
};

/// The tables of the levels that this build has; null where it lacks one.
const KernelTable* ScalarKernels();
const KernelTable* Avx2Kernels();
const KernelTable* Avx512Kernels();
const KernelTable* Avx512VnniKernels();
const KernelTable* NeonKernels();

}  // namespace equipoise
