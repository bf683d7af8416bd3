// AVX-512 F, BW, DQ, VL without VNNI: 16 floats, 32 codes widened to 16 bits a register.
#include <bit>
#include <utility>

#include "cpu/half.h"
#include "cpu/kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace equipoise {
namespace {

#include "cpu/plain_loops.inc"
#include "cpu/transpose_ymm.inc"
#include "cpu/vectors_avx512.inc"

struct C {
  using Reg = __m512i;
  using Query = __m512i;
  using Acc = __m512i;
  static constexpr std::size_t kCodes = 32;
  static Acc Zero() { return _mm512_setzero_si512(); }
  static Acc Add(Acc a, Acc b) { return _mm512_add_epi32(a, b); }
  static Reg Load(const std::uint8_t* p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Query LoadQuery(const std::int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg LoadFirst(const std::uint8_t* p, std::size_t n) {
    return _mm512_cvtepu8_epi16(_mm512_castsi512_si256(LoadBytesFirst(p, n)));
  }
  static Query LoadQueryFirst(const std::int8_t* p, std::size_t n) {
    return _mm512_cvtepi8_epi16(_mm512_castsi512_si256(LoadBytesFirst(p, n)));
  }
  static Acc Dot(Acc acc, Reg codes, Query query) {
    return _mm512_add_epi32(acc, _mm512_madd_epi16(codes, query));
  }
  static Acc SquaredL2(Acc acc, Reg a, Reg b) {
    const __m512i difference = _mm512_sub_epi16(a, b);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(difference, difference));
  }
  static std::int32_t Sum(Acc a) { return _mm512_reduce_add_epi32(a); }

  struct Items {
    __m512i even, odd;
  };
  struct Words {
    __m512i even, odd;
  };
  static constexpr std::size_t kItems = 16, kTileRegs = 2, kBlock = 12, kWords = 2;
  static Items LoadItems(const std::uint8_t* p) {
    const __m512i codes = _mm512_loadu_si512(p);
    return {_mm512_and_si512(codes, _mm512_set1_epi32(0x00ff00ff)), _mm512_srli_epi16(codes, 8)};
  }
  static Words SetWords(const std::int32_t* p) {
    return {_mm512_set1_epi32(p[0]), _mm512_set1_epi32(p[1])};
  }
  static Acc Start(std::int32_t value) { return _mm512_set1_epi32(value); }
  static Acc Tile(Acc acc, Items items, Words words) {
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(items.even, words.even));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(items.odd, words.odd));
  }
  static void StoreItems(std::int32_t* p, Acc a) { _mm512_storeu_si512(p, a); }
};

#include "cpu/simd_kernels.inc"

constexpr KernelTable Make() {
  KernelTable table = MakeTable(SimdLevel::kAvx512);
  table.transpose = TransposeWords;
  return table;
}
constexpr KernelTable kTable = Make();

}  // namespace

const KernelTable* Avx512Kernels() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const KernelTable* Avx512Kernels() { return nullptr; }
}  // namespace equipoise

#endif
