// Plain C++: the reference, and what runs where no other level does.
#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

#include "cpu/sketch_loops.inc"

// Bits that are set: in pairs, nibbles, bytes, then all bytes added by one multiplication.
inline std::int32_t CountBits(std::uint64_t word) {
  word -= (word >> 1) & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + ((word >> 2) & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<std::int32_t>((word * 0x0101010101010101u) >> 56);
}

std::size_t Below(const SketchConstants& query, const std::byte* records, const std::uint32_t* ids,
                  std::size_t count, float threshold, float error_scale, std::uint32_t* kept,
                  const PrefetchTarget& next) {
  const auto product = [&query](const std::byte* record) {
    std::int32_t counts[kSketchPlanes] = {};
    for (std::size_t at = kSketchHeader; at < query.record_bytes; at += 8) {
      const std::uint64_t word = LoadWord(record + at);
      for (std::size_t k = 0; k < kSketchPlanes; ++k)
        counts[k] += CountBits(word & LoadWord(query.planes + k * query.plane_stride + at));
    }
    return counts[0] + 2 * counts[1] + 4 * counts[2] - 8 * counts[3];
  };
  return BelowOneByOne(query, records, ids, count, threshold, error_scale, kept, next, product);
}

constexpr SketchTable kTable = {
    .subtract = SubtractLoop,
    .multiply = MultiplyLoop,
    .hadamard = HadamardLoop,
    .butterfly = ButterflyLoop,
    .sums = SumsLoop,
    .dot = DotLoop,
    .signs = SignsLoop,
    .planes = PlanesLoop,
    .below = Below,
    .dot_i4 = DotNibblesLoop,
    .l2_i4 = L2NibblesLoop,
};

}  // namespace

const SketchTable* SketchScalar() { return &kTable; }

}  // namespace equipoise
