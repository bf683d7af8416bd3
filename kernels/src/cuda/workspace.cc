#include "cuda/workspace.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace equipoise::cuda {
namespace {

// Callers at once; each workspace holds some ten to a hundred MiB of the device.
constexpr std::size_t kMostWorkspaces = 8;
constexpr std::size_t kMostGraphs = 16;
// What cuBLAS asks for on Hopper; with memory of ours it allocates none, which a graph needs.
constexpr std::size_t kBlasScratch = std::size_t{32} << 20;

struct Pool {
  std::mutex mutex;
  std::condition_variable returned;
  std::vector<std::unique_ptr<Workspace>> idle;
  std::size_t made = 0;
};

// Never destroyed: at the process's end the driver may be gone before us.
Pool& ThePool() {
  static Pool* const pool = new Pool;
  return *pool;
}

}  // namespace

void Check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // so that the next call does not report it again
  const bool memory = error == cudaErrorMemoryAllocation;
  throw Failure{
      memory ? kEquipoiseCudaOutOfMemory : kEquipoiseCudaDevice,
      std::string(call) + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")"};
}

void Check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  cudaGetLastError();
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Failure{memory ? kEquipoiseCudaOutOfMemory : kEquipoiseCudaDevice,
                std::string(call) + ": " + cublasGetStatusString(status) + " (" +
                    cublasGetStatusName(status) + ")"};
}

DeviceGuard::DeviceGuard() {
  Check(cudaGetDevice(&before_), "cudaGetDevice");
  if (before_ != 0) Check(cudaSetDevice(0), "cudaSetDevice");
}

DeviceGuard::~DeviceGuard() {
  if (before_ != 0) cudaSetDevice(before_);
}

const DeviceShape& ThisDevice() {
  static const DeviceShape shape = [] {
    int processors = 0;
    int cache = 0;
    Check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0),
          "cudaDeviceGetAttribute");
    Check(cudaDeviceGetAttribute(&cache, cudaDevAttrL2CacheSize, 0), "cudaDeviceGetAttribute");
    DeviceShape found;
    found.processors = static_cast<unsigned>(std::max(processors, 1));
    // A device that names no cache still needs tiles of some size.
    found.l2_bytes = static_cast<std::size_t>(cache > 0 ? cache : 4 << 20);
    return found;
  }();
  return shape;
}

bool Memory::Grow(std::size_t bytes) {
  if (bytes <= bytes_) return false;
  Free();
  if (kind_ == Kind::kDevice) {
    Check(cudaMalloc(&data_, bytes), "cudaMalloc");
  } else {
    Check(cudaMallocHost(&data_, bytes), "cudaMallocHost");
  }
  bytes_ = bytes;
  return true;
}

void Memory::Free() {
  if (data_ != nullptr) {
    if (kind_ == Kind::kDevice) {
      cudaFree(data_);
    } else {
      cudaFreeHost(data_);
    }
  }
  data_ = nullptr;
  bytes_ = 0;
}

Workspace::Workspace() {
  try {
    Check(cudaStreamCreateWithFlags(&main, cudaStreamNonBlocking), "cudaStreamCreate");
    Check(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking), "cudaStreamCreate");
    for (cudaEvent_t* event :
         {&started, &ended, &product_done[0], &product_done[1], &scan_done[0], &scan_done[1]})
      Check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreate");
    blas_scratch_.Grow(kBlasScratch);
    Check(cublasCreate(&blas), "cublasCreate");
    Check(cublasSetStream(blas, main), "cublasSetStream");
    // After SetStream, which resets it.
    Check(cublasSetWorkspace(blas, blas_scratch_.data(), blas_scratch_.bytes()),
          "cublasSetWorkspace");
  } catch (...) {
    Destroy();
    throw;
  }
}

Workspace::~Workspace() { Destroy(); }

void Workspace::Destroy() {
  DropGraphs();
  if (blas != nullptr) cublasDestroy(blas);
  for (cudaEvent_t event :
       {started, ended, product_done[0], product_done[1], scan_done[0], scan_done[1]})
    if (event != nullptr) cudaEventDestroy(event);
  if (side != nullptr) cudaStreamDestroy(side);
  if (main != nullptr) cudaStreamDestroy(main);
}

void Workspace::Reserve(std::size_t device, std::size_t in_bytes, std::size_t out_bytes) {
  if (device <= arena.bytes() && in_bytes <= in.bytes() && out_bytes <= out.bytes()) return;
  // Before the memory goes that they hold addresses of, also where a Grow throws.
  DropGraphs();
  arena.Grow(device);
  in.Grow(in_bytes);
  out.Grow(out_bytes);
}

Graph* Workspace::FindGraph(const GraphKey& key) {
  for (Graph& graph : graphs_)
    if (graph.key == key) return &graph;
  return nullptr;
}

void Workspace::AddGraph(const GraphKey& key) {
  if (graphs_.size() == kMostGraphs) {
    if (graphs_.front().exec != nullptr) cudaGraphExecDestroy(graphs_.front().exec);
    graphs_.erase(graphs_.begin());
  }
  graphs_.push_back({key, false, nullptr});
}

void Workspace::DropGraphs() {
  for (const Graph& graph : graphs_)
    if (graph.exec != nullptr) cudaGraphExecDestroy(graph.exec);
  graphs_.clear();
}

Lease::Lease() : exceptions_(std::uncaught_exceptions()) {
  Pool& pool = ThePool();
  std::unique_lock<std::mutex> lock(pool.mutex);
  pool.returned.wait(lock, [&] { return !pool.idle.empty() || pool.made < kMostWorkspaces; });
  if (!pool.idle.empty()) {
    // The one used last: it has the memory and, for a caller who repeats a call, the graph.
    workspace_ = std::move(pool.idle.back());
    pool.idle.pop_back();
    return;
  }
  // So that giving one back never allocates.
  pool.idle.reserve(kMostWorkspaces);
  ++pool.made;
  lock.unlock();
  try {
    workspace_ = std::make_unique<Workspace>();
  } catch (...) {
    lock.lock();
    --pool.made;
    pool.returned.notify_one();
    throw;
  }
}

Lease::~Lease() {
  if (std::uncaught_exceptions() > exceptions_) {
    cudaStreamSynchronize(workspace_->main);
    cudaStreamSynchronize(workspace_->side);
    cudaGetLastError();
  }
  Pool& pool = ThePool();
  const std::lock_guard<std::mutex> lock(pool.mutex);
  pool.idle.push_back(std::move(workspace_));
  pool.returned.notify_one();
}

}  // namespace equipoise::cuda
