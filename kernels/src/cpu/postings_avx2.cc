// AVX2: 8 numbers a register.
#include "cpu/postings_table.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kStep = 32;

#include "cpu/postings_ymm.inc"

class Bar {
 public:
  explicit Bar(std::int32_t bits) : bar_(_mm256_set1_epi32(bits)) {}
  std::uint64_t Above(float* sums, float* values) const {
    const __m256i none = _mm256_set1_epi32(static_cast<int>(0x80000000u));
    __m256i all[4], above[4];
    for (int i = 0; i < 4; ++i) {
      auto* const at = reinterpret_cast<__m256i*>(sums + 8 * i);
      all[i] = _mm256_loadu_si256(at);
      above[i] = _mm256_cmpgt_epi32(all[i], bar_);
      _mm256_storeu_si256(at, none);
    }
    const __m256i any =
        _mm256_or_si256(_mm256_or_si256(above[0], above[1]), _mm256_or_si256(above[2], above[3]));
    if (_mm256_testz_si256(any, any)) return 0;
    std::uint64_t out = 0;
    for (int i = 0; i < 4; ++i) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + 8 * i), all[i]);
      const auto bits = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(above[i])));
      out |= std::uint64_t{bits} << (8 * i);
    }
    return out;
  }

 private:
  __m256i bar_;
};

#include "cpu/postings_loops.inc"

}  // namespace

const PostingsTable* PostingsAvx2() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const PostingsTable* PostingsAvx2() { return nullptr; }
}  // namespace equipoise

#endif
