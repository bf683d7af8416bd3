// The table of functions that a level stands for.
#pragma once

#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/hardware.h>

#include "cpu/kernel_table.h"

namespace equipoise {

/// Every level but kAuto, the reference first, a better one after a worse one.
inline constexpr SimdLevel kSimdLevels[] = {SimdLevel::kScalar, SimdLevel::kAvx2,
                                            SimdLevel::kAvx512, SimdLevel::kAvx512Vnni,
                                            SimdLevel::kNeon};

/// Errors   kInvalidArgument: not available; kAuto: EQUIPOISE_SIMD is wrong
Result<const KernelTable*> FindKernels(SimdLevel level);

/// What functions without a choice use: the default level, the best one where EQUIPOISE_SIMD is wrong.
const KernelTable& DefaultKernels();

/// The instruction sets that matter here and that the processor has.
std::vector<std::string> ProcessorInstructions();

/// Whether the processor has VPOPCNTDQ beside AVX-512 VNNI; some with that level lack it.
bool CountsBitsOfVectors();

/// Why the default level is what it is.
const std::string& SimdLevelReason();

}  // namespace equipoise
