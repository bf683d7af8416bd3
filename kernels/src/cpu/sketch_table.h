// What each instruction set implements of sketch.h, link_sketch.h and nibbles.h. As with KernelTable, the files that
// fill a table include nothing with inline functions.
//
// Floats are added in one fixed order in all of them and no multiplication is fused with an addition,
// so that records, planes and verdicts are the same on each.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/simd_level.h>
#include <equipoise/kernels/sketch.h>

namespace equipoise {

/// Bytes of a record in front of its bits.
inline constexpr std::size_t kSketchHeader = 16;
/// Bits of a query's value, and planes.
inline constexpr std::size_t kSketchPlanes = 4;

/// Values that a query's table is made of at a time.
inline constexpr std::size_t kLinkTableValues = 16;
/// What the sizes of 4 values, scaled for a table, sum to at most: rounded, each may be half larger, and
/// 63 is what four look-ups can each give and still add up to a byte.
inline constexpr float kLinkTableReach = 61;
/// Units whose look-ups add up to 16 bits.
inline constexpr std::size_t kLinkChunk = 512;
static_assert(2 * kLinkChunk * 63 <= 65535);

struct SketchSums {
  double squares = 0;  // Σ x²
  double sizes = 0;    // Σ |x|
  float largest = 0;   // max |x|; unspecified where x has NaN
};

struct SketchTable {
  // x[i] = from[i] - center[i]
  void (*subtract)(const float* from, const float* center, std::size_t d, float* to);
  // to[i] = from[i] * mul[i]; may be the same memory.
  void (*multiply)(const float* from, const float* mul, std::size_t d, float* to);
  // Unscaled Hadamard transform of p = 2^k values in place, pairs at distance 1, 2, 4, ...
  void (*hadamard)(float* x, std::size_t p);
  // a[i], b[i] = a[i] + b[i], a[i] - b[i]
  void (*butterfly)(float* a, float* b, std::size_t n);
  // In doubles, 16 partial sums.
  SketchSums (*sums)(const float* x, std::size_t d);
  double (*dot)(const float* a, const float* b, std::size_t d);
  // Bit i: x[i] > 0. Writes ceil(d / 64) words.
  void (*signs)(const float* x, std::size_t d, std::byte* bits);
  // v[i] = clamp(trunc(x[i] * scale + 8), 0, 15) - 8, in two's complement as 4 planes of bits,
  // ceil(d / 64) words each, `stride` bytes apart. Returns Σ v. For finite x * scale.
  std::int32_t (*planes)(const float* x, std::size_t d, float scale, std::size_t stride,
                         std::byte* bits);
  // As SketchBelow; error_scale: slack times that of the query.
  std::size_t (*below)(const SketchConstants& query, const std::byte* records,
                       const std::uint32_t* ids, std::size_t count, float threshold,
                       float error_scale, std::uint32_t* kept, const PrefetchTarget& next);
  // max over each 4 values of (|x0| + |x1|) + (|x2| + |x3|); not finite where one of them is not. For d
  // a multiple of kLinkTableValues.
  float (*link_largest)(const float* x, std::size_t d);
  // With v = trunc(x * scale + 256.5) - 256 of 4 values: entry c of their 16 bytes is the sum of v over
  // the bits of c and of max(0, -v) over all: half of what |v| and v with the signs of c sum to. For d as
  // above and |x * scale| as kLinkTableReach says. Returns Σ |v|.
  std::int32_t (*link_table)(const float* x, std::size_t d, float scale, std::uint8_t* table);
  // As LinkSketchBelow.
  std::size_t (*link_below)(const LinkSketchConstants& query, const std::byte* groups,
                            std::size_t count, float distance, float threshold,
                            std::uint32_t* kept);
  // As in nibbles.h.
  std::int32_t (*dot_i4)(const std::uint8_t* nibbles, const std::int8_t* query, std::size_t d);
  std::int32_t (*l2_i4)(const std::uint8_t* nibbles, const std::uint8_t* codes, std::size_t d);
};

/// Null where this build lacks the level.
const SketchTable* SketchScalar();
const SketchTable* SketchAvx2();
const SketchTable* SketchAvx512();
const SketchTable* SketchAvx512Popcount();
const SketchTable* SketchNeon();

/// The table of a level that this machine has; the plain one where there is none for it.
const SketchTable& SketchKernels(SimdLevel level);

/// The table of the default level.
const SketchTable& DefaultSketchKernels();

}  // namespace equipoise
