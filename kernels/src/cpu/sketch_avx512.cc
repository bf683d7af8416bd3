// AVX-512 F, BW, DQ and VL without an instruction that counts bits: a table of the counts of nibbles.
#include <utility>

#include "cpu/sketch_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 16, kBlockRegs = 16;

#include "cpu/sketch_groups_ymm.inc"
#include "cpu/sketch_loops.inc"
#include "cpu/sketch_vectors.inc"
#include "cpu/sketch_vectors_links.inc"

// The planes of 64 bytes, low and high nibbles apart, so that they mask what the table is asked.
class Planes8 {
 public:
  // The highest plane counts 4 - bits instead of -bits for each nibble, so that bytes stay positive.
  static constexpr std::int64_t kOffset = 2 * 4 * 8 * 8;

  Planes8(const SketchConstants& query, std::size_t at) {
    const __m512i mask = _mm512_set1_epi8(15);
    EQUIPOISE_UNROLL for (std::size_t k = 0; k < kSketchPlanes; ++k) {
      const __m512i plane = _mm512_loadu_si512(query.planes + k * query.plane_stride + at);
      low_[k] = _mm512_and_si512(plane, mask);
      high_[k] = _mm512_and_si512(_mm512_srli_epi16(plane, 4), mask);
    }
  }

  __m512i Product(__m512i bytes) const {
    const __m128i ones = _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m512i count = _mm512_broadcast_i32x4(ones);
    const __m512i high_bytes = _mm512_srli_epi16(bytes, 4);
    __m512i sum = _mm512_setzero_si512();
    EQUIPOISE_UNROLL for (int k = 0; k < static_cast<int>(kSketchPlanes); ++k) {
      const __m512i table = k == 3
                                ? _mm512_sub_epi8(_mm512_set1_epi8(32), _mm512_slli_epi16(count, 3))
                                : _mm512_slli_epi16(count, static_cast<unsigned>(k));
      sum = _mm512_add_epi8(sum, _mm512_shuffle_epi8(table, _mm512_and_si512(bytes, low_[k])));
      sum =
          _mm512_add_epi8(sum, _mm512_shuffle_epi8(table, _mm512_and_si512(high_bytes, high_[k])));
    }
    return _mm512_sad_epu8(sum, _mm512_setzero_si512());
  }

 private:
  __m512i low_[kSketchPlanes], high_[kSketchPlanes];
};

#include "cpu/sketch_avx512.inc"
#include "cpu/sketch_avx512_links.inc"

constexpr SketchTable kTable = MakeTable<Words64, Nibbles, Links>(Below);

}  // namespace

const SketchTable* SketchAvx512() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const SketchTable* SketchAvx512() { return nullptr; }
}  // namespace equipoise

#endif
