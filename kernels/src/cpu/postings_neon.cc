// 64-bit Arm: 8 numbers in two registers.
#include "cpu/postings_table.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

namespace equipoise {
namespace {

constexpr std::size_t kStep = 16;

#include "cpu/postings_patterns.inc"

struct Group {
  uint32x4_t low, high;
};

struct Pattern {
  explicit Pattern(unsigned bits)
      : second(bits / 2),
        low_bytes(vld1q_u8(kPatterns.bytes[bits])),
        high_bytes(vld1q_u8(kPatterns.bytes[bits] + 16)),
        low_shifts(vnegq_s32(vld1q_s32(kPatterns.shifts[bits]))),
        high_shifts(vnegq_s32(vld1q_s32(kPatterns.shifts[bits] + 4))),
        mask(vdupq_n_u32((1u << bits) - 1)) {}
  std::size_t second;
  uint8x16_t low_bytes, high_bytes;
  int32x4_t low_shifts, high_shifts;
  uint32x4_t mask;
};

inline Group Unpack(const std::uint8_t* from, const Pattern& pattern) {
  const uint32x4_t low = vreinterpretq_u32_u8(vqtbl1q_u8(vld1q_u8(from), pattern.low_bytes));
  const uint32x4_t high =
      vreinterpretq_u32_u8(vqtbl1q_u8(vld1q_u8(from + pattern.second), pattern.high_bytes));
  return {vandq_u32(vshlq_u32(low, pattern.low_shifts), pattern.mask),
          vandq_u32(vshlq_u32(high, pattern.high_shifts), pattern.mask)};
}

inline Group LoadGroup(const std::uint32_t* p) { return {vld1q_u32(p), vld1q_u32(p + 4)}; }

inline void StoreGroup(std::uint32_t* p, const Group& group) {
  vst1q_u32(p, group.low);
  vst1q_u32(p + 4, group.high);
}

class Running {
 public:
  explicit Running(std::uint32_t before) : before_(vdupq_n_u32(before)) {}
  Group Add(Group values) {
    values.low = Next(values.low);
    values.high = Next(values.high);
    return values;
  }

 private:
  uint32x4_t Next(uint32x4_t values) {
    const uint32x4_t zero = vdupq_n_u32(0);
    uint32x4_t sums = vaddq_u32(values, vdupq_n_u32(1));
    sums = vaddq_u32(sums, vextq_u32(zero, sums, 3));
    sums = vaddq_u32(sums, vextq_u32(zero, sums, 2));
    sums = vaddq_u32(sums, before_);
    before_ = vdupq_laneq_u32(sums, 3);
    return sums;
  }

  uint32x4_t before_;
};

class Bar {
 public:
  explicit Bar(std::int32_t bits) : bar_(vdupq_n_s32(bits)) {}
  std::uint64_t Above(float* sums, float* values) const {
    const int32x4_t none = vdupq_n_s32(static_cast<std::int32_t>(0x80000000u));
    int32x4_t all[4];
    uint32x4_t above[4];
    for (int i = 0; i < 4; ++i) {
      all[i] = vreinterpretq_s32_f32(vld1q_f32(sums + 4 * i));
      above[i] = vcgtq_s32(all[i], bar_);
      vst1q_f32(sums + 4 * i, vreinterpretq_f32_s32(none));
    }
    const uint32x4_t any = vorrq_u32(vorrq_u32(above[0], above[1]), vorrq_u32(above[2], above[3]));
    if (vmaxvq_u32(any) == 0) return 0;
    const std::uint32_t each[4] = {1, 2, 4, 8};
    const uint32x4_t lanes = vld1q_u32(each);
    std::uint64_t out = 0;
    for (int i = 0; i < 4; ++i) {
      vst1q_f32(values + 4 * i, vreinterpretq_f32_s32(all[i]));
      out |= std::uint64_t{vaddvq_u32(vandq_u32(above[i], lanes))} << (4 * i);
    }
    return out;
  }

 private:
  int32x4_t bar_;
};

#include "cpu/postings_loops.inc"

}  // namespace

const PostingsTable* PostingsNeon() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const PostingsTable* PostingsNeon() { return nullptr; }
}  // namespace equipoise

#endif
