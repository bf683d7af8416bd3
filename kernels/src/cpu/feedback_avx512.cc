// AVX-512 F, DQ and VL: eight doubles a register.
#include "cpu/feedback_table.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 8;

#include "cpu/feedback_vectors.inc"

inline Doubles Widen(Floats a) { return _mm512_cvtps_pd(a); }
// The second where the first is NaN.
inline Doubles Most(Doubles a, Doubles b) { return _mm512_max_pd(a, b); }
// One bit a lane.
inline unsigned Bits(Mask mask) {
  return static_cast<unsigned>(_mm512_movepi64_mask(reinterpret_cast<__m512i>(mask)));
}

#include "cpu/feedback_loops.inc"

constexpr FeedbackTable kTable = {SumLoop, Weigh, FirstOtherLoop};

}  // namespace

const FeedbackTable* FeedbackAvx512() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const FeedbackTable* FeedbackAvx512() { return nullptr; }
}  // namespace equipoise

#endif
