#include <equipoise/kernels/feedback_pass.h>
#include <equipoise/kernels/hardware.h>

#include "cpu/dispatch.h"
#include "cpu/feedback_table.h"

namespace equipoise {

const FeedbackTable& FeedbackKernels(SimdLevel level) {
  const FeedbackTable* table = nullptr;
  switch (level) {
    case SimdLevel::kAvx2:
      table = FeedbackAvx2();
      break;
    case SimdLevel::kAvx512:
    case SimdLevel::kAvx512Vnni:
      table = FeedbackAvx512();
      break;
    case SimdLevel::kNeon:
      table = FeedbackNeon();
      break;
    case SimdLevel::kAuto:
    case SimdLevel::kScalar:
      break;
  }
  return table != nullptr ? *table : *FeedbackScalar();
}

namespace {

const FeedbackTable& Chosen() {
  static const FeedbackTable& table = FeedbackKernels(DefaultKernels().level);
  return table;
}

}  // namespace

RatingSums SumRatings(const float* ratings, std::size_t n, float low, float high, double shift) {
  return Chosen().sum(ratings, n, low, high, shift);
}

std::size_t FirstOther(const float* ratings, std::size_t n, float low, float high,
                       const float* known, std::size_t count) {
  return Chosen().first_other(ratings, n, low, high, known, count);
}

WeighSums WeighRatings(const float* ratings, const double* times, const float* confidence,
                       const double* rates, std::size_t n, const WeighSettings& settings,
                       float* weights, std::uint8_t* verdicts) {
  return Chosen().weigh(ratings, times, confidence, rates, n, settings, weights, verdicts);
}

}  // namespace equipoise
