// AVX2, FMA and F16C: 8 floats, 16 codes widened to 16 bits a register.
#include <bit>
#include <utility>

#include "cpu/half.h"
#include "cpu/kernel_table.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

namespace equipoise {
namespace {

#include "cpu/plain_loops.inc"
#include "cpu/transpose_ymm.inc"

struct V {
  using Reg = __m256;
  static constexpr std::size_t kWidth = 8, kTileRegs = 2, kBlock = 6, kRowParts = 2;
  static Reg Zero() { return _mm256_setzero_ps(); }
  static Reg Set(float x) { return _mm256_set1_ps(x); }
  static Reg Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, Reg a) { _mm256_storeu_ps(p, a); }
  static Reg Add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg MultiplyAdd(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg LoadFirst(const float* p, std::size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane));
  }
  static Reg LoadHalf(const std::uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg LoadHalfFirst(const std::uint16_t* p, std::size_t n) {
    return _mm256_cvtph_ps(FirstWords(p, n));
  }
  static Reg Brain(__m128i bits) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static Reg LoadBrain(const std::uint16_t* p) {
    return Brain(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg LoadBrainFirst(const std::uint16_t* p, std::size_t n) {
    return Brain(FirstWords(p, n));
  }
  static float Sum(Reg a) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }

 private:
  static __m128i FirstWords(const std::uint16_t* p, std::size_t n) {
    alignas(16) std::uint16_t words[8] = {};
    for (std::size_t i = 0; i < n; ++i) words[i] = p[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(words));
  }
};

// vpmaddubsw would saturate: 8-bit values are widened and multiplied as 16-bit pairs (vpmaddwd).
struct C {
  using Reg = __m256i;
  using Query = __m256i;
  using Acc = __m256i;
  static constexpr std::size_t kCodes = 16;
  static Acc Zero() { return _mm256_setzero_si256(); }
  static Acc Add(Acc a, Acc b) { return _mm256_add_epi32(a, b); }
  static Reg Load(const std::uint8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Query LoadQuery(const std::int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Reg LoadFirst(const std::uint8_t* p, std::size_t n) {
    return _mm256_cvtepu8_epi16(FirstBytes(p, n));
  }
  static Query LoadQueryFirst(const std::int8_t* p, std::size_t n) {
    return _mm256_cvtepi8_epi16(FirstBytes(p, n));
  }
  static Acc Dot(Acc acc, Reg codes, Query query) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(codes, query));
  }
  static Acc SquaredL2(Acc acc, Reg a, Reg b) {
    const __m256i difference = _mm256_sub_epi16(a, b);
    return _mm256_add_epi32(acc, _mm256_madd_epi16(difference, difference));
  }
  static std::int32_t Sum(Acc a) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
  }

  struct Items {
    __m256i even, odd;
  };
  struct Words {
    __m256i even, odd;
  };
  static constexpr std::size_t kItems = 8, kTileRegs = 1, kBlock = 12, kWords = 2;
  static Items LoadItems(const std::uint8_t* p) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_and_si256(codes, _mm256_set1_epi32(0x00ff00ff)), _mm256_srli_epi16(codes, 8)};
  }
  static Words SetWords(const std::int32_t* p) {
    return {_mm256_set1_epi32(p[0]), _mm256_set1_epi32(p[1])};
  }
  static Acc Start(std::int32_t value) { return _mm256_set1_epi32(value); }
  static Acc Tile(Acc acc, Items items, Words words) {
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(items.even, words.even));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(items.odd, words.odd));
  }
  static void StoreItems(std::int32_t* p, Acc a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
  }

 private:
  template <typename T>
  static __m128i FirstBytes(const T* p, std::size_t n) {
    alignas(16) T bytes[16] = {};
    for (std::size_t i = 0; i < n; ++i) bytes[i] = p[i];
    return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
  }
};

template <typename Compare>
std::uint32_t MaskOf(const float* values, const Compare& compare) {
  std::uint32_t mask = 0;
  for (int i = 0; i < 4; ++i) {
    const __m256 hit = compare(_mm256_loadu_ps(values + 8 * i));
    mask |= static_cast<std::uint32_t>(_mm256_movemask_ps(hit)) << (8 * i);
  }
  return mask;
}

std::uint32_t AboveFloats(const float* values, float bar) {
  const __m256 least = _mm256_set1_ps(bar);
  return MaskOf(values, [=](__m256 a) { return _mm256_cmp_ps(a, least, _CMP_GT_OQ); });
}

std::uint32_t AboveIntegers(const std::int32_t* values, std::int32_t bar) {
  const __m256i least = _mm256_set1_epi32(bar);
  return MaskOf(reinterpret_cast<const float*>(values), [=](__m256 a) {
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_castps_si256(a), least));
  });
}

std::uint32_t NotFinite(const float* values) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 infinity = _mm256_set1_ps(__builtin_inff());
  return MaskOf(values, [=](__m256 a) {
    return _mm256_cmp_ps(_mm256_andnot_ps(sign, a), infinity, _CMP_NLT_UQ);
  });
}

#include "cpu/simd_kernels.inc"

constexpr KernelTable Make() {
  KernelTable table = MakeTable(SimdLevel::kAvx2);
  table.transpose = TransposeWords;
  return table;
}
constexpr KernelTable kTable = Make();

}  // namespace

const KernelTable* Avx2Kernels() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const KernelTable* Avx2Kernels() { return nullptr; }
}  // namespace equipoise

#endif
