// What the filter's one-pass path shares with FindOutliers.
#pragma once

#include <array>
#include <cstdint>

#include <equipoise/core/status.h>
#include <equipoise/optimizer/outliers.h>

namespace equipoise {

inline constexpr int kMostFewValues = 64;

Status CheckOutlierOptions(const char* function, const OutlierOptions& options);

/// No sample of n values can have one that the method flags.
bool CannotFlag(const OutlierOptions& options, double n);

/// Counts different values up to a limit.
class DistinctValues {
 public:
  explicit DistinctValues(int limit) : limit_(limit) {}
  /// Takes a value in; true as soon as there were more than `limit` different ones.
  bool Exceeds(float x) {
    for (int i = 0; i < count_; ++i)
      if (values_[static_cast<std::size_t>(i)] == x) return false;
    if (count_ == limit_) return true;
    values_[static_cast<std::size_t>(count_++)] = x;
    return false;
  }

 private:
  int limit_;
  int count_ = 0;
  std::array<float, kMostFewValues> values_;  // not initialized: the hot path makes one
};

}  // namespace equipoise
