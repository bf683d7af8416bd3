#include "gpu/nvml.h"

#include <dlfcn.h>

#include "gpu/gpu.h"

namespace equipoise {
namespace {

using Device = void*;
struct MemoryInfo {
  unsigned long long total, free, used;
};
struct Utilization {
  unsigned gpu, memory;  // percent
};

// 0 is success in every one of them.
struct Nvml {
  int (*init)() = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*handle)(unsigned, Device*) = nullptr;
  int (*name)(Device, char*, unsigned) = nullptr;
  int (*capability)(Device, int*, int*) = nullptr;
  int (*memory)(Device, MemoryInfo*) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  bool usable = false;
};

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// The library stays open and initialized: both cost tens of milliseconds.
Nvml Open(const char* name) {
  Nvml nvml;
  void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nvml;
  const bool found = Find(library, "nvmlInit_v2", nvml.init) &&
                     Find(library, "nvmlSystemGetDriverVersion", nvml.driver_version) &&
                     Find(library, "nvmlDeviceGetCount_v2", nvml.count) &&
                     Find(library, "nvmlDeviceGetHandleByIndex_v2", nvml.handle) &&
                     Find(library, "nvmlDeviceGetName", nvml.name) &&
                     Find(library, "nvmlDeviceGetCudaComputeCapability", nvml.capability) &&
                     Find(library, "nvmlDeviceGetMemoryInfo", nvml.memory) &&
                     Find(library, "nvmlDeviceGetUtilizationRates", nvml.utilization);
  nvml.usable = found && nvml.init() == 0;
  if (!nvml.usable) dlclose(library);
  return nvml;
}

std::vector<GpuInfo> Devices(const Nvml& nvml, std::string* driver) {
  std::vector<GpuInfo> devices;
  if (driver != nullptr) driver->clear();
  if (!nvml.usable) return devices;
  char text[128] = {};
  if (driver != nullptr && nvml.driver_version(text, sizeof(text) - 1) == 0) *driver = text;
  unsigned count = 0;
  if (nvml.count(&count) != 0) return devices;
  for (unsigned i = 0; i < count; ++i) {
    Device device = nullptr;
    if (nvml.handle(i, &device) != 0) continue;
    GpuInfo info;
    char name[128] = {};
    if (nvml.name(device, name, sizeof(name) - 1) == 0) info.name = name;
    int major = 0;
    int minor = 0;
    if (nvml.capability(device, &major, &minor) == 0)
      info.compute_capability = std::to_string(major) + "." + std::to_string(minor);
    MemoryInfo memory{};
    if (nvml.memory(device, &memory) == 0) {
      info.memory_bytes = memory.total;
      info.free_bytes = memory.free;
    }
    Utilization utilization{};
    if (nvml.utilization(device, &utilization) == 0) info.utilization = utilization.gpu / 100.0;
    devices.push_back(std::move(info));
  }
  return devices;
}

}  // namespace

std::vector<GpuInfo> NvmlDevices(const char* library, std::string* driver) {
  return Devices(Open(library), driver);
}

std::vector<GpuInfo> GpuDevices(std::string* driver) {
  static const Nvml nvml = Open("libnvidia-ml.so.1");
  return Devices(nvml, driver);
}

}  // namespace equipoise
