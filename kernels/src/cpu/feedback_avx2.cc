// AVX2 and FMA: four doubles a register.
#include "cpu/feedback_table.h"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 4;

#include "cpu/feedback_vectors.inc"

inline Doubles Widen(Floats a) { return _mm256_cvtps_pd(a); }
// The second where the first is NaN.
inline Doubles Most(Doubles a, Doubles b) { return _mm256_max_pd(a, b); }
// One bit a lane.
inline unsigned Bits(Mask mask) {
  return static_cast<unsigned>(_mm256_movemask_pd(reinterpret_cast<__m256d>(mask)));
}

#include "cpu/feedback_loops.inc"

constexpr FeedbackTable kTable = {SumLoop, Weigh, FirstOtherLoop};

}  // namespace

const FeedbackTable* FeedbackAvx2() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const FeedbackTable* FeedbackAvx2() { return nullptr; }
}  // namespace equipoise

#endif
