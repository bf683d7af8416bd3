// Finding and opening libequipoise_cuda.so.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <equipoise/core/status.h>

#include "cuda/plugin_api.h"
#include "gpu/gpu.h"

namespace equipoise {

/// Opens a plug-in and checks that it is one of this version; it stays loaded if so.
/// Errors   kNotFound: no such file, or a library that it needs is missing; kUnsupported: it is no
///          plug-in of this version
Result<const EquipoiseCudaApi*> LoadGpuPlugin(const std::string& path);

/// Where FindGpu looks, in this order; the last is a bare name, for the system's search.
std::vector<std::string> GpuPluginPaths();

/// NULL, or why there is none, in one sentence. Found once a process.
struct LoadedGpu {
  const EquipoiseCudaApi* api = nullptr;
  std::string reason;
};
const LoadedGpu& GpuPlugin();

/// UploadItems, to the device of this plug-in.
Result<std::unique_ptr<GpuItems>> UploadItemsTo(const EquipoiseCudaApi* api, VectorsView items,
                                                Metric metric, bool tf32);

}  // namespace equipoise
