#include <fstream>
#include <string>

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

}  // namespace

HardwareInfo InspectHardware() {
  HardwareInfo info;
  info.processor = ProcessorName();
  info.threads = AvailableThreads();
  info.instructions = ProcessorInstructions();
  info.levels = AvailableSimdLevels();
  info.level = DefaultKernels().level;
  info.level_reason = SimdLevelReason();
  info.gpus = GpuDevices(&info.gpu_driver);
  info.gpu_usable = FindGpu().usable;
  info.gpu_reason = FindGpu().reason;
  return info;
}

}  // namespace equipoise
