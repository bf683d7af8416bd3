/// Blocks of packed integers and sums of scores: what an inverted index spends its time on.
///
/// Layout of n values of `bits` bits each: one stream of bits, the lowest bits of a byte first, value
/// i at bits [i * bits, (i + 1) * bits). Every 8 values start at a whole byte, and any value can be
/// read without the others.
/// Source   Lemire & Boytsov 2015, doi:10.1002/spe.2203, on packing with SIMD; here values lie one
///          after the other, so that a short block takes no more than its own bits
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/core/export.h>

namespace equipoise {

/// Values of a full block.
inline constexpr std::size_t kPostingBlock = 128;
/// Bytes behind packed values that must be readable.
inline constexpr std::size_t kPackedSlack = 32;
/// Values are written in groups of so many: outputs have room for n rounded up to it.
inline constexpr std::size_t kPackedGroup = 8;
/// The sum of a document that no term was added to: the only float below +0 that a sum can be, and
/// one to which adding changes nothing.
inline constexpr float kNoSum = -0.0f;

/// Bytes of n packed values.
constexpr std::size_t PackedBytes(std::size_t n, unsigned bits) { return (n * bits + 7) / 8; }

/// Bits that the largest value needs: 0 for 0.
EQUIPOISE_API unsigned BitsOf(std::uint32_t largest);

/// Shapes   values [n]; to [PackedBytes(n, bits)]
/// Range    bits <= 32, values < 2^bits
EQUIPOISE_API void PackBits(const std::uint32_t* values, std::size_t n, unsigned bits,
                            std::uint8_t* to);

/// One of the packed values.
/// Shapes   from [PackedBytes(i + 1, bits) and kPackedSlack more]
EQUIPOISE_API std::uint32_t PackedAt(const std::uint8_t* from, unsigned bits, std::size_t i);

/// What PackBits packed.
/// Shapes   from [PackedBytes(n, bits) and kPackedSlack more]; to [n rounded up to kPackedGroup]
/// Range    n <= kPostingBlock; bits <= 32
/// Threads  safe from many threads
/// Exact    on every instruction set
EQUIPOISE_API void UnpackBits(const std::uint8_t* from, unsigned bits, std::size_t n,
                              std::uint32_t* to);

/// Ascending numbers from their packed distances: to[i] = before + Σ (value[j] + 1) over j <= i,
/// modulo 2^32. Otherwise as UnpackBits.
EQUIPOISE_API void UnpackAscending(const std::uint8_t* from, unsigned bits, std::size_t n,
                                   std::uint32_t before, std::uint32_t* to);

/// BM25 of one term: parts[i] = weight * (tf[i] / (tf[i] + norms[i])).
/// Shapes   tfs, norms, parts [n]
/// Exact    three roundings each, the same on every instruction set
EQUIPOISE_API void Bm25Parts(const std::uint32_t* tfs, const float* norms, std::size_t n,
                             float weight, float* parts);

/// The positions whose sums are above the bar, ascending, and their sums; then sets all sums to
/// kNoSum.
/// Shapes   sums [n]; positions, above [n]
/// Range    sums: kNoSum or >= +0; bar likewise: kNoSum lets every sum pass that something was added
///          to
/// Threads  safe from many threads
EQUIPOISE_API std::size_t TakeSumsAbove(float* sums, std::size_t n, float bar,
                                        std::uint32_t* positions, float* above);

/// The largest sum of every `each` sums, the last part perhaps shorter: the k-th of them is one that at
/// least k sums reach.
/// Shapes   sums [n]; largest [ceil(n / each)]
/// Range    each >= 1; sums as TakeSumsAbove
/// Threads  safe from many threads
EQUIPOISE_API void LargestSums(const float* sums, std::size_t n, std::size_t each, float* largest);

}  // namespace equipoise
