// AVX-512 F, BW, DQ and VL: packed numbers in 256-bit registers, sums in 512-bit ones.
#include "cpu/postings_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kStep = 64;

#include "cpu/postings_ymm.inc"

class Bar {
 public:
  explicit Bar(std::int32_t bits) : bar_(_mm512_set1_epi32(bits)) {}
  std::uint64_t Above(float* sums, float* values) const {
    const __m512i none = _mm512_set1_epi32(static_cast<int>(0x80000000u));
    __m512i all[4];
    std::uint64_t out = 0;
    for (int i = 0; i < 4; ++i) {
      all[i] = _mm512_loadu_si512(sums + 16 * i);
      out |= std::uint64_t{_mm512_cmpgt_epi32_mask(all[i], bar_)} << (16 * i);
      _mm512_storeu_si512(sums + 16 * i, none);
    }
    if (out != 0)
      for (int i = 0; i < 4; ++i) _mm512_storeu_si512(values + 16 * i, all[i]);
    return out;
  }

 private:
  __m512i bar_;
};

#include "cpu/postings_loops.inc"

}  // namespace

const PostingsTable* PostingsAvx512() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const PostingsTable* PostingsAvx512() { return nullptr; }
}  // namespace equipoise

#endif
