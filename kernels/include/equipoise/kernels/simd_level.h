/// The instruction sets that the kernels are written for. See hardware.h for what this machine has.
#pragma once

#include <cstdint>

namespace equipoise {

/// Instruction sets that the kernels are written for. Each x86 level includes those before it.
enum class SimdLevel : std::uint8_t {
  kAuto = 0,    ///< the best one, or what EQUIPOISE_SIMD says
  kScalar,      ///< plain C++: the reference
  kAvx2,        ///< AVX2, FMA, F16C
  kAvx512,      ///< AVX-512 F, BW, DQ, VL
  kAvx512Vnni,  ///< and AVX-512 VNNI
  kNeon,        ///< 64-bit Arm
};

}  // namespace equipoise
