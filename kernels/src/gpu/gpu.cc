#include "gpu/gpu.h"

#include <cstddef>
#include <new>

#include "gpu/plugin.h"

namespace equipoise {
namespace {

static_assert(sizeof(Scored) == sizeof(EquipoiseCudaScored) &&
              offsetof(Scored, id) == offsetof(EquipoiseCudaScored, id) &&
              offsetof(Scored, score) == offsetof(EquipoiseCudaScored, score));

EquipoiseCudaVectors Plain(const VectorsView& view) {
  return {view.data,  static_cast<std::uint32_t>(view.type), view.scale.scale, view.rows, view.cols,
          view.stride};
}

Status ToStatus(std::int32_t code, const char* function, const EquipoiseCudaFailure& failure) {
  if (code == kEquipoiseCudaOk) return {};
  const Code ours = code == kEquipoiseCudaOutOfMemory   ? Code::kOutOfMemory
                    : code == kEquipoiseCudaUnsupported ? Code::kUnsupported
                                                        : Code::kDevice;
  return Status(ours, std::string(function) + ": " + failure.message);
}

Status NoGpu(const char* function) {
  return Status(Code::kDevice, std::string(function) + ": " + GpuPlugin().reason);
}

class PluginItems final : public GpuItems {
 public:
  PluginItems(const EquipoiseCudaApi* api, void* set) : api_(api), set_(set) {}
  ~PluginItems() override { api_->release(set_); }
  PluginItems(const PluginItems&) = delete;
  PluginItems& operator=(const PluginItems&) = delete;

  Status Similarity(VectorsView queries, std::span<float> out) const override {
    EquipoiseCudaFailure failure{};
    const EquipoiseCudaVectors plain = Plain(queries);
    return ToStatus(api_->similarity(set_, &plain, out.data(), &failure), "Similarity", failure);
  }

  Status TopK(VectorsView queries, std::size_t k, std::span<Scored> out) const override {
    EquipoiseCudaFailure failure{};
    const EquipoiseCudaVectors plain = Plain(queries);
    auto* const found = reinterpret_cast<EquipoiseCudaScored*>(out.data());
    return ToStatus(api_->top_k(set_, &plain, k, found, &failure), "TopK", failure);
  }

 private:
  const EquipoiseCudaApi* api_;
  void* set_;
};

}  // namespace

const Gpu& FindGpu() {
  static const Gpu gpu{GpuPlugin().api != nullptr, GpuPlugin().reason};
  return gpu;
}

Result<std::unique_ptr<GpuItems>> UploadItems(VectorsView items, Metric metric, bool tf32) {
  const EquipoiseCudaApi* const api = GpuPlugin().api;
  if (api == nullptr) return NoGpu("UploadItems");
  return UploadItemsTo(api, items, metric, tf32);
}

Result<std::unique_ptr<GpuItems>> UploadItemsTo(const EquipoiseCudaApi* api, VectorsView items,
                                                Metric metric, bool tf32) {
  EquipoiseCudaFailure failure{};
  const EquipoiseCudaVectors plain = Plain(items);
  void* set = nullptr;
  const std::int32_t code =
      api->upload(&plain, static_cast<std::uint32_t>(metric), tf32 ? 1 : 0, &set, &failure);
  if (code != kEquipoiseCudaOk) return ToStatus(code, "UploadItems", failure);
  try {
    return std::unique_ptr<GpuItems>(std::make_unique<PluginItems>(api, set));
  } catch (const std::bad_alloc&) {
    api->release(set);
    return Status(Code::kOutOfMemory, "UploadItems: the host is out of memory");
  }
}

Status GpuSoftmax(float* rows, std::size_t m, std::size_t n, float inverse_temperature) {
  const EquipoiseCudaApi* const api = GpuPlugin().api;
  if (api == nullptr) return NoGpu("Softmax");
  EquipoiseCudaFailure failure{};
  return ToStatus(api->softmax(rows, m, n, inverse_temperature, &failure), "Softmax", failure);
}

Status GpuNormalize(float* rows, std::size_t m, std::size_t n) {
  const EquipoiseCudaApi* const api = GpuPlugin().api;
  if (api == nullptr) return NoGpu("Normalize");
  EquipoiseCudaFailure failure{};
  return ToStatus(api->normalize(rows, m, n, &failure), "Normalize", failure);
}

Status GpuQuantize(const float* from, std::size_t n, ElementType to_type, CodeScale scale,
                   void* to) {
  const EquipoiseCudaApi* const api = GpuPlugin().api;
  if (api == nullptr) return NoGpu("Quantize");
  EquipoiseCudaFailure failure{};
  return ToStatus(api->quantize(from, n, static_cast<std::uint32_t>(to_type), scale.scale,
                                scale.center, to, &failure),
                  "Quantize", failure);
}

}  // namespace equipoise
