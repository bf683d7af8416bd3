/// What this machine computes with: the instruction sets that were found, the one that is used, and
/// the GPU if there is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/simd_level.h>

namespace equipoise {

/// "scalar", "avx2", "avx512", "avx512_vnni", "neon", as EQUIPOISE_SIMD takes them; "auto".
EQUIPOISE_API std::string_view SimdLevelName(SimdLevel level);

/// The levels that this build has and this processor can run, kScalar first, the best last.
/// Threads  safe from many threads
EQUIPOISE_API std::vector<SimdLevel> AvailableSimdLevels();

/// The level that kAuto stands for: the best available one, unless the environment variable
/// EQUIPOISE_SIMD names another.
/// Errors   kInvalidArgument: EQUIPOISE_SIMD names an unknown level, or one that this machine lacks;
///          the message lists those it has. Functions that return no Status (Dot, ...) then use the
///          best one.
/// Note     the variable is read once, at the first call of any function of this module
EQUIPOISE_API Result<SimdLevel> DefaultSimdLevel();

/// From now on kAuto stands for this level in the whole process, whatever EQUIPOISE_SIMD says; kAuto: as
/// before. What was prepared for a level (a SimilaritySet, say) keeps its own.
/// Errors   kInvalidArgument: a level that this machine lacks; then nothing has changed
/// Threads  safe from many threads
EQUIPOISE_API Status UseSimdLevel(SimdLevel level);

/// One GPU, as its driver describes it.
struct GpuInfo {
  std::string name;
  std::string compute_capability;  ///< "9.0"
  std::uint64_t memory_bytes = 0;
  std::uint64_t free_bytes = 0;  ///< at the time of the call
  double utilization = -1;       ///< share of the last second in which a kernel ran; -1: not known
};

struct HardwareInfo {
  std::string processor;  ///< "AMD EPYC 9654 ..."; empty where the system does not say
  int threads = 1;        ///< that this process may use
  std::vector<std::string> instructions;  ///< of those that matter here: "avx2", "avx512_vnni", ...
  std::vector<SimdLevel> levels;          ///< AvailableSimdLevels()
  SimdLevel level = SimdLevel::kScalar;   ///< in use
  std::string level_reason;               ///< why that one
  bool gpu_usable = false;
  std::vector<GpuInfo> gpus;  ///< that the driver names, usable or not
  std::string gpu_driver;     ///< version; empty where there is none
  std::string gpu_reason;     ///< why a GPU is used or is not, one sentence
};

/// Looks now; the GPU's memory and utilization are those of this moment.
/// Threads  safe from many threads; may take a second at the first call where there is a GPU
EQUIPOISE_API HardwareInfo InspectHardware();

}  // namespace equipoise
