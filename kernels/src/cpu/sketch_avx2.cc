// AVX2; bits are counted by tables of nibbles (vpshufb), in half the time of popcnt word by word.
#include <utility>

#include "cpu/sketch_table.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace equipoise {
namespace {

constexpr std::size_t kLanes = 8, kBlockRegs = 8;

#include "cpu/sketch_groups_ymm.inc"
#include "cpu/sketch_loops.inc"
#include "cpu/sketch_vectors.inc"
#include "cpu/sketch_vectors_links.inc"

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

// Weighted counts of the bits of 32 bytes, kOffset too high in each lane of 64 bits: the highest plane
// counts 4 - bits instead of -bits for each nibble, so that bytes stay positive.
struct Product32 {
  static constexpr std::int64_t kOffset = 2 * 4 * 8 * 8;

  Product32() {
    const __m256i count = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    tables_[0] = count;
    tables_[1] = _mm256_slli_epi16(count, 1);
    tables_[2] = _mm256_slli_epi16(count, 2);
    tables_[3] = _mm256_sub_epi8(_mm256_set1_epi8(32), _mm256_slli_epi16(count, 3));
  }

  __m256i operator()(const std::byte* record, const std::byte* planes, std::size_t stride) const {
    const __m256i mask = _mm256_set1_epi8(15), bytes = Nibbles::Load(record);
    __m256i sum = _mm256_setzero_si256();
    EQUIPOISE_UNROLL for (std::size_t k = 0; k < kSketchPlanes; ++k) {
      const __m256i both = _mm256_and_si256(bytes, Nibbles::Load(planes + k * stride));
      const __m256i low = _mm256_and_si256(both, mask);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
      sum = _mm256_add_epi8(sum, _mm256_add_epi8(_mm256_shuffle_epi8(tables_[k], low),
                                                 _mm256_shuffle_epi8(tables_[k], high)));
    }
    return _mm256_sad_epu8(sum, _mm256_setzero_si256());
  }

 private:
  __m256i tables_[kSketchPlanes];
};

// Lane i of the result is the sum of the lanes of sums[i].
inline __m256i SumFour(const __m256i* sums) {
  const auto pair = [](__m256i a, __m256i b) {
    return _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
  };
  const __m256i ab = pair(sums[0], sums[1]), cd = pair(sums[2], sums[3]);
  return _mm256_add_epi64(_mm256_permute2x128_si256(ab, cd, 0x20),
                          _mm256_permute2x128_si256(ab, cd, 0x31));
}

std::size_t Below(const SketchConstants& query, const std::byte* records, const std::uint32_t* ids,
                  std::size_t count, float threshold, float error_scale, std::uint32_t* kept,
                  const PrefetchTarget& next) {
  const std::size_t bytes = query.record_bytes, stride = query.plane_stride;
  const Product32 product;
  const __m256i start =
      _mm256_set1_epi64x(-static_cast<std::int64_t>(bytes / 32) * Product32::kOffset);
  std::size_t n = 0;
  for (std::size_t i = 0; i < count; i += kGroup) {
    const std::size_t left = count - i < kGroup ? count - i : kGroup;
    std::uint32_t each[kGroup];
    const std::byte* at[kGroup];
    __m256i sums[kGroup];
    for (std::size_t j = 0; j < kGroup; ++j) {
      // What a short group lacks is its first record again.
      const std::size_t from = j < left ? i + j : i;
      each[j] = ids[from];
      at[j] = records + std::size_t{each[j]} * bytes;
    }
    for (std::size_t j = 0; j < left; ++j) {
      sums[j] = start;
      for (std::size_t part = 0; part < bytes; part += 32)
        sums[j] = _mm256_add_epi64(sums[j], product(at[j] + part, query.planes + part, stride));
    }
    for (std::size_t j = left; j < kGroup; ++j) sums[j] = start;
    // The lower halves of both fours of 64-bit sums, in order.
    const __m256i low = SumFour(sums), high = SumFour(sums + 4);
    const __m256 halves =
        _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), 0x88);
    const __m256i bits = _mm256_permute4x64_epi64(_mm256_castps_si256(halves), 0xd8);
    const __m256 least = LeastOf(query, Headers(at), bits, error_scale);
    const int keep =
        _mm256_movemask_ps(_mm256_cmp_ps(least, _mm256_set1_ps(threshold), _CMP_NGE_UQ));
    const std::size_t before = n;
    for (std::size_t j = 0; j < left; ++j) {
      kept[n] = each[j];  // over ids that have been read
      n += static_cast<std::size_t>((keep >> j) & 1);
    }
    for (std::size_t k = before; k < n; ++k) Prefetch(next, kept[k]);
  }
  return n;
}

struct Links {
  static constexpr std::size_t kUnits = 2;
  using Register = __m256i;

  static Register Load(const std::uint8_t* p) { return Nibbles::Load(p); }
  static Register LoadFirst(const std::uint8_t* p, std::size_t units) {
    if (units == kUnits) return Load(p);
    return _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Register LookUp(Register codes, Register low, Register high) {
    const __m256i mask = _mm256_set1_epi8(15);
    return _mm256_add_epi8(
        _mm256_shuffle_epi8(low, _mm256_and_si256(codes, mask)),
        _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask)));
  }
  static Register Add(Register a, Register b) { return _mm256_add_epi8(a, b); }

  // Sums of pairs of bytes, the second of them 256 times, and sums of the second ones.
  struct Words {
    __m256i both = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    void Add(Register bytes) {
      both = _mm256_add_epi16(both, bytes);
      odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
    }
  };

  struct Totals {
    __m256i first = _mm256_setzero_si256(), last = _mm256_setzero_si256();
    void Add(const Words& words) {
      const auto fold = [](__m256i x) {
        return _mm_add_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
      };
      const __m256i even = _mm256_sub_epi16(words.both, _mm256_slli_epi16(words.odd, 8));
      const __m128i a = fold(even), b = fold(words.odd);
      first = _mm256_add_epi32(first, _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(a, b)));
      last = _mm256_add_epi32(last, _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(a, b)));
    }
    std::uint32_t NotBeyond(const LinkSketchConstants& query, const float* numbers, float distance,
                            float threshold) const {
      const auto half = [&](__m256i sums, const float* from) {
        const __m256 product =
            _mm256_add_ps(_mm256_set1_ps(query.base),
                          _mm256_mul_ps(_mm256_set1_ps(query.step), _mm256_cvtepi32_ps(sums)));
        const __m256 estimate = _mm256_add_ps(
            _mm256_add_ps(_mm256_set1_ps(distance), _mm256_loadu_ps(from + kLinkGroup)),
            _mm256_mul_ps(_mm256_loadu_ps(from), product));
        return static_cast<std::uint32_t>(
            _mm256_movemask_ps(_mm256_cmp_ps(estimate, _mm256_set1_ps(threshold), _CMP_NGE_UQ)));
      };
      return half(first, numbers) | half(last, numbers + 8) << 8;
    }
  };

  struct Sizes {
    __m256i sums = _mm256_setzero_si256();
    std::int32_t Sum() const { return Words64::SumOf(sums); }
  };
  static void Table(const float* x, float scale, Sizes* sizes, std::uint8_t* table) {
    const __m256 scaled = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(scale)),
                                        _mm256_set1_ps(256.5f));
    const __m256i v = _mm256_sub_epi32(_mm256_cvttps_epi32(scaled), _mm256_set1_epi32(256));
    sizes->sums = _mm256_add_epi32(sizes->sums, _mm256_abs_epi32(v));
    __m256i less =
        _mm256_max_epi32(_mm256_sub_epi32(_mm256_setzero_si256(), v), _mm256_setzero_si256());
    less = _mm256_add_epi32(less, _mm256_shuffle_epi32(less, 0xb1));
    less = _mm256_add_epi32(less, _mm256_shuffle_epi32(less, 0x4e));
    // In each 128 bits the 4 values, and the sum of what is less than zero in all bytes.
    const __m256i words = _mm256_packs_epi32(v, less);
    const __m256i bytes = _mm256_packs_epi16(words, words);
    const auto all = [](__m128i lanes) { return _mm256_broadcastsi128_si256(lanes); };
    const auto take = [&](__m128i from) { return _mm256_shuffle_epi8(bytes, all(from)); };
    const __m256i pair = _mm256_add_epi8(
        take(_mm_setr_epi8(-1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0)),
        take(_mm_setr_epi8(-1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1)));
    const __m256i other = _mm256_add_epi8(
        take(_mm_setr_epi8(-1, -1, -1, -1, 2, 2, 2, 2, -1, -1, -1, -1, 2, 2, 2, 2)),
        take(_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 3, 3, 3, 3, 3, 3, 3, 3)));
    const __m256i entries = _mm256_add_epi8(_mm256_add_epi8(pair, other), take(_mm_set1_epi8(4)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(table), entries);
  }
};

constexpr SketchTable kTable = MakeTable<Words64, Nibbles, Links>(Below);

}  // namespace

const SketchTable* SketchAvx2() { return &kTable; }

}  // namespace equipoise

#else

namespace equipoise {
const SketchTable* SketchAvx2() { return nullptr; }
}  // namespace equipoise

#endif
