// What the kernels' bodies are written with. Compiled by nvcc these are the device's instructions;
// compiled by any C++ compiler they are functions with the same results, so that tests run the very
// same bodies without a GPU (tests/unit/kernels/emulated_block.h).
//
// A body is a template over a Block, one CUDA thread's view of its thread block:
//   unsigned thread(), threads()         its number in the block, and how many there are
//   unsigned x(), y()                    the block's place in the grid
//   unsigned grid_x()                    blocks in a row of the grid
//   std::uint64_t* shared()              the block's shared memory, aligned to 16 bytes
//   void Sync()                          waits for all threads of the block
//   bool Any(bool)                       Sync, and whether it is true in any thread
//   T ShuffleXor(T, unsigned mask)       the value of lane (own lane ^ mask) of the warp
//   unsigned AtomicAdd(unsigned*, unsigned)   in shared memory; the value before
// Every thread of a block calls Sync and Any, every lane of a warp ShuffleXor, the same number of
// times.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define EQUIPOISE_DEVICE __device__ __forceinline__
#define EQUIPOISE_BOTH __host__ __device__ inline
#define EQUIPOISE_UNROLL _Pragma("unroll")
#else
#include "cpu/half.h"
#define EQUIPOISE_DEVICE inline
#define EQUIPOISE_BOTH inline
#define EQUIPOISE_UNROLL
#endif

namespace equipoise::cuda {

constexpr unsigned kThreads = 256;  // of every block
constexpr unsigned kWarp = 32;

// 16 bytes, loaded by one instruction.
struct alignas(16) Bytes16 {
  std::uint32_t word[4];
};

// Elements as they lie in memory.
struct Half {
  std::uint16_t bits;
};
struct BFloat {
  std::uint16_t bits;
};

#if defined(__CUDACC__)

EQUIPOISE_DEVICE std::uint32_t BitsOf(float value) { return __float_as_uint(value); }
EQUIPOISE_DEVICE float FloatOf(std::uint32_t bits) { return __uint_as_float(bits); }
// Never contracted into a fused multiply-add: codes are scored with the CPU's bits.
EQUIPOISE_DEVICE float Multiply(float a, float b) { return __fmul_rn(a, b); }
EQUIPOISE_DEVICE float Add(float a, float b) { return __fadd_rn(a, b); }
EQUIPOISE_DEVICE float Fma(float a, float b, float c) { return fmaf(a, b, c); }
EQUIPOISE_DEVICE float ToFloat(Half value) { return __half2float(__ushort_as_half(value.bits)); }
EQUIPOISE_DEVICE Half ToHalf(float value) { return {__half_as_ushort(__float2half_rn(value))}; }
EQUIPOISE_DEVICE Bytes16 Load16(const void* at) {
  const uint4 v = __ldg(static_cast<const uint4*>(at));
  return {{v.x, v.y, v.z, v.w}};
}
// c + Σ of the four products of signed bytes.
EQUIPOISE_DEVICE std::int32_t DotBytes(std::uint32_t a, std::uint32_t b, std::int32_t c) {
  return __dp4a(static_cast<int>(a), static_cast<int>(b), c);
}

#else

inline std::uint32_t BitsOf(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float FloatOf(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline float Multiply(float a, float b) { return a * b; }
inline float Add(float a, float b) { return a + b; }
inline float Fma(float a, float b, float c) { return std::fma(a, b, c); }
inline float ToFloat(Half value) { return HalfToFloatBits(value.bits); }
inline Half ToHalf(float value) { return {FloatToHalfBits(value)}; }
inline Bytes16 Load16(const void* at) {
  Bytes16 v;
  std::memcpy(&v, at, sizeof(v));
  return v;
}
inline std::int32_t DotBytes(std::uint32_t a, std::uint32_t b, std::int32_t c) {
  for (int shift = 0; shift < 32; shift += 8)
    c += static_cast<std::int8_t>(a >> shift) * static_cast<std::int8_t>(b >> shift);
  return c;
}

#endif

EQUIPOISE_DEVICE float ToFloat(float value) { return value; }
EQUIPOISE_DEVICE float ToFloat(BFloat value) {
  return FloatOf(static_cast<std::uint32_t>(value.bits) << 16);
}
// Round to nearest, ties to even, as FloatToBFloat: NaN keeps its sign and upper bits, quietly.
EQUIPOISE_DEVICE BFloat ToBFloat(float value) {
  const std::uint32_t bits = BitsOf(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

EQUIPOISE_BOTH unsigned NextPowerOfTwo(unsigned n) {
  unsigned p = 1;
  while (p < n) p *= 2;
  return p;
}

EQUIPOISE_DEVICE unsigned Least(unsigned a, unsigned b) { return a < b ? a : b; }

}  // namespace equipoise::cuda
