// Whether ratings have more than a few different values.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <equipoise/kernels/feedback_pass.h>

#include "feedback_rows.h"

namespace equipoise {

inline constexpr int kMostFewValues = 64;

struct TakeAll {
  bool operator()(std::uint64_t) const { return true; }
};

/// Whether the ratings from low to high that `takes(row)` says have more than `few` different values.
/// Range    few in [0, kMostFewValues]
template <typename Takes = TakeAll>
bool HasMoreValues(const FeedbackColumn<float>& ratings, float low, float high, int few,
                   const Takes& takes = {}) {
  std::array<float, kMostFewValues> known;  // NOLINT: not initialized, the hot path makes one
  std::size_t count = 0;
  const auto most = static_cast<std::size_t>(few);
  const auto is_known = [&](float x) {
    for (std::size_t k = 0; k < count; ++k)
      if (known[k] == x) return true;
    return false;
  };
  // Ratings that are no few have shown so after some; only of those that are, all are read.
  constexpr std::uint64_t kSingly = 64;
  for (std::uint64_t i = 0; i < std::min(ratings.size, kSingly); ++i) {
    const float x = ratings[i];
    if (!(x >= low && x <= high) || !takes(i) || is_known(x)) continue;
    if (count == most) return true;
    known[count++] = x;
  }
  float scratch[kFeedbackBlock];  // NOLINT: not initialized
  for (std::uint64_t begin = kSingly; begin < ratings.size; begin += kFeedbackBlock) {
    const auto n =
        static_cast<std::size_t>(std::min<std::uint64_t>(kFeedbackBlock, ratings.size - begin));
    const float* block = BlockOf(ratings, begin, n, scratch);
    if constexpr (!std::is_same_v<Takes, TakeAll>) {
      for (std::size_t i = 0; i < n; ++i) scratch[i] = takes(begin + i) ? block[i] : std::nanf("");
      block = scratch;
    }
    for (std::size_t i = 0;; ++i) {
      i += FirstOther(block + i, n - i, low, high, known.data(), count);
      if (i == n) break;
      if (count == most) return true;
      known[count++] = block[i];
    }
  }
  return false;
}

}  // namespace equipoise
