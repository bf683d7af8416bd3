// Plain vectors of two doubles, which every processor's compiler knows: the level for where no better one fits.
#include "cpu/feedback_table.h"

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 2;

#include "cpu/feedback_vectors.inc"

inline Doubles Widen(Floats a) { return __builtin_convertvector(a, Doubles); }
// The second where the first is NaN.
inline Doubles Most(Doubles a, Doubles b) { return a > b ? a : b; }
// One bit a lane.
inline unsigned Bits(Mask mask) { return static_cast<unsigned>((mask[0] & 1) | (mask[1] & 2)); }

#include "cpu/feedback_loops.inc"

constexpr FeedbackTable kTable = {SumLoop, Weigh, FirstOtherLoop};

}  // namespace

const FeedbackTable* FeedbackScalar() { return &kTable; }

}  // namespace equipoise
