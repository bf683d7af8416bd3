#include <algorithm>

#include <equipoise/kernels/nibbles.h>

#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

constexpr std::size_t kBlock = 128;

// Calls each(byte, first value, second value or d where there is none).
template <typename Each>
void ForEachByte(std::size_t d, const Each& each) {
  for (std::size_t begin = 0; begin < d; begin += kBlock) {
    const std::size_t block = std::min(kBlock, d - begin), half = NibbleBytes(block);
    const std::size_t byte = begin / 2;
    for (std::size_t j = 0; j < block - half; ++j) each(byte + j, begin + j, begin + half + j);
    if (block % 2 != 0) each(byte + half - 1, begin + half - 1, d);
  }
}

void Pack(const std::uint8_t* codes, std::size_t d, unsigned shift, std::uint8_t* to) {
  ForEachByte(d, [=](std::size_t byte, std::size_t low, std::size_t high) {
    const unsigned first = (codes[low] >> shift) & 15u;
    const unsigned second = high < d ? (codes[high] >> shift) & 15u : 0u;
    to[byte] = static_cast<std::uint8_t>(first | second << 4);
  });
}

}  // namespace

void PackHighNibbles(const std::uint8_t* codes, std::size_t d, std::uint8_t* to) {
  Pack(codes, d, 4, to);
}

void PackLowNibbles(const std::uint8_t* codes, std::size_t d, std::uint8_t* to) {
  Pack(codes, d, 0, to);
}

void UnpackNibbles(const std::uint8_t* high, const std::uint8_t* low, std::size_t d,
                   std::uint8_t* codes) {
  ForEachByte(d, [=](std::size_t byte, std::size_t first, std::size_t second) {
    codes[first] = static_cast<std::uint8_t>((high[byte] & 15u) << 4 | (low[byte] & 15u));
    if (second < d)
      codes[second] = static_cast<std::uint8_t>((high[byte] & 0xf0u) | low[byte] >> 4);
  });
}

std::int32_t DotI4(const std::uint8_t* nibbles, const std::int8_t* query, std::size_t d) {
  return DefaultSketchKernels().dot_i4(nibbles, query, d);
}

std::int32_t SquaredL2I4(const std::uint8_t* nibbles, const std::uint8_t* codes, std::size_t d) {
  return DefaultSketchKernels().l2_i4(nibbles, codes, d);
}

}  // namespace equipoise
