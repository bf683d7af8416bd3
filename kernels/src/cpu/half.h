// One float16 or bfloat16 to float32 and back, without branches, so that loops over them vectorize.
// Static functions: this is compiled with different flags in different files.
#pragma once

#include <bit>
#include <cstdint>

namespace equipoise {

// All bits set where a < b, none otherwise; both at least 0. Written as a shift because a compiler
// may turn a choice into a branch around a float operation, which then does not vectorize.
static inline std::int32_t MaskLess(std::int32_t a, std::int32_t b) { return (a - b) >> 31; }

static inline std::int32_t Choose(std::int32_t mask, std::int32_t yes, std::int32_t no) {
  return (yes & mask) | (no & ~mask);
}

// A float16 is sign, 5 bits of exponent with bias 15, 10 bits of fraction. Moved up by 13 bits, the
// exponent only needs the difference of the biases, 112. Infinities and NaN need it twice. For
// subnormals the fraction is set under an implicit one, which is subtracted again as a float: exact
// and without a subnormal float32 on the way.
static inline float HalfToFloatBits(std::uint16_t half) {
  constexpr std::int32_t kRebias = 112 << 23;
  constexpr std::int32_t kOne = 113 << 23;  // 2⁻¹⁴, the smallest normal float16
  const std::int32_t magnitude = (half & 0x7fff) << 13;
  const auto sign = static_cast<std::int32_t>((half & 0x8000u) << 16);
  const std::int32_t finite = MaskLess(magnitude, 31 << 23);
  const std::int32_t normal = magnitude + kRebias + (kRebias & ~finite);
  const float above = std::bit_cast<float>(magnitude + kOne);
  const auto tiny = std::bit_cast<std::int32_t>(above - std::bit_cast<float>(kOne));
  return std::bit_cast<float>(Choose(MaskLess(magnitude, 1 << 23), tiny, normal) | sign);
}

static inline std::uint16_t FloatToHalfBits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto magnitude = static_cast<std::int32_t>(bits & 0x7fffffffu);
  // Subnormal result: adding 0.5 leaves the fraction in the last 10 bits, rounded by the addition.
  const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
  const std::int32_t tiny = std::bit_cast<std::int32_t>(shifted) - (126 << 23);
  // Normal result: half a unit less one, and one more where the last bit kept is odd.
  const std::int32_t rounded = (magnitude - (112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const std::int32_t nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
  std::int32_t out = Choose(MaskLess(magnitude, 113 << 23), tiny, rounded);
  out = Choose(MaskLess(magnitude, 143 << 23), out, 0x7c00);  // 65,536 and more, infinity
  out = Choose(MaskLess(255 << 23, magnitude), nan, out);
  return static_cast<std::uint16_t>(static_cast<std::uint32_t>(out) | ((bits >> 16) & 0x8000u));
}

static inline float BrainToFloatBits(std::uint16_t brain) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16);
}

static inline std::uint16_t FloatToBrainBits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Half a unit less one, and one more where the last bit kept is odd.
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const auto magnitude = static_cast<std::int32_t>(bits & 0x7fffffffu);
  const std::int32_t nan = MaskLess(255 << 23, magnitude);
  return static_cast<std::uint16_t>(Choose(nan, static_cast<std::int32_t>((bits >> 16) | 0x40u),
                                           static_cast<std::int32_t>(rounded)));
}

}  // namespace equipoise
