// The kernels' bodies (score.h, select.h, dot_tile.h, rows.h) as kernels.
#include <algorithm>

#include "cuda/kernels.h"

namespace equipoise::cuda {
namespace {

extern __shared__ Bytes16 shared_memory[];

/// Block of device.h.
struct CudaBlock {
  __device__ __forceinline__ unsigned thread() const { return threadIdx.x; }
  // A constant, so that strides are immediate operands: every launch below has kThreads threads.
  __device__ __forceinline__ static constexpr unsigned threads() { return kThreads; }
  __device__ __forceinline__ unsigned x() const { return blockIdx.x; }
  __device__ __forceinline__ unsigned y() const { return blockIdx.y; }
  __device__ __forceinline__ unsigned grid_x() const { return gridDim.x; }
  __device__ __forceinline__ std::uint64_t* shared() const {
    return reinterpret_cast<std::uint64_t*>(shared_memory);
  }
  __device__ __forceinline__ void Sync() const { __syncthreads(); }
  __device__ __forceinline__ bool Any(bool value) const { return __syncthreads_or(value) != 0; }
  template <typename T>
  __device__ __forceinline__ T ShuffleXor(T value, unsigned mask) const {
    return __shfl_xor_sync(0xffffffffu, value, static_cast<int>(mask));
  }
  __device__ __forceinline__ unsigned AtomicAdd(unsigned* at, unsigned value) const {
    return atomicAdd(at, value);
  }
};

template <ScoreKind kKind>
__global__ void __launch_bounds__(kThreads) ScoreKernel(ScoreArgs args) {
  CudaBlock block;
  ScoreBody<kKind>(block, args);
}

template <ScoreKind kKind>
__global__ void __launch_bounds__(kThreads) ScanKernel(ScanArgs args) {
  CudaBlock block;
  ScanBody<kKind>(block, args);
}

__global__ void __launch_bounds__(kThreads) MergeKernel(MergeArgs args) {
  CudaBlock block;
  MergeBody(block, args);
}

template <typename Element, unsigned kQueries>
__global__ void __launch_bounds__(kThreads, 2) DotKernel(DotArgs args) {
  CudaBlock block;
  DotBody<Element, kQueries>(block, args);
}

template <typename Element>
__global__ void __launch_bounds__(kThreads) NormKernel(NormArgs args) {
  CudaBlock block;
  NormBody<Element>(block, args);
}

__global__ void __launch_bounds__(kThreads) NormalizeKernel(NormalizeArgs args) {
  CudaBlock block;
  NormalizeBody(block, args);
}

__global__ void __launch_bounds__(kThreads) SoftmaxKernel(SoftmaxArgs args) {
  CudaBlock block;
  SoftmaxBody(block, args);
}

template <typename Element>
__global__ void __launch_bounds__(kThreads) SplitKernel(SplitArgs args) {
  CudaBlock block;
  SplitBody<Element>(block, args);
}

template <typename To>
__global__ void __launch_bounds__(kThreads) ConvertKernel(ConvertArgs args) {
  CudaBlock block;
  ConvertBody<To>(block, args);
}

__global__ void __launch_bounds__(kThreads) SignKernel(SignArgs args) {
  CudaBlock block;
  SignBody(block, args);
}

// Calls with a ScoreKind as a template argument.
template <template <ScoreKind> class Launch, typename... Args>
cudaError_t ForKind(ScoreKind kind, const Args&... args) {
  switch (kind) {
    case ScoreKind::kCodesInnerProduct:
      Launch<ScoreKind::kCodesInnerProduct>::Run(args...);
      break;
    case ScoreKind::kCodesL2:
      Launch<ScoreKind::kCodesL2>::Run(args...);
      break;
    case ScoreKind::kCodesCosine:
      Launch<ScoreKind::kCodesCosine>::Run(args...);
      break;
    case ScoreKind::kInnerProduct:
      Launch<ScoreKind::kInnerProduct>::Run(args...);
      break;
    case ScoreKind::kL2:
      Launch<ScoreKind::kL2>::Run(args...);
      break;
    case ScoreKind::kCosine:
      Launch<ScoreKind::kCosine>::Run(args...);
      break;
  }
  return cudaGetLastError();
}

template <ScoreKind kKind>
struct RunScore {
  static void Run(const ScoreArgs& args, cudaStream_t stream) {
    const dim3 grid(CeilDivide(args.tile.columns, kThreads), args.tile.rows);
    ScoreKernel<kKind><<<grid, kThreads, 0, stream>>>(args);
  }
};

template <ScoreKind kKind>
struct RunScan {
  static void Run(const ScanArgs& args, cudaStream_t stream) {
    const dim3 grid(args.slices, args.tile.rows);
    const std::size_t shared = 8 * (std::size_t{args.capacity} + 1);
    ScanKernel<kKind><<<grid, kThreads, shared, stream>>>(args);
  }
};

template <typename Element>
cudaError_t RunDot(unsigned queries, const DotArgs& args, unsigned processors,
                   cudaStream_t stream) {
  const unsigned blocks = std::min(CeilDivide(args.count, kDotStep), 4 * processors);
  const std::size_t shared = DotSharedBytes<Element>(args.row_bytes, queries);
  if (queries == 1) {
    DotKernel<Element, 1><<<blocks, kThreads, shared, stream>>>(args);
  } else if (queries == 4) {
    DotKernel<Element, 4><<<blocks, kThreads, shared, stream>>>(args);
  } else {
    DotKernel<Element, 8><<<blocks, kThreads, shared, stream>>>(args);
  }
  return cudaGetLastError();
}

// Blocks of a grid-stride loop over n elements.
unsigned BlocksFor(std::uint64_t n) {
  return static_cast<unsigned>(
      std::min<std::uint64_t>(CeilDivide<std::uint64_t>(n, kThreads), 4096));
}

constexpr std::size_t kReduceBytes = kThreads * sizeof(double);

}  // namespace

cudaError_t LaunchScore(ScoreKind kind, const ScoreArgs& args, cudaStream_t stream) {
  return ForKind<RunScore>(kind, args, stream);
}

cudaError_t LaunchScan(ScoreKind kind, const ScanArgs& args, cudaStream_t stream) {
  return ForKind<RunScan>(kind, args, stream);
}

cudaError_t LaunchMerge(const MergeArgs& args, std::uint32_t rows, std::uint32_t most,
                        cudaStream_t stream) {
  const dim3 grid(CeilDivide(args.lists, args.fan), rows);
  std::size_t keys = std::max(most, args.k);
  std::size_t power = 1;
  while (power < keys) power *= 2;
  MergeKernel<<<grid, kThreads, 8 * power, stream>>>(args);
  return cudaGetLastError();
}

cudaError_t LaunchDot(Type items, unsigned queries, const DotArgs& args, unsigned processors,
                      cudaStream_t stream) {
  switch (items) {
    case Type::kFloat32:
      return RunDot<float>(queries, args, processors, stream);
    case Type::kFloat16:
      return RunDot<Half>(queries, args, processors, stream);
    case Type::kBFloat16:
      return RunDot<BFloat>(queries, args, processors, stream);
    case Type::kInt8:
      break;
  }
  return RunDot<std::int8_t>(queries, args, processors, stream);
}

cudaError_t LaunchNorms(Type rows, const NormArgs& args, cudaStream_t stream) {
  const auto blocks =
      static_cast<unsigned>(CeilDivide<std::uint64_t>(args.count, kThreads / kWarp));
  switch (rows) {
    case Type::kFloat32:
      NormKernel<float><<<blocks, kThreads, 0, stream>>>(args);
      break;
    case Type::kFloat16:
      NormKernel<Half><<<blocks, kThreads, 0, stream>>>(args);
      break;
    case Type::kBFloat16:
      NormKernel<BFloat><<<blocks, kThreads, 0, stream>>>(args);
      break;
    case Type::kInt8:
      NormKernel<std::int8_t><<<blocks, kThreads, 0, stream>>>(args);
      break;
  }
  return cudaGetLastError();
}

cudaError_t LaunchNormalize(NormalizeArgs args, std::uint64_t rows, cudaStream_t stream) {
  constexpr std::uint64_t kMostBlocks = 1u << 30;
  const std::uint64_t end = args.first + rows;
  for (; args.first < end; args.first += kMostBlocks) {
    const auto blocks = static_cast<unsigned>(std::min(kMostBlocks, end - args.first));
    NormalizeKernel<<<blocks, kThreads, kReduceBytes, stream>>>(args);
  }
  return cudaGetLastError();
}

cudaError_t LaunchSoftmax(const SoftmaxArgs& args, std::uint32_t rows, cudaStream_t stream) {
  SoftmaxKernel<<<rows, kThreads, kReduceBytes, stream>>>(args);
  return cudaGetLastError();
}

cudaError_t LaunchSplit(Type items, const SplitArgs& args, std::uint32_t rows,
                        cudaStream_t stream) {
  if (items == Type::kFloat16) {
    SplitKernel<Half><<<rows, kThreads, kReduceBytes, stream>>>(args);
  } else {
    SplitKernel<BFloat><<<rows, kThreads, kReduceBytes, stream>>>(args);
  }
  return cudaGetLastError();
}

cudaError_t LaunchConvert(Type to, const ConvertArgs& args, cudaStream_t stream) {
  const unsigned blocks = BlocksFor(args.n);
  if (to == Type::kFloat16) {
    ConvertKernel<Half><<<blocks, kThreads, 0, stream>>>(args);
  } else if (to == Type::kBFloat16) {
    ConvertKernel<BFloat><<<blocks, kThreads, 0, stream>>>(args);
  } else {
    ConvertKernel<std::uint8_t><<<blocks, kThreads, 0, stream>>>(args);
  }
  return cudaGetLastError();
}

cudaError_t LaunchSign(const SignArgs& args, cudaStream_t stream) {
  SignKernel<<<BlocksFor(args.count * args.stride), kThreads, 0, stream>>>(args);
  return cudaGetLastError();
}

cudaError_t CheckKernels() {
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, MergeKernel);
}

}  // namespace equipoise::cuda
