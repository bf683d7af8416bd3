// AVX-512 with VNNI: 64 codes a register, multiplied and summed by one instruction (vpdpbusd), which
// takes unsigned codes on one side: the items keep their 128, and sums start at what that adds.
#include <bit>
#include <utility>

#include "cpu/half.h"
#include "cpu/kernel_table.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__) && defined(__AVX512VNNI__)
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
  static constexpr std::size_t kCodes = 64;
  static Acc Zero() { return _mm512_setzero_si512(); }
  static Acc Add(Acc a, Acc b) { return _mm512_add_epi32(a, b); }
  static Reg Load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static Query LoadQuery(const std::int8_t* p) { return _mm512_loadu_si512(p); }
  static Reg LoadFirst(const std::uint8_t* p, std::size_t n) { return LoadBytesFirst(p, n); }
  static Query LoadQueryFirst(const std::int8_t* p, std::size_t n) { return LoadBytesFirst(p, n); }
  static Acc Dot(Acc acc, Reg codes, Query query) { return _mm512_dpbusd_epi32(acc, codes, query); }
  static Acc SquaredL2(Acc acc, Reg a, Reg b) {
    // |a − b| has 8 bits but no sign: widened to 16 for the signed product.
    const __m512i difference = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
    const __m512i low = _mm512_unpacklo_epi8(difference, _mm512_setzero_si512());
    const __m512i high = _mm512_unpackhi_epi8(difference, _mm512_setzero_si512());
    return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(acc, low, low), high, high);
  }
  static std::int32_t Sum(Acc a) { return _mm512_reduce_add_epi32(a); }

  using Items = __m512i;
  using Words = __m512i;
  static constexpr std::size_t kItems = 16, kTileRegs = 2, kBlock = 14, kWords = 1;
  static Items LoadItems(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
  static Words SetWords(const std::int32_t* p) { return _mm512_set1_epi32(*p); }
  static Acc Start(std::int32_t value) { return _mm512_set1_epi32(value); }
  static Acc Tile(Acc acc, Items items, Words words) {
    return _mm512_dpbusd_epi32(acc, items, words);
  }
  static void StoreItems(std::int32_t* p, Acc a) { _mm512_storeu_si512(p, a); }
};

#include "cpu/simd_kernels.inc"

constexpr KernelTable Make() {
  KernelTable table = MakeTable(SimdLevel::kAvx512Vnni);
  table.transpose = TransposeWords;
  return table;
}
constexpr KernelTable kTable = Make();

}  // namespace

const KernelTable* Avx512VnniKernels() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const KernelTable* Avx512VnniKernels() { return nullptr; }
}  // namespace equipoise

#endif
