// A plug-in of another version, to be refused.
#include "cuda/plugin_api.h"

extern "C" __attribute__((visibility("default"))) const EquipoiseCudaApi* equipoise_cuda_api() {
  static const EquipoiseCudaApi api = [] {
    EquipoiseCudaApi other{};
    other.version = EQUIPOISE_CUDA_API_VERSION + 1;
    other.size = sizeof(other);
    return other;
  }();
  return &api;
}
