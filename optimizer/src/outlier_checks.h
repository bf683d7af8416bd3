// What the filter's one-pass path shares with FindOutliers.
#pragma once

#include <cstdint>

#include <equipoise/core/status.h>
#include <equipoise/optimizer/outliers.h>

namespace equipoise {

Status CheckOutlierOptions(const char* function, const OutlierOptions& options);

/// No sample of n values can have one that the method flags.
bool CannotFlag(const OutlierOptions& options, double n);

}  // namespace equipoise
