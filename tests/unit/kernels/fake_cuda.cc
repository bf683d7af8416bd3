#include "fake_cuda.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include <cublas_v2.h>

#define FAKE_API extern "C" __attribute__((visibility("default")))

namespace {

struct Work {
  std::function<void()> run;
  std::vector<std::size_t> after;  // positions in the same queue
  bool done = false;
};
// All that was queued and not recorded; or what a graph holds.
struct Queue {
  std::vector<Work> work;

  std::size_t Add(std::function<void()> run, std::vector<std::size_t> after) {
    work.push_back({std::move(run), std::move(after)});
    return work.size() - 1;
  }
  // Marks what must be done for `last` to be.
  void Need(std::size_t last, std::vector<bool>& needed) const {
    std::vector<std::size_t> stack{last};
    while (!stack.empty()) {
      const std::size_t at = stack.back();
      stack.pop_back();
      if (needed[at]) continue;
      needed[at] = true;
      for (std::size_t before : work[at].after) stack.push_back(before);
    }
  }
  void Run(const std::vector<bool>& needed, std::mt19937_64& random) {
    for (;;) {
      std::vector<std::size_t> ready;
      bool left = false;
      for (std::size_t i = 0; i < work.size(); ++i) {
        if (work[i].done) continue;
        left = left || needed[i];
        const bool can = std::all_of(work[i].after.begin(), work[i].after.end(),
                                     [&](std::size_t before) { return work[before].done; });
        // Work that nobody waits for may run too.
        if (can && (needed[i] || random() % 4 == 0)) ready.push_back(i);
      }
      if (!left) return;
      if (ready.empty()) continue;
      const std::size_t i = ready[random() % ready.size()];
      if (work[i].run) work[i].run();
      work[i].done = true;
    }
  }
};

constexpr std::size_t kNone = SIZE_MAX;

}  // namespace

struct CUstream_st {
  Queue* queue = nullptr;  // null: the process's
  std::size_t last = kNone;
  std::vector<std::size_t> waits;
};
struct CUevent_st {
  Queue* queue = nullptr;
  std::size_t work = kNone;
  std::size_t epoch = 0;
};
struct CUgraph_st {
  Queue queue;
};
struct CUgraphExec_st {
  Queue queue;
};
struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace {

struct Fake {
  std::recursive_mutex mutex;
  std::mt19937_64 random{17};
  Queue queue;
  std::size_t epoch = 0;  // raised where the queue was emptied: older work is done
  std::vector<cudaStream_t> streams;
  std::map<void*, std::size_t> memory;
  unsigned long long allocations = 0;
  unsigned long long graph_launches = 0;
  int fail_after = -1;
  cudaError_t fail_with = cudaSuccess;
  bool failed = false;
};
Fake& TheFake() {
  static Fake* const fake = new Fake;
  return *fake;
}
using Lock = std::lock_guard<std::recursive_mutex>;

// Whether this call is the one that shall fail.
cudaError_t Chance() {
  Fake& fake = TheFake();
  if (fake.fail_after < 0 || fake.fail_after-- > 0) return cudaSuccess;
  fake.failed = true;
  return fake.fail_with;
}

cudaError_t Enqueue(cudaStream_t stream, std::function<void()> run) {
  Queue& queue = stream->queue != nullptr ? *stream->queue : TheFake().queue;
  std::vector<std::size_t> after = std::move(stream->waits);
  stream->waits.clear();
  if (stream->last != kNone) after.push_back(stream->last);
  stream->last = queue.Add(std::move(run), std::move(after));
  return cudaSuccess;
}

template <typename Element, typename Sum>
void Gemm(int m, int n, int k, const void* a_data, int lda, const void* b_data, int ldb,
          void* c_data, int ldc, float (*widen)(Element)) {
  const auto* a = static_cast<const Element*>(a_data);
  const auto* b = static_cast<const Element*>(b_data);
  auto* c = static_cast<Sum*>(c_data);
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < m; ++i) {
      Sum sum = 0;
      for (int l = 0; l < k; ++l)
        sum += static_cast<Sum>(widen(a[static_cast<std::int64_t>(i) * lda + l])) *
               static_cast<Sum>(widen(b[static_cast<std::int64_t>(j) * ldb + l]));
      c[static_cast<std::int64_t>(j) * ldc + i] = sum;
    }
}

float WidenHalf(std::uint16_t bits) {
  _Float16 value;
  std::memcpy(&value, &bits, sizeof(value));
  return static_cast<float>(value);
}
float WidenBFloat(std::uint16_t bits) {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

}  // namespace

namespace equipoise::cuda {
cudaError_t FakeEnqueue(cudaStream_t stream, std::function<void()> work) {
  const Lock lock(TheFake().mutex);
  if (const cudaError_t error = Chance(); error != cudaSuccess) return error;
  return Enqueue(stream, std::move(work));
}
}  // namespace equipoise::cuda

FAKE_API void fake_cuda_fail_after(int calls, int error) {
  Fake& fake = TheFake();
  const Lock lock(fake.mutex);
  fake.fail_after = calls;
  fake.fail_with = static_cast<cudaError_t>(error);
  fake.failed = false;
}
FAKE_API bool fake_cuda_has_failed() { return TheFake().failed; }
FAKE_API unsigned long long fake_cuda_live_bytes() {
  const Lock lock(TheFake().mutex);
  unsigned long long bytes = 0;
  for (const auto& [at, size] : TheFake().memory) bytes += size;
  return bytes;
}
FAKE_API unsigned long long fake_cuda_allocations() { return TheFake().allocations; }
FAKE_API unsigned long long fake_cuda_graph_launches() { return TheFake().graph_launches; }

// Calls that can fail take their chance.
#define FAKE_CALL()                 \
  const Lock lock(TheFake().mutex); \
  if (const cudaError_t error = Chance(); error != cudaSuccess) return error

extern "C" {

cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t) { return "it was asked to fail"; }
const char* cudaGetErrorName(cudaError_t) { return "cudaErrorFake"; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  // Small, so that a few thousand items are several tiles.
  *value = attribute == cudaDevAttrMultiProcessorCount ? 3
           : attribute == cudaDevAttrL2CacheSize       ? 64 << 10
                                                       : 9;
  return cudaSuccess;
}

static cudaError_t Allocate(void** at, std::size_t bytes) {
  FAKE_CALL();
  *at = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*at == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*at, 0xa5, bytes);
  TheFake().memory[*at] = bytes;
  ++TheFake().allocations;
  return cudaSuccess;
}
static cudaError_t Release(void* at) {
  const Lock lock(TheFake().mutex);
  if (TheFake().memory.erase(at) != 1) return cudaErrorInvalidValue;
  std::free(at);
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** at, std::size_t bytes) { return Allocate(at, bytes); }
cudaError_t cudaMallocHost(void** at, std::size_t bytes) { return Allocate(at, bytes); }
cudaError_t cudaFree(void* at) { return Release(at); }
cudaError_t cudaFreeHost(void* at) { return Release(at); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  FAKE_CALL();
  *stream = new CUstream_st;
  TheFake().streams.push_back(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(TheFake().mutex);
  std::erase(TheFake().streams, stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  FAKE_CALL();
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  FAKE_CALL();
  Enqueue(stream, nullptr);
  *event = {stream->queue, stream->last, TheFake().epoch};
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  FAKE_CALL();
  if (event->work == kNone) return cudaSuccess;
  if (event->queue == nullptr && event->epoch != TheFake().epoch) return cudaSuccess;
  if (event->queue != stream->queue) {
    // A stream joins a recording by waiting for it; never the other way round.
    if (event->queue == nullptr) return cudaErrorStreamCaptureIsolation;
    *stream = {event->queue, kNone, {}};
  }
  stream->waits.push_back(event->work);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Fake& fake = TheFake();
  const Lock lock(fake.mutex);
  if (stream->queue != nullptr) return cudaErrorStreamCaptureUnsupported;
  Enqueue(stream, nullptr);
  std::vector<bool> needed(fake.queue.work.size(), false);
  fake.queue.Need(stream->last, needed);
  fake.queue.Run(needed, fake.random);
  const auto done = [](const Work& work) { return work.done; };
  if (std::all_of(fake.queue.work.begin(), fake.queue.work.end(), done)) {
    fake.queue.work.clear();
    ++fake.epoch;
    for (cudaStream_t each : fake.streams)
      if (each->queue == nullptr) *each = {};
  }
  return Chance();
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  FAKE_CALL();
  return Enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind, cudaStream_t stream) {
  FAKE_CALL();
  return Enqueue(stream, [=] {
    for (std::size_t i = 0; i < height; ++i)
      std::memcpy(static_cast<char*>(to) + i * to_pitch,
                  static_cast<const char*>(from) + i * from_pitch, width);
  });
}
cudaError_t cudaMemsetAsync(void* at, int value, std::size_t bytes, cudaStream_t stream) {
  FAKE_CALL();
  return Enqueue(stream, [=] { std::memset(at, value, bytes); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  FAKE_CALL();
  *stream = {new Queue, kNone, {}};
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(TheFake().mutex);
  const std::unique_ptr<Queue> queue(stream->queue);
  std::vector<bool> needed(queue->work.size(), false);
  if (stream->last != kNone) queue->Need(stream->last, needed);
  for (std::size_t wait : stream->waits) queue->Need(wait, needed);
  for (cudaStream_t each : TheFake().streams)
    if (each->queue == queue.get()) *each = {};
  *graph = nullptr;
  if (std::find(needed.begin(), needed.end(), false) != needed.end())
    return cudaErrorStreamCaptureUnjoined;
  if (const cudaError_t error = Chance(); error != cudaSuccess) return error;
  *graph = new CUgraph_st{*queue};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                          unsigned long long) {
  FAKE_CALL();
  *exec = new CUgraphExec_st{graph->queue};
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  FAKE_CALL();
  ++TheFake().graph_launches;
  return Enqueue(stream, [exec] {
    Queue queue = exec->queue;
    queue.Run(std::vector<bool>(queue.work.size(), true), TheFake().random);
  });
}

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  const Lock lock(TheFake().mutex);
  if (Chance() != cudaSuccess) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, std::size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasGetStatusString(cublasStatus_t) { return "it was asked to fail"; }
const char* cublasGetStatusName(cublasStatus_t) { return "CUBLAS_STATUS_FAKE"; }

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                            int m, int n, int k, const void*, const void* a, cudaDataType a_type,
                            int lda, const void* b, cudaDataType b_type, int ldb, const void*,
                            void* c, cudaDataType c_type, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t) {
  const Lock lock(TheFake().mutex);
  if (Chance() != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
  const bool codes = a_type == CUDA_R_8I;
  if (op_a != CUBLAS_OP_T || op_b != CUBLAS_OP_N || a_type != b_type || lda < k || ldb < k ||
      ldc < m || c_type != (codes ? CUDA_R_32I : CUDA_R_32F) ||
      (compute == CUBLAS_COMPUTE_32I) != codes)
    return CUBLAS_STATUS_INVALID_VALUE;
  // What cuBLAS's documentation asks of 8-bit products.
  const auto aligned = [](const void* at) {
    return reinterpret_cast<std::uintptr_t>(at) % 16 == 0;
  };
  if (codes && (m % 4 != 0 || k % 4 != 0 || lda % 4 != 0 || ldb % 4 != 0 || ldc % 4 != 0 ||
                !aligned(a) || !aligned(b) || !aligned(c)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  Enqueue(handle->stream, [=] {
    if (a_type == CUDA_R_8I) {
      Gemm<std::int8_t, std::int32_t>(m, n, k, a, lda, b, ldb, c, ldc,
                                      [](std::int8_t x) { return static_cast<float>(x); });
    } else if (a_type == CUDA_R_16F) {
      Gemm<std::uint16_t, float>(m, n, k, a, lda, b, ldb, c, ldc, &WidenHalf);
    } else if (a_type == CUDA_R_16BF) {
      Gemm<std::uint16_t, float>(m, n, k, a, lda, b, ldb, c, ldc, &WidenBFloat);
    } else {
      Gemm<float, float>(m, n, k, a, lda, b, ldb, c, ldc, [](float x) { return x; });
    }
  });
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
