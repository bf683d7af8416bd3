// AVX2; bits are counted 64 at a time by popcnt, which is as fast here as tables of nibbles (vpshufb)
// and touches none but the words in use.
#include <utility>

#include "cpu/sketch_table.h"

#if defined(__AVX2__) && defined(__POPCNT__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 8, kBlockRegs = 8;

#include "cpu/sketch_loops.inc"
#include "cpu/sketch_vectors.inc"

struct Words64 {
  static std::uint64_t Signs(const float* x) {
    std::uint64_t word = 0;
    for (int i = 0; i < 8; ++i) {
      const __m256 above =
          _mm256_cmp_ps(_mm256_loadu_ps(x + 8 * i), _mm256_setzero_ps(), _CMP_GT_OQ);
      word |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_ps(above))} << (8 * i);
    }
    return word;
  }

  static std::int32_t Planes(const float* x, float scale, std::uint64_t* words) {
    __m256i sum = _mm256_setzero_si256();
    const auto steps = [&](const float* from) {
      const __m256 step = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(from), _mm256_set1_ps(scale)),
                                        _mm256_set1_ps(8));
      const __m256 low = _mm256_max_ps(step, _mm256_setzero_ps());
      const __m256i value = _mm256_sub_epi32(
          _mm256_cvttps_epi32(_mm256_min_ps(low, _mm256_set1_ps(15))), _mm256_set1_epi32(8));
      sum = _mm256_add_epi32(sum, value);
      return value;
    };
    for (std::size_t k = 0; k < kSketchPlanes; ++k) words[k] = 0;
    for (int half = 0; half < 2; ++half, x += 32) {
      const __m256i a = _mm256_packs_epi32(steps(x), steps(x + 8));
      const __m256i b = _mm256_packs_epi32(steps(x + 16), steps(x + 24));
      // Packing takes 128 bits of each in turn.
      const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b),
                                                        _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
      const auto plane = [&](int k, __m256i shifted) {
        const auto bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(shifted));
        words[k] |= std::uint64_t{bits} << (32 * half);
      };
      plane(0, _mm256_slli_epi16(bytes, 7));
      plane(1, _mm256_slli_epi16(bytes, 6));
      plane(2, _mm256_slli_epi16(bytes, 5));
      plane(3, _mm256_slli_epi16(bytes, 4));
    }
    return SumOf(sum);
  }

  static std::int32_t SumOf(__m256i a) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
  }
};

struct Nibbles {
  using Acc = __m256i;
  static Acc Zero() { return _mm256_setzero_si256(); }
  static std::int32_t Sum(Acc a) { return Words64::SumOf(a); }
  static __m256i Load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

  // Pairs of products of a nibble and a signed byte stay within 16 bits, four of them too.
  static Acc Dot(Acc acc, const std::uint8_t* nibbles, const std::int8_t* query) {
    const __m256i mask = _mm256_set1_epi8(15);
    const __m256i a = Load(nibbles), b = Load(nibbles + 32);
    const __m256i low =
        _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(a, mask), Load(query)),
                         _mm256_maddubs_epi16(_mm256_and_si256(b, mask), Load(query + 32)));
    const __m256i high = _mm256_add_epi16(
        _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(a, 4), mask), Load(query + 64)),
        _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(b, 4), mask), Load(query + 96)));
    return _mm256_add_epi32(acc,
                            _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1)));
  }

  static Acc L2(Acc acc, const std::uint8_t* nibbles, const std::uint8_t* codes) {
    const __m256i upper = _mm256_set1_epi8(static_cast<char>(0xf0)), middle = _mm256_set1_epi8(8);
    for (int i = 0; i < 2; ++i, nibbles += 32, codes += 32) {
      const __m256i bytes = Load(nibbles);
      const __m256i low = _mm256_and_si256(_mm256_slli_epi16(bytes, 4), upper);
      acc = Squares(acc, _mm256_or_si256(low, middle), Load(codes));
      acc = Squares(acc, _mm256_or_si256(_mm256_and_si256(bytes, upper), middle), Load(codes + 64));
    }
    return acc;
  }

  static Acc Squares(Acc acc, __m256i a, __m256i b) {
    // |a − b| has 8 bits but no sign: widened to 16 for the signed product.
    const __m256i difference = _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
    const __m256i low = _mm256_unpacklo_epi8(difference, _mm256_setzero_si256());
    const __m256i high = _mm256_unpackhi_epi8(difference, _mm256_setzero_si256());
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(low, low));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(high, high));
  }
};

std::size_t Below(const SketchConstants& query, const std::byte* records, const std::uint32_t* ids,
                  std::size_t count, float threshold, float error_scale, std::uint32_t* kept,
                  const PrefetchTarget& next) {
  const std::size_t bytes = query.record_bytes, stride = query.plane_stride;
  const std::byte* planes = query.planes;
  const auto product = [=](const std::byte* record) {
    std::int64_t c0 = 0, c1 = 0, c2 = 0, c3 = 0;
    for (std::size_t at = kSketchHeader; at < bytes; at += 16) {
      for (std::size_t word_at = at; word_at < at + 16; word_at += 8) {
        const std::uint64_t word = LoadWord(record + word_at);
        const std::byte* plane = planes + word_at;
        c0 += _mm_popcnt_u64(word & LoadWord(plane));
        c1 += _mm_popcnt_u64(word & LoadWord(plane + stride));
        c2 += _mm_popcnt_u64(word & LoadWord(plane + 2 * stride));
        c3 += _mm_popcnt_u64(word & LoadWord(plane + 3 * stride));
      }
    }
    return static_cast<std::int32_t>(c0 + 2 * c1 + 4 * c2 - 8 * c3);
  };
  return BelowOneByOne(query, records, ids, count, threshold, error_scale, kept, next, product);
}

constexpr SketchTable kTable = MakeTable<Words64, Nibbles>(Below);

}  // namespace

const SketchTable* SketchAvx2() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const SketchTable* SketchAvx2() { return nullptr; }
}  // namespace equipoise

#endif
