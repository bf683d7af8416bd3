// What each instruction set implements of feedback_pass.h. As with KernelTable, the files that fill a
// table include nothing with inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/kernels/feedback_pass.h>

namespace equipoise {

struct FeedbackTable {
  RatingSums (*sum)(const float* ratings, std::size_t n, float low, float high, double shift);
  WeighSums (*weigh)(const float* ratings, const double* times, const float* confidence,
                     const double* rates, std::size_t n, const WeighSettings& settings,
                     float* weights, std::uint8_t* verdicts);
  std::size_t (*first_other)(const float* ratings, std::size_t n, float low, float high,
                             const float* known, std::size_t count);
};

/// Null where this build lacks the level.
const FeedbackTable* FeedbackScalar();
const FeedbackTable* FeedbackAvx2();
const FeedbackTable* FeedbackAvx512();
const FeedbackTable* FeedbackNeon();

/// The table of a level that this machine has; the plain one where there is none for it.
const FeedbackTable& FeedbackKernels(SimdLevel level);

}  // namespace equipoise
