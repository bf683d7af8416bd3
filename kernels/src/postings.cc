#include <bit>
#include <cstring>

#include <equipoise/kernels/postings.h>

#include "cpu/dispatch.h"
#include "cpu/postings_table.h"

namespace equipoise {
namespace {

const PostingsTable& Default() {
  static const PostingsTable& table = PostingsKernels(DefaultKernels().level);
  return table;
}

}  // namespace

const PostingsTable& PostingsKernels(SimdLevel level) {
  const PostingsTable* table = nullptr;
  switch (level) {
    case SimdLevel::kAvx2:
      table = PostingsAvx2();
      break;
    case SimdLevel::kAvx512:
    case SimdLevel::kAvx512Vnni:
      table = PostingsAvx512();
      break;
    case SimdLevel::kNeon:
      table = PostingsNeon();
      break;
    case SimdLevel::kAuto:
    case SimdLevel::kScalar:
      break;
  }
  return table != nullptr ? *table : *PostingsScalar();
}

unsigned BitsOf(std::uint32_t largest) { return static_cast<unsigned>(std::bit_width(largest)); }

void PackBits(const std::uint32_t* values, std::size_t n, unsigned bits, std::uint8_t* to) {
  std::uint64_t word = 0;
  unsigned used = 0;
  for (std::size_t i = 0; i < n; ++i) {
    word |= std::uint64_t{values[i]} << used;
    for (used += bits; used >= 8; used -= 8, word >>= 8) *to++ = static_cast<std::uint8_t>(word);
  }
  if (used > 0) *to = static_cast<std::uint8_t>(word);
}

std::uint32_t PackedAt(const std::uint8_t* from, unsigned bits, std::size_t i) {
  const std::size_t at = i * bits;
  std::uint64_t word = 0;
  std::memcpy(&word, from + at / 8, sizeof(word));
  return static_cast<std::uint32_t>(word >> (at % 8) & ((std::uint64_t{1} << bits) - 1));
}

void UnpackBits(const std::uint8_t* from, unsigned bits, std::size_t n, std::uint32_t* to) {
  Default().unpack(from, bits, n, to);
}

void UnpackAscending(const std::uint8_t* from, unsigned bits, std::size_t n, std::uint32_t before,
                     std::uint32_t* to) {
  Default().ascending(from, bits, n, before, to);
}

void Bm25Parts(const std::uint32_t* tfs, const float* norms, std::size_t n, float weight,
               float* parts) {
  Default().bm25(tfs, norms, n, weight, parts);
}

std::size_t TakeSumsAbove(float* sums, std::size_t n, float bar, std::uint32_t* positions,
                          float* above) {
  return Default().take_above(sums, n, bar, positions, above);
}

void LargestSums(const float* sums, std::size_t n, std::size_t each, float* largest) {
  Default().largest(sums, n, each, largest);
}

}  // namespace equipoise
