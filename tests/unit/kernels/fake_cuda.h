// A CUDA runtime and a cuBLAS on the host, for the plug-in's own host code: what is queued runs late,
// in any order that streams, events and graphs allow, drawn from a seed. A missing event or a buffer
// that is used again too early gives a wrong answer.
#pragma once

#include <functional>

#include <cuda_runtime_api.h>

namespace equipoise::cuda {

/// Queues work as a kernel launch does.
cudaError_t FakeEnqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace equipoise::cuda

extern "C" {
/// The call after the next `calls` ones that can fail returns `error` (a cudaError_t), once; -1: none.
void fake_cuda_fail_after(int calls, int error);
/// Whether it has.
bool fake_cuda_has_failed();
/// Allocated and not freed, of the device and pinned.
unsigned long long fake_cuda_live_bytes();
/// Allocations so far; graphs launched so far.
unsigned long long fake_cuda_allocations();
unsigned long long fake_cuda_graph_launches();
}
