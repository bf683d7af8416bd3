/// Similarity of two vectors: float32, float32 × float16, and 8-bit codes.
///
/// Pointers and sizes only; the caller guarantees the sizes. Each function runs on the instruction
/// set that hardware.h's DefaultSimdLevel names. For many vectors at once see similarity.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>

namespace equipoise {

/// Longest vector of 8-bit codes: 255² × 32,768 still fits in 31 bits.
inline constexpr std::size_t kMaxCodeDim = 32768;

/// Inner product.
/// Shapes   a, b [d]
/// Range    d any, no padding or alignment needed; d = 0 gives 0
/// Threads  safe from many threads
/// Exact    error <= 2 d eps |a| |b|; the same result for the same input on one instruction set
EQUIPOISE_API float Dot(const float* a, const float* b, std::size_t d);

/// Squared Euclidean distance Σ (a − b)². Shapes, range, threads as Dot.
/// Exact    relative error <= 2 (d + 2) eps
EQUIPOISE_API float SquaredL2(const float* a, const float* b, std::size_t d);

/// Inner product of a float32 query and a float16 row: what rescoring computes.
/// Shapes   query, row [d]
/// Range    d any; subnormals count in full; infinities and NaN propagate as in float32
/// Threads  safe from many threads
/// Exact    bit-identical to Dot of the converted row
EQUIPOISE_API float DotF16(const float* query, const Float16* row, std::size_t d);

/// Squared Euclidean distance of a float32 query and a float16 row; otherwise as DotF16.
/// Exact    bit-identical to SquaredL2 of the converted row
EQUIPOISE_API float SquaredL2F16(const float* query, const Float16* row, std::size_t d);

/// Inner product Σ codes[i] · query[i] of unsigned codes (value + 128, see quantize.h) and a signed
/// query. The inner product of the values themselves is this less 128 · Σ query[i], a constant of
/// the query that cancels in a ranking.
/// Shapes   codes, query [d]
/// Range    d <= kMaxCodeDim
/// Threads  safe from many threads
/// Exact    integer, exact on every instruction set
EQUIPOISE_API std::int32_t DotI8(const std::uint8_t* codes, const std::int8_t* query,
                                 std::size_t d);

/// Squared Euclidean distance of two rows of unsigned codes. Range, threads, exactness as DotI8.
EQUIPOISE_API std::int32_t SquaredL2I8(const std::uint8_t* a, const std::uint8_t* b, std::size_t d);

}  // namespace equipoise
