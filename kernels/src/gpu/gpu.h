// The GPU as the rest of kernels/ sees it: a plug-in (libequipoise_cuda.so) that is opened where a
// driver is, or the reason why there is none. No CUDA type appears here.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

/// Largest k of GpuItems::TopK.
inline constexpr std::size_t kMaxGpuK = 2048;

/// Vectors that stay on the device.
/// Threads  const; safe from many threads, each with its own stream; at most eight at once, the next
///          one waits
/// Errors   of both calls: kDevice; kOutOfMemory. The caller has checked sizes, types and values (no
///          NaN, no infinity), and answers with the CPU after these and kUnsupported
class GpuItems {
 public:
  virtual ~GpuItems() = default;
  /// As ItemSet::Similarity; queries are float32 or of the items' type, codes with codes.
  virtual Status Similarity(VectorsView queries, std::span<float> out) const = 0;
  /// As ItemSet::TopK. Errors   also kUnsupported: k > kMaxGpuK
  /// Note     a score that overflows float32 to NaN counts as −infinity
  virtual Status TopK(VectorsView queries, std::size_t k, std::span<Scored> out) const = 0;
};

/// What was found of GPUs, once a process.
struct Gpu {
  bool usable = false;
  std::string reason;  ///< one sentence, for inspect --hardware
};

/// Loads the plug-in at the first call: the file that EQUIPOISE_CUDA_PLUGIN names, or else
/// libequipoise_cuda.so beside the library or the program, in the library folder of their
/// installation, or where the system looks. Not even tried where there is no driver.
/// Threads  safe from many threads
const Gpu& FindGpu();

/// The devices and their driver, from NVML where it is there; empty without.
/// Threads  safe from many threads
std::vector<GpuInfo> GpuDevices(std::string* driver);

/// Copies items to the device; the view is not kept.
/// Range    checked by the caller, values included
/// Errors   kDevice, kOutOfMemory
Result<std::unique_ptr<GpuItems>> UploadItems(VectorsView items, Metric metric, bool tf32);

/// Row-wise operations on the device, out of and into the caller's memory: the same results as on the
/// CPU (rows.h, quantize.h) up to the rounding of exp and of sums.
/// Shapes   rows [m, n], in place
Status GpuSoftmax(float* rows, std::size_t m, std::size_t n, float inverse_temperature);
Status GpuNormalize(float* rows, std::size_t m, std::size_t n);
/// float32 to `to_type`; `scale` of codes.
Status GpuQuantize(const float* from, std::size_t n, ElementType to_type, CodeScale scale,
                   void* to);

}  // namespace equipoise
