// What a call borrows: two streams, a cuBLAS handle, one allocation on the device, pinned memory, and
// the graphs recorded over them. A small pool of these serves all callers, one each at a time.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "cuda/plan.h"
#include "cuda/plugin_api.h"

namespace equipoise::cuda {

/// Thrown within the plug-in; plugin.cc turns it into a code and a message.
struct Failure {
  EquipoiseCudaCode code;
  std::string message;
};

/// Throws unless the call succeeded; `call` names it in the message.
void Check(cudaError_t error, const char* call);
void Check(cublasStatus_t status, const char* call);

/// Device 0 is the calling thread's for as long as this lives; then the one it had before.
class DeviceGuard {
 public:
  DeviceGuard();
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_ = 0;
};

/// Processors and cache of device 0, asked for once.
const DeviceShape& ThisDevice();

/// Memory on the device, or pinned memory of the host.
class Memory {
 public:
  enum class Kind { kDevice, kPinned };
  explicit Memory(Kind kind) : kind_(kind) {}
  ~Memory() { Free(); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Makes room for `bytes`; what was there is lost if it grows. Returns whether it did.
  bool Grow(std::size_t bytes);
  char* data() const { return static_cast<char*>(data_); }
  std::size_t bytes() const { return bytes_; }

 private:
  void Free();
  Kind kind_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// The calls that one graph answers: everything that is a constant inside it.
struct GraphKey {
  std::uint64_t set = 0;
  std::uint32_t rows = 0;
  std::uint32_t k = 0;
  Type type = Type::kFloat32;
  float factor = 0;

  bool operator==(const GraphKey& other) const {
    return set == other.set && rows == other.rows && k == other.k && type == other.type &&
           factor == other.factor;
  }
};

struct Graph {
  GraphKey key;
  bool refused = false;  // could not be recorded; not tried again
  cudaGraphExec_t exec = nullptr;
};

class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  /// Room on the device, and pinned memory for what goes in and comes out. Graphs hold addresses:
  /// they are dropped where one of these grows.
  void Reserve(std::size_t device, std::size_t in, std::size_t out);

  /// The entry of the key, or null. The next call finds what AddGraph made; the oldest goes.
  Graph* FindGraph(const GraphKey& key);
  void AddGraph(const GraphKey& key);
  void DropGraphs();

  cudaStream_t main = nullptr;
  cudaStream_t side = nullptr;
  cudaEvent_t started = nullptr, ended = nullptr;
  cudaEvent_t product_done[2] = {nullptr, nullptr};
  cudaEvent_t scan_done[2] = {nullptr, nullptr};
  cublasHandle_t blas = nullptr;
  Memory arena{Memory::Kind::kDevice};
  Memory in{Memory::Kind::kPinned};
  Memory out{Memory::Kind::kPinned};

 private:
  void Destroy();
  Memory blas_scratch_{Memory::Kind::kDevice};
  std::vector<Graph> graphs_;
};

/// A workspace of the pool, given back at the end; waits where all are in use. Where an error leaves
/// work queued, that ends first: it may use memory of the caller's, or of a set that is going.
class Lease {
 public:
  Lease();
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Workspace& operator*() const { return *workspace_; }
  Workspace* operator->() const { return workspace_.get(); }

 private:
  std::unique_ptr<Workspace> workspace_;
  int exceptions_;
};

}  // namespace equipoise::cuda
