#include "hardware_report.h"

#include <chrono>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/similarity.h>

#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

Json ToJson(const GpuInfo& gpu) {
  return {{"name", gpu.name},
          {"compute_capability", gpu.compute_capability},
          {"memory_bytes", gpu.memory_bytes},
          {"free_bytes", gpu.free_bytes},
          {"utilization", gpu.utilization < 0 ? Json() : Json(gpu.utilization)}};
}

Json ToJson(const HardwareInfo& info) {
  Json available = Json::array();
  for (const SimdLevel level : info.levels) available.push_back(SimdLevelName(level));
  Json gpus = Json::array();
  for (const GpuInfo& gpu : info.gpus) gpus.push_back(ToJson(gpu));
  return {{"processor", info.processor},
          {"threads", info.threads},
          {"instructions", info.instructions},
          {"simd",
           {{"used", SimdLevelName(info.level)},
            {"reason", info.level_reason},
            {"available", available}}},
          {"gpu",
           {{"usable", info.gpu_usable},
            {"reason", info.gpu_reason},
            {"driver", info.gpu_driver},
            {"from_multiply_adds", kGpuMinMultiplyAdds},
            {"devices", gpus}}}};
}

std::string ToText(const HardwareInfo& info) {
  std::vector<std::string_view> available;
  for (const SimdLevel level : info.levels) available.push_back(SimdLevelName(level));
  std::string text = fmt::format(
      "processor     {}\n  threads     {}\n  found       {}\n  kernels     {}: {}\n  available   "
      "{}\n",
      info.processor.empty() ? "not named by the system" : info.processor, info.threads,
      fmt::join(info.instructions, ", "), SimdLevelName(info.level), info.level_reason,
      fmt::join(available, ", "));
  text +=
      fmt::format("GPU           {}: {}\n", info.gpu_usable ? "used" : "not used", info.gpu_reason);
  if (info.gpu_usable)
    text += fmt::format("  from        {} multiply-adds of a call on; below, the CPU is faster\n",
                        kGpuMinMultiplyAdds);
  if (!info.gpu_driver.empty()) text += fmt::format("  driver      {}\n", info.gpu_driver);
  for (const GpuInfo& gpu : info.gpus)
    text += fmt::format("  device      {}, compute capability {}, {} free of {}\n", gpu.name,
                        gpu.compute_capability, Bytes(gpu.free_bytes), Bytes(gpu.memory_bytes));
  return text;
}

/// One line for each GPU, as text or as one JSON object.
int PrintMoment(double seconds, bool json) {
  const HardwareInfo info = InspectHardware();
  if (json) {
    Json gpus = Json::array();
    for (const GpuInfo& gpu : info.gpus) gpus.push_back(ToJson(gpu));
    const Json line = {{"seconds", std::round(seconds * 10) / 10}, {"devices", gpus}};
    return PrintText(line.dump() + "\n");
  }
  std::string text;
  for (const GpuInfo& gpu : info.gpus)
    text += fmt::format(
        "{:8.1f} s  {}  busy {}  memory {} of {}\n", seconds, gpu.name,
        gpu.utilization < 0 ? "not known" : fmt::format("{:3.0f} %", 100 * gpu.utilization),
        Bytes(gpu.memory_bytes - gpu.free_bytes), Bytes(gpu.memory_bytes));
  return PrintText(text);
}

}  // namespace

int ReportHardware(std::optional<double> watch, bool json) {
  const HardwareInfo info = InspectHardware();
  if (!watch || !json)
    if (const int code = json ? PrintJson(ToJson(info)) : PrintText(ToText(info)); code != kDone)
      return code;
  if (!watch) return kDone;
  if (info.gpus.empty())
    return Fail(Status(Code::kDevice, "there is no GPU to watch: " + info.gpu_reason), json);
  const auto start = std::chrono::steady_clock::now();
  for (int moment = 0; !Interrupted(); ++moment) {
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - start;
    if (const int code = PrintMoment(since.count(), json); code != kDone) return code;
    // In short steps, so that Ctrl-C is heard.
    const auto next = start + std::chrono::duration<double>((moment + 1) * *watch);
    while (!Interrupted() && std::chrono::steady_clock::now() < next)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return kInterrupted;
}

}  // namespace equipoise::cli
