/// What "similar" means, the same words everywhere in the library.
#pragma once

#include <cstdint>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Higher is better for every metric. The numbers are stored in files.
enum class Metric : std::uint8_t {
  kCosine = 0,  ///< inner product of unit vectors, in [−1, 1] up to rounding; zero vectors score 0
  kL2 = 1,      ///< −‖q − x‖²: at most 0
  kInnerProduct = 2,  ///< q · x
};

/// "cosine", "l2" or "ip".
EQUIPOISE_API std::string_view MetricName(Metric metric);
/// Errors   kInvalidArgument: no such name (those there are listed)
EQUIPOISE_API Result<Metric> ParseMetric(std::string_view name);

}  // namespace equipoise
