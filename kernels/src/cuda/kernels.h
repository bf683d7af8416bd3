// The kernels as the plug-in's host code starts them. Each returns what cudaGetLastError says of the
// launch; work is queued on `stream`.
#pragma once

#include <cuda_runtime_api.h>

#include "cuda/plan.h"
#include "cuda/rows.h"

namespace equipoise::cuda {

/// Every score of a tile.
cudaError_t LaunchScore(ScoreKind kind, const ScoreArgs& args, cudaStream_t stream);
/// The candidates of a tile.
cudaError_t LaunchScan(ScoreKind kind, const ScanArgs& args, cudaStream_t stream);
/// One round of merging. `most`: no list, or group of lists, has more keys.
cudaError_t LaunchMerge(const MergeArgs& args, std::uint32_t rows, std::uint32_t most,
                        cudaStream_t stream);
/// Products of `queries` (1, 4 or 8) with a tile's items.
cudaError_t LaunchDot(Type items, unsigned queries, const DotArgs& args, unsigned processors,
                      cudaStream_t stream);
cudaError_t LaunchNorms(Type rows, const NormArgs& args, cudaStream_t stream);
cudaError_t LaunchNormalize(NormalizeArgs args, std::uint64_t rows, cudaStream_t stream);
cudaError_t LaunchSoftmax(const SoftmaxArgs& args, std::uint32_t rows, cudaStream_t stream);
/// float32 queries as sums of 16-bit ones of the items' type.
cudaError_t LaunchSplit(Type items, const SplitArgs& args, std::uint32_t rows, cudaStream_t stream);
cudaError_t LaunchConvert(Type to, const ConvertArgs& args, cudaStream_t stream);
cudaError_t LaunchSign(const SignArgs& args, cudaStream_t stream);
/// An error where this build has no code for the device.
cudaError_t CheckKernels();

}  // namespace equipoise::cuda
