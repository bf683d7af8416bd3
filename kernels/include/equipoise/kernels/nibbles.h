/// 4-bit codes: the upper or the lower halves of 8-bit codes, packed two a byte.
///
/// Layout: blocks of 128 values in 64 bytes; byte j of a block holds value j in its low nibble and
/// value 64 + j in its high one. The last block, of m < 128 values, has ceil(m / 2) bytes: byte j
/// holds value j and, where there is one, value ceil(m / 2) + j.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/core/export.h>

namespace equipoise {

/// Bytes of n packed values: ceil(n / 2).
constexpr std::size_t NibbleBytes(std::size_t n) { return n / 2 + n % 2; }

/// The upper four bits of 8-bit codes.
/// Shapes   codes [d]; to [NibbleBytes(d)]
/// Range    d any; the half of the last byte that belongs to no value is 0
/// Threads  safe from many threads
EQUIPOISE_API void PackHighNibbles(const std::uint8_t* codes, std::size_t d, std::uint8_t* to);

/// The lower four bits of 8-bit codes; otherwise as PackHighNibbles.
EQUIPOISE_API void PackLowNibbles(const std::uint8_t* codes, std::size_t d, std::uint8_t* to);

/// The 8-bit codes that PackHighNibbles and PackLowNibbles took apart.
/// Shapes   high, low [NibbleBytes(d)]; codes [d]
EQUIPOISE_API void UnpackNibbles(const std::uint8_t* high, const std::uint8_t* low, std::size_t d,
                                 std::uint8_t* codes);

/// Inner product Σ nibble[i] · query[i]. With nibbles of the upper halves and 8-bit codes
/// c = 16 nibble + rest, DotI8 is 16 times this and about 7.5 Σ query[i].
/// Shapes   nibbles [NibbleBytes(d)]; query [d]
/// Range    d <= kMaxCodeDim; no padding or alignment needed
/// Threads  safe from many threads
/// Exact    integer, exact on every instruction set
EQUIPOISE_API std::int32_t DotI4(const std::uint8_t* nibbles, const std::int8_t* query,
                                 std::size_t d);

/// Squared Euclidean distance Σ (16 nibble[i] + 8 − code[i])² of the upper halves of a row's 8-bit
/// codes and all eight bits of a query's.
/// Shapes   nibbles [NibbleBytes(d)]; codes [d]. Range, threads, exactness as DotI4
EQUIPOISE_API std::int32_t SquaredL2I4(const std::uint8_t* nibbles, const std::uint8_t* codes,
                                       std::size_t d);

}  // namespace equipoise
