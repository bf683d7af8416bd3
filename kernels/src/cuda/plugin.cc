// The table of plugin_api.h: exceptions end here.
#include <algorithm>
#include <cstring>
#include <new>

#include "cuda/item_set.h"
#include "cuda/kernels.h"

namespace equipoise::cuda {
namespace {

// Moved at once by the operations on rows.
constexpr std::uint64_t kChunkBytes = std::uint64_t{64} << 20;

std::int32_t Report(EquipoiseCudaFailure* failure, EquipoiseCudaCode code, const char* message) {
  if (failure != nullptr) {
    std::strncpy(failure->message, message, sizeof(failure->message) - 1);
    failure->message[sizeof(failure->message) - 1] = 0;
  }
  return code;
}

template <typename Body>
std::int32_t Guard(EquipoiseCudaFailure* failure, const Body& body) {
  try {
    const DeviceGuard device;
    body();
    return kEquipoiseCudaOk;
  } catch (const Failure& caught) {
    return Report(failure, caught.code, caught.message.c_str());
  } catch (const std::bad_alloc&) {
    return Report(failure, kEquipoiseCudaOutOfMemory, "the host is out of memory");
  } catch (const std::exception& caught) {
    return Report(failure, kEquipoiseCudaDevice, caught.what());
  } catch (...) {
    return Report(failure, kEquipoiseCudaDevice, "an unknown exception");
  }
}

std::int32_t Open(EquipoiseCudaFailure* failure) {
  try {
    int devices = 0;
    Check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
    if (devices == 0) throw Failure{kEquipoiseCudaUnsupported, "the driver reports no device"};
    const DeviceGuard device;
    int major = 0;
    int minor = 0;
    Check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0),
          "cudaDeviceGetAttribute");
    Check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0),
          "cudaDeviceGetAttribute");
    if (major < 8)
      throw Failure{kEquipoiseCudaUnsupported,
                    "device 0 has compute capability " + std::to_string(major) + "." +
                        std::to_string(minor) + ", 8.0 or newer is needed"};
    Check(CheckKernels(), "looking for kernels for device 0");
    ThisDevice();
    return kEquipoiseCudaOk;
  } catch (const Failure& caught) {
    return Report(failure, caught.code, caught.message.c_str());
  } catch (...) {
    return Report(failure, kEquipoiseCudaDevice, "device 0 could not be opened");
  }
}

std::int32_t Upload(const EquipoiseCudaVectors* items, std::uint32_t metric, std::int32_t tf32,
                    void** set, EquipoiseCudaFailure* failure) {
  return Guard(failure,
               [&] { *set = new ItemSet(*items, static_cast<Distance>(metric), tf32 != 0); });
}

void Release(void* set) {
  Guard(nullptr, [&] { delete static_cast<ItemSet*>(set); });
}

std::int32_t Similarity(void* set, const EquipoiseCudaVectors* queries, float* out,
                        EquipoiseCudaFailure* failure) {
  return Guard(failure, [&] { static_cast<const ItemSet*>(set)->Similarity(*queries, out); });
}

std::int32_t TopK(void* set, const EquipoiseCudaVectors* queries, std::uint64_t k,
                  EquipoiseCudaScored* out, EquipoiseCudaFailure* failure) {
  if (k == 0 || k > kMostK)
    return Report(failure, kEquipoiseCudaUnsupported,
                  ("k = " + std::to_string(k) + " is out of the device's range [1, " +
                   std::to_string(kMostK) + "]")
                      .c_str());
  return Guard(failure, [&] {
    static_cast<const ItemSet*>(set)->TopK(*queries, static_cast<std::uint32_t>(k), out);
  });
}

// Rows in chunks of about kChunkBytes through the device; `launch` works on a chunk of rows.
template <typename Launch>
void InChunks(float* rows, std::uint64_t m, std::uint64_t n, const Launch& launch) {
  const Lease lease;
  const std::uint64_t row_bytes = 4 * n;
  const std::uint64_t chunk = std::min(m, std::max<std::uint64_t>(1, kChunkBytes / row_bytes));
  lease->Reserve(chunk * row_bytes, 0, 0);
  auto* const device = reinterpret_cast<float*>(lease->arena.data());
  const cudaStream_t stream = lease->main;
  for (std::uint64_t first = 0; first < m; first += chunk) {
    const std::uint64_t count = std::min(chunk, m - first);
    float* const at = rows + first * n;
    Check(cudaMemcpyAsync(device, at, count * row_bytes, cudaMemcpyHostToDevice, stream),
          "cudaMemcpy of rows");
    launch(device, count, stream);
    Check(cudaMemcpyAsync(at, device, count * row_bytes, cudaMemcpyDeviceToHost, stream),
          "cudaMemcpy of rows");
    Check(cudaStreamSynchronize(stream), "rows on the device");
  }
}

std::int32_t Softmax(float* rows, std::uint64_t m, std::uint64_t n, float inverse_temperature,
                     EquipoiseCudaFailure* failure) {
  return Guard(failure, [&] {
    if (m == 0 || n == 0) return;
    InChunks(rows, m, n, [&](float* device, std::uint64_t count, cudaStream_t stream) {
      const SoftmaxArgs args{device, n, inverse_temperature};
      Check(LaunchSoftmax(args, static_cast<std::uint32_t>(count), stream), "softmax kernel");
    });
  });
}

std::int32_t Normalize(float* rows, std::uint64_t m, std::uint64_t n,
                       EquipoiseCudaFailure* failure) {
  return Guard(failure, [&] {
    if (m == 0 || n == 0) return;
    InChunks(rows, m, n, [&](float* device, std::uint64_t count, cudaStream_t stream) {
      const NormalizeArgs args{device, static_cast<std::uint32_t>(n), n, 0};
      Check(LaunchNormalize(args, count, stream), "normalization kernel");
    });
  });
}

std::int32_t Quantize(const float* from, std::uint64_t n, std::uint32_t to_type, float scale,
                      float center, void* to, EquipoiseCudaFailure* failure) {
  return Guard(failure, [&] {
    if (n == 0) return;
    const auto type = static_cast<Type>(to_type);
    const std::size_t element = TypeBytes(type);
    if (type == Type::kFloat32) {
      std::memcpy(to, from, n * element);
      return;
    }
    const Lease lease;
    const std::uint64_t chunk = std::min<std::uint64_t>(n, kChunkBytes / 4);
    const std::size_t in_bytes = RoundUp<std::size_t>(4 * chunk, 256);
    lease->Reserve(in_bytes + chunk * element, 0, 0);
    char* const in = lease->arena.data();
    char* const out = in + in_bytes;
    const cudaStream_t stream = lease->main;
    for (std::uint64_t first = 0; first < n; first += chunk) {
      const std::uint64_t count = std::min(chunk, n - first);
      Check(cudaMemcpyAsync(in, from + first, 4 * count, cudaMemcpyHostToDevice, stream),
            "cudaMemcpy of values");
      const ConvertArgs args{reinterpret_cast<const float*>(in), count, scale, center, out};
      Check(LaunchConvert(type, args, stream), "conversion kernel");
      Check(cudaMemcpyAsync(static_cast<char*>(to) + first * element, out, count * element,
                            cudaMemcpyDeviceToHost, stream),
            "cudaMemcpy of values");
      Check(cudaStreamSynchronize(stream), "values on the device");
    }
  });
}

constexpr EquipoiseCudaApi kApi = {
    EQUIPOISE_CUDA_API_VERSION,
    sizeof(EquipoiseCudaApi),
    Open,
    Upload,
    Release,
    Similarity,
    TopK,
    Softmax,
    Normalize,
    Quantize,
};

}  // namespace
}  // namespace equipoise::cuda

extern "C" [[gnu::visibility("default")]] const EquipoiseCudaApi* equipoise_cuda_api() {
  return &equipoise::cuda::kApi;
}
