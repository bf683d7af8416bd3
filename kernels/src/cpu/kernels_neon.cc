// 64-bit Arm: 4 floats, 16 codes a register. Products of codes use only what every such processor
// has: 8-bit products in 16 bits, added in pairs to 32.
#include <bit>
#include <utility>

#include "cpu/half.h"
#include "cpu/kernel_table.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace equipoise {
namespace {

#include "cpu/plain_loops.inc"

struct V {
  using Reg = float32x4_t;
  static constexpr std::size_t kWidth = 4, kTileRegs = 4, kBlock = 6, kRowParts = 4;
  static Reg Zero() { return vdupq_n_f32(0); }
  static Reg Set(float x) { return vdupq_n_f32(x); }
  static Reg Load(const float* p) { return vld1q_f32(p); }
  static void Store(float* p, Reg a) { vst1q_f32(p, a); }
  static Reg Add(Reg a, Reg b) { return vaddq_f32(a, b); }
  static Reg Sub(Reg a, Reg b) { return vsubq_f32(a, b); }
  static Reg MultiplyAdd(Reg a, Reg b, Reg c) { return vfmaq_f32(c, a, b); }
  static Reg LoadFirst(const float* p, std::size_t n) {
    float values[4] = {};
    for (std::size_t i = 0; i < n; ++i) values[i] = p[i];
    return vld1q_f32(values);
  }
  static Reg LoadHalf(const std::uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static Reg LoadHalfFirst(const std::uint16_t* p, std::size_t n) {
    return vcvt_f32_f16(vreinterpret_f16_u16(FirstWords(p, n)));
  }
  static Reg LoadBrain(const std::uint16_t* p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
  }
  static Reg LoadBrainFirst(const std::uint16_t* p, std::size_t n) {
    return vreinterpretq_f32_u32(vshll_n_u16(FirstWords(p, n), 16));
  }
  static float Sum(Reg a) { return vaddvq_f32(a); }

 private:
  static uint16x4_t FirstWords(const std::uint16_t* p, std::size_t n) {
    std::uint16_t words[4] = {};
    for (std::size_t i = 0; i < n; ++i) words[i] = p[i];
    return vld1_u16(words);
  }
};

struct C {
  using Reg = uint8x16_t;
  using Query = int8x16_t;
  using Acc = int32x4_t;
  static constexpr std::size_t kCodes = 16;
  static Acc Zero() { return vdupq_n_s32(0); }
  static Acc Add(Acc a, Acc b) { return vaddq_s32(a, b); }
  static Reg Load(const std::uint8_t* p) { return vld1q_u8(p); }
  static Query LoadQuery(const std::int8_t* p) { return vld1q_s8(p); }
  static Reg LoadFirst(const std::uint8_t* p, std::size_t n) {
    std::uint8_t bytes[16] = {};
    for (std::size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return vld1q_u8(bytes);
  }
  static Query LoadQueryFirst(const std::int8_t* p, std::size_t n) {
    std::int8_t bytes[16] = {};
    for (std::size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return vld1q_s8(bytes);
  }
  // Unsigned times signed has no 8-bit product: both in 16 bits.
  static Acc Dot(Acc acc, Reg codes, Query query) {
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(codes)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(codes)));
    return Products(acc, low, high, vmovl_s8(vget_low_s8(query)), vmovl_s8(vget_high_s8(query)));
  }
  static Acc SquaredL2(Acc acc, Reg a, Reg b) {
    const uint8x16_t difference = vabdq_u8(a, b);
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(difference)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(difference)));
    return Products(acc, low, high, low, high);
  }
  static std::int32_t Sum(Acc a) { return vaddvq_s32(a); }

  // Four items of four codes; made signed, the sum must not start at the 128s.
  using Items = int8x16_t;
  using Words = int8x16_t;
  static constexpr std::size_t kItems = 4, kTileRegs = 2, kBlock = 6, kWords = 1;
  static Items LoadItems(const std::uint8_t* p) {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(0x80)));
  }
  static Words SetWords(const std::int32_t* p) { return vreinterpretq_s8_s32(vdupq_n_s32(*p)); }
  static Acc Start(std::int32_t) { return Zero(); }
  static Acc Tile(Acc acc, Items items, Words words) {
    // (−128)² fits in 16 bits; two of them are added in 32.
    const int16x8_t low = vmull_s8(vget_low_s8(items), vget_low_s8(words));
    const int16x8_t high = vmull_s8(vget_high_s8(items), vget_high_s8(words));
    return vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
  static void StoreItems(std::int32_t* p, Acc a) { vst1q_s32(p, a); }

 private:
  static Acc Products(Acc acc, int16x8_t a, int16x8_t b, int16x8_t c, int16x8_t d) {
    acc = vmlal_s16(acc, vget_low_s16(a), vget_low_s16(c));
    acc = vmlal_high_s16(acc, a, c);
    acc = vmlal_s16(acc, vget_low_s16(b), vget_low_s16(d));
    return vmlal_high_s16(acc, b, d);
  }
};

template <typename Test>
std::uint32_t MaskOf(const Test& test) {
  const uint32x4_t bit = {1, 2, 4, 8};
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < kPanel; i += 4) mask |= vaddvq_u32(vandq_u32(test(i), bit)) << i;
  return mask;
}

std::uint32_t AboveFloats(const float* values, float bar) {
  return MaskOf([=](std::size_t i) { return vcgtq_f32(vld1q_f32(values + i), vdupq_n_f32(bar)); });
}

std::uint32_t AboveIntegers(const std::int32_t* values, std::int32_t bar) {
  return MaskOf([=](std::size_t i) { return vcgtq_s32(vld1q_s32(values + i), vdupq_n_s32(bar)); });
}

std::uint32_t NotFinite(const float* values) {
  const float32x4_t infinity = vdupq_n_f32(__builtin_inff());
  return MaskOf([=](std::size_t i) {
    return vmvnq_u32(vcltq_f32(vabsq_f32(vld1q_f32(values + i)), infinity));
  });
}

#include "cpu/simd_kernels.inc"

constexpr KernelTable kTable = MakeTable(SimdLevel::kNeon);

}  // namespace

const KernelTable* NeonKernels() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const KernelTable* NeonKernels() { return nullptr; }
}  // namespace equipoise

#endif
