// Checks of SimilarityOptions, and what a GPU's failure means.
#pragma once

#include <equipoise/core/status.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise {

/// Errors   kInvalidArgument: threads or backend out of range
Status CheckOptions(const SimilarityOptions& options);

/// Whether the CPU can answer instead.
bool IsGpuFailure(const Status& status);

/// Tells that it does.
void Warn(const LogCallback& log, const Status& status);

}  // namespace equipoise
