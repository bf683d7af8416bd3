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

float LinkLargest(const float* x, std::size_t d) {
  float largest = 0;
  for (std::size_t i = 0; i < d; i += 4) {
    const float size = (__builtin_fabsf(x[i]) + __builtin_fabsf(x[i + 1])) +
                       (__builtin_fabsf(x[i + 2]) + __builtin_fabsf(x[i + 3]));
    largest = size <= largest ? largest : size;
    if (!(size - size == 0)) return size - size;
  }
  return largest;
}

std::int32_t LinkTable(const float* x, std::size_t d, float scale, std::uint8_t* table) {
  std::int32_t sizes = 0;
  for (std::size_t i = 0; i < d; i += 4, table += 16) {
    std::int32_t v[4], least = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      v[j] = static_cast<std::int32_t>(x[i + j] * scale + 256.5f) - 256;
      sizes += v[j] < 0 ? -v[j] : v[j];
      least += v[j] < 0 ? -v[j] : 0;
    }
    for (unsigned c = 0; c < 16; ++c) {
      std::int32_t entry = least;
      for (std::size_t j = 0; j < 4; ++j) entry += (c >> j & 1u) != 0 ? v[j] : 0;
      table[c] = static_cast<std::uint8_t>(entry);
    }
  }
  return sizes;
}

std::size_t LinkBelow(const LinkSketchConstants& query, const std::byte* groups, std::size_t count,
                      float distance, float threshold, std::uint32_t* kept) {
  const std::uint8_t *low = query.table, *high = low + 16 * query.units;
  std::size_t n = 0;
  for (std::size_t g = 0; g < count; ++g, groups += query.group_bytes) {
    std::int32_t sums[kLinkGroup] = {};
    for (std::size_t i = 0; i < query.units; ++i) {
      for (std::size_t l = 0; l < kLinkGroup; ++l) {
        const auto both = static_cast<unsigned>(groups[kLinkGroup * i + l]);
        sums[l] += low[16 * i + both % 16] + high[16 * i + both / 16];
      }
    }
    float numbers[2 * kLinkGroup];
    __builtin_memcpy(numbers, groups + kLinkGroup * query.units, sizeof(numbers));
    for (std::size_t l = 0; l < kLinkGroup; ++l) {
      const float product = query.base + query.step * static_cast<float>(sums[l]);
      const float estimate = (distance + numbers[kLinkGroup + l]) + numbers[l] * product;
      kept[n] = static_cast<std::uint32_t>(kLinkGroup * g + l);
      n += !(estimate >= threshold) ? 1 : 0;
    }
  }
  return n;
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
    .link_largest = LinkLargest,
    .link_table = LinkTable,
    .link_below = LinkBelow,
    .dot_i4 = DotNibblesLoop,
    .l2_i4 = L2NibblesLoop,
};

}  // namespace

const SketchTable* SketchScalar() { return &kTable; }

}  // namespace equipoise
