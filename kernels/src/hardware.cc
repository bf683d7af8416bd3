#include <fstream>
#include <string>
#include <utility>

#include <equipoise/core/parallel.h>
#include <equipoise/kernels/hardware.h>

#include "cpu/dispatch.h"
#include "gpu/gpu.h"

namespace equipoise {
namespace {

// "model name" of the first processor; on Arm the kernel names the parts only by number.
std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos && colon + 2 <= line.size())
      return line.substr(colon + 2);
  }
  return {};
}

std::vector<std::string> Instructions() {
  std::vector<std::string> out;
#if defined(__x86_64__) || defined(__i386__)
  const std::pair<const char*, bool> found[] = {
      {"avx2", __builtin_cpu_supports("avx2") != 0},
      {"fma", __builtin_cpu_supports("fma") != 0},
      {"f16c", __builtin_cpu_supports("f16c") != 0},
      {"avx512f", __builtin_cpu_supports("avx512f") != 0},
      {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
      {"avx512dq", __builtin_cpu_supports("avx512dq") != 0},
      {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
      {"avx512_vnni", __builtin_cpu_supports("avx512vnni") != 0},
      {"avx512_bf16", __builtin_cpu_supports("avx512bf16") != 0},
  };
  for (const auto& [name, present] : found)
    if (present) out.emplace_back(name);
#elif defined(__aarch64__)
  out.emplace_back("neon");
#endif
  return out;
}

}  // namespace

HardwareInfo InspectHardware() {
  HardwareInfo info;
  info.processor = ProcessorName();
  info.threads = AvailableThreads();
  info.instructions = Instructions();
  info.levels = AvailableSimdLevels();
  info.level = DefaultKernels().level;
  info.level_reason = SimdLevelReason();
  info.gpus = GpuDevices(&info.gpu_driver);
  info.gpu_reason = FindGpu().reason;
  return info;
}

}  // namespace equipoise
