// 64-bit Arm: bits are counted a byte at a time (cnt) and weighted as bytes.
#include <utility>

#include "cpu/sketch_table.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 4, kBlockRegs = 16;

#include "cpu/sketch_loops.inc"
#include "cpu/sketch_vectors.inc"
#include "cpu/sketch_vectors_links.inc"

struct Words64 {
  // One bit of each byte that is all ones.
  static std::uint64_t BitsOf(uint8x16_t mask) {
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bits = vandq_u8(mask, bit);
    return std::uint64_t{vaddv_u8(vget_low_u8(bits))} | std::uint64_t{vaddv_u8(vget_high_u8(bits))}
                                                            << 8;
  }

  static std::uint64_t Signs(const float* x) {
    const auto above = [](const float* from) {
      return vmovn_u32(vcgtq_f32(vld1q_f32(from), vdupq_n_f32(0)));
    };
    std::uint64_t word = 0;
    for (int i = 0; i < 64; i += 16, x += 16) {
      const uint16x8_t low = vcombine_u16(above(x), above(x + 4));
      const uint16x8_t high = vcombine_u16(above(x + 8), above(x + 12));
      word |= BitsOf(vcombine_u8(vmovn_u16(low), vmovn_u16(high))) << i;
    }
    return word;
  }

  static std::int32_t Planes(const float* x, float scale, std::uint64_t* words) {
    int32x4_t sum = vdupq_n_s32(0);
    const auto steps = [&](const float* from) {
      // Not vfmaq: the multiplication is rounded as on other processors.
      const float32x4_t scaled = vmulq_f32(vld1q_f32(from), vdupq_n_f32(scale));
      const float32x4_t step = vaddq_f32(scaled, vdupq_n_f32(8));
      const float32x4_t clamped = vminq_f32(vmaxq_f32(step, vdupq_n_f32(0)), vdupq_n_f32(15));
      const int32x4_t value = vsubq_s32(vcvtq_s32_f32(clamped), vdupq_n_s32(8));
      sum = vaddq_s32(sum, value);
      return vmovn_s32(value);
    };
    for (std::size_t k = 0; k < kSketchPlanes; ++k) words[k] = 0;
    for (int i = 0; i < 64; i += 16, x += 16) {
      const int16x4_t a = steps(x), b = steps(x + 4), c = steps(x + 8), d = steps(x + 12);
      const uint8x16_t bytes = vreinterpretq_u8_s8(
          vcombine_s8(vmovn_s16(vcombine_s16(a, b)), vmovn_s16(vcombine_s16(c, d))));
      for (std::size_t k = 0; k < kSketchPlanes; ++k) {
        const uint8x16_t bit = vdupq_n_u8(static_cast<std::uint8_t>(1u << k));
        words[k] |= BitsOf(vtstq_u8(bytes, bit)) << i;
      }
    }
    return vaddvq_s32(sum);
  }
};

struct Nibbles {
  using Acc = int32x4_t;
  static Acc Zero() { return vdupq_n_s32(0); }
  static std::int32_t Sum(Acc a) { return vaddvq_s32(a); }

  // Eight products of a nibble and a signed byte stay within 16 bits.
  static Acc Dot(Acc acc, const std::uint8_t* nibbles, const std::int8_t* query) {
    int16x8_t even = vdupq_n_s16(0), odd = even;
    const auto add = [&](uint8x16_t values, const std::int8_t* with) {
      const int8x16_t a = vreinterpretq_s8_u8(values), b = vld1q_s8(with);
      even = vmlal_s8(even, vget_low_s8(a), vget_low_s8(b));
      odd = vmlal_high_s8(odd, a, b);
    };
    for (int i = 0; i < 64; i += 16) {
      const uint8x16_t bytes = vld1q_u8(nibbles + i);
      add(vandq_u8(bytes, vdupq_n_u8(15)), query + i);
      add(vshrq_n_u8(bytes, 4), query + 64 + i);
    }
    return vpadalq_s16(vpadalq_s16(acc, even), odd);
  }

  static Acc L2(Acc acc, const std::uint8_t* nibbles, const std::uint8_t* codes) {
    const uint8x16_t middle = vdupq_n_u8(8);
    for (int i = 0; i < 64; i += 16) {
      const uint8x16_t bytes = vld1q_u8(nibbles + i);
      acc = Squares(acc, vorrq_u8(vshlq_n_u8(bytes, 4), middle), vld1q_u8(codes + i));
      acc = Squares(acc, vorrq_u8(vandq_u8(bytes, vdupq_n_u8(0xf0)), middle),
                    vld1q_u8(codes + 64 + i));
    }
    return acc;
  }

  static Acc Squares(Acc acc, uint8x16_t a, uint8x16_t b) {
    const uint8x16_t difference = vabdq_u8(a, b);
    const uint16x8_t low = vmull_u8(vget_low_u8(difference), vget_low_u8(difference));
    const uint16x8_t high = vmull_high_u8(difference, difference);
    const uint32x4_t sum = vpadalq_u16(vpadalq_u16(vreinterpretq_u32_s32(acc), low), high);
    return vreinterpretq_s32_u32(sum);
  }
};

std::size_t Below(const SketchConstants& query, const std::byte* records, const std::uint32_t* ids,
                  std::size_t count, float threshold, float error_scale, std::uint32_t* kept,
                  const PrefetchTarget& next) {
  const std::size_t bytes = query.record_bytes, stride = query.plane_stride;
  const auto* planes = reinterpret_cast<const std::uint8_t*>(query.planes);
  const auto product = [=](const std::byte* record) {
    const auto* bits = reinterpret_cast<const std::uint8_t*>(record);
    int32x4_t sum = vdupq_n_s32(0);
    for (std::size_t at = kSketchHeader; at < bytes; at += 16) {
      const uint8x16_t word = vld1q_u8(bits + at);
      const auto count_of = [&](std::size_t k) {
        const uint8x16_t plane = vld1q_u8(planes + k * stride + at);
        return vreinterpretq_s8_u8(vcntq_u8(vandq_u8(word, plane)));
      };
      // At most 8 (1 + 2 + 4) and at least -8 · 8.
      const int8x16_t upper = vsubq_s8(count_of(2), vshlq_n_s8(count_of(3), 1));
      const int8x16_t middle = vaddq_s8(count_of(1), vshlq_n_s8(upper, 1));
      const int8x16_t all = vaddq_s8(count_of(0), vshlq_n_s8(middle, 1));
      sum = vpadalq_s16(sum, vpaddlq_s8(all));
    }
    return vaddvq_s32(sum);
  };
  return BelowOneByOne(query, records, ids, count, threshold, error_scale, kept, next, product);
}

struct Links {
  static constexpr std::size_t kUnits = 1;
  using Register = uint8x16_t;

  static Register Load(const std::uint8_t* p) { return vld1q_u8(p); }
  static Register LoadFirst(const std::uint8_t* p, std::size_t /*one*/) { return Load(p); }
  static Register LookUp(Register codes, Register low, Register high) {
    return vaddq_u8(vqtbl1q_u8(low, vandq_u8(codes, vdupq_n_u8(15))),
                    vqtbl1q_u8(high, vshrq_n_u8(codes, 4)));
  }
  static Register Add(Register a, Register b) { return vaddq_u8(a, b); }

  struct Words {
    uint16x8_t first = vdupq_n_u16(0), last = vdupq_n_u16(0);
    void Add(Register bytes) {
      first = vaddw_u8(first, vget_low_u8(bytes));
      last = vaddw_high_u8(last, bytes);
    }
  };

  struct Totals {
    uint32x4_t sums[4] = {vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0), vdupq_n_u32(0)};
    void Add(const Words& words) {
      sums[0] = vaddw_u16(sums[0], vget_low_u16(words.first));
      sums[1] = vaddw_high_u16(sums[1], words.first);
      sums[2] = vaddw_u16(sums[2], vget_low_u16(words.last));
      sums[3] = vaddw_high_u16(sums[3], words.last);
    }
    std::uint32_t NotBeyond(const LinkSketchConstants& query, const float* numbers, float distance,
                            float threshold) const {
      const uint32x4_t bit = {1, 2, 4, 8};
      std::uint32_t out = 0;
      EQUIPOISE_UNROLL for (std::size_t i = 0; i < 4; ++i) {
        // Not vfmaq: the multiplications are rounded as on other processors.
        const float32x4_t scaled = vmulq_f32(vdupq_n_f32(query.step), vcvtq_f32_u32(sums[i]));
        const float32x4_t product = vaddq_f32(vdupq_n_f32(query.base), scaled);
        const float32x4_t estimate =
            vaddq_f32(vaddq_f32(vdupq_n_f32(distance), vld1q_f32(numbers + kLinkGroup + 4 * i)),
                      vmulq_f32(vld1q_f32(numbers + 4 * i), product));
        const uint32x4_t beyond = vcgeq_f32(estimate, vdupq_n_f32(threshold));
        out |= vaddvq_u32(vbicq_u32(bit, beyond)) << (4 * i);
      }
      return out;
    }
  };

  struct Sizes {
    int32x4_t sums = vdupq_n_s32(0);
    std::int32_t Sum() const { return vaddvq_s32(sums); }
  };
  static void Table(const float* x, float scale, Sizes* sizes, std::uint8_t* table) {
    const float32x4_t scaled =
        vaddq_f32(vmulq_f32(vld1q_f32(x), vdupq_n_f32(scale)), vdupq_n_f32(256.5f));
    const int32x4_t v = vsubq_s32(vcvtq_s32_f32(scaled), vdupq_n_s32(256));
    sizes->sums = vaddq_s32(sizes->sums, vabsq_s32(v));
    const int32_t less = vaddvq_s32(vmaxq_s32(vnegq_s32(v), vdupq_n_s32(0)));
    const uint8x8_t narrow =
        vreinterpret_u8_s8(vmovn_s16(vcombine_s16(vmovn_s32(v), vmovn_s32(v))));
    const uint8x16_t bytes = vcombine_u8(narrow, narrow);
    const uint8x16_t first = {255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0};
    const uint8x16_t second = {255, 255, 1, 1, 255, 255, 1, 1, 255, 255, 1, 1, 255, 255, 1, 1};
    const uint8x16_t third = {255, 255, 255, 255, 2, 2, 2, 2, 255, 255, 255, 255, 2, 2, 2, 2};
    const uint8x16_t fourth = {255, 255, 255, 255, 255, 255, 255, 255, 3, 3, 3, 3, 3, 3, 3, 3};
    const uint8x16_t pair = vaddq_u8(vqtbl1q_u8(bytes, first), vqtbl1q_u8(bytes, second));
    const uint8x16_t other = vaddq_u8(vqtbl1q_u8(bytes, third), vqtbl1q_u8(bytes, fourth));
    vst1q_u8(table, vaddq_u8(vaddq_u8(pair, other), vdupq_n_u8(static_cast<std::uint8_t>(less))));
  }
};

constexpr SketchTable kTable = MakeTable<Words64, Nibbles, Links>(Below);

}  // namespace

const SketchTable* SketchNeon() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const SketchTable* SketchNeon() { return nullptr; }
}  // namespace equipoise

#endif
