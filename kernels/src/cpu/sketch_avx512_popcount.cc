// AVX-512 F, BW, DQ and VL with VPOPCNTDQ, which counts the bits of 64-bit words.
#include <utility>

#include "cpu/sketch_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__) && defined(__AVX512VPOPCNTDQ__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 16, kBlockRegs = 16;

#include "cpu/sketch_groups_ymm.inc"
#include "cpu/sketch_loops.inc"
#include "cpu/sketch_vectors.inc"
#include "cpu/sketch_vectors_links.inc"

class Planes8 {
 public:
  static constexpr std::int64_t kOffset = 0;

  Planes8(const SketchConstants& query, std::size_t at) {
    EQUIPOISE_UNROLL for (std::size_t k = 0; k < kSketchPlanes; ++k) planes_[k] =
        _mm512_loadu_si512(query.planes + k * query.plane_stride + at);
  }

  __m512i Product(__m512i bytes) const {
    const auto count = [&](int k) {
      return _mm512_popcnt_epi64(_mm512_and_si512(bytes, planes_[k]));
    };
    const auto twice = [](__m512i a) { return _mm512_add_epi64(a, a); };
    const __m512i upper = _mm512_sub_epi64(count(2), twice(count(3)));
    const __m512i middle = _mm512_add_epi64(count(1), twice(upper));
    return _mm512_add_epi64(count(0), twice(middle));
  }

 private:
  __m512i planes_[kSketchPlanes];
};

#include "cpu/sketch_avx512.inc"
#include "cpu/sketch_avx512_links.inc"

constexpr SketchTable kTable = MakeTable<Words64, Nibbles, Links>(Below);

}  // namespace

const SketchTable* SketchAvx512Popcount() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const SketchTable* SketchAvx512Popcount() { return nullptr; }
}  // namespace equipoise

#endif
