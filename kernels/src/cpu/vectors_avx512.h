// The vector types of AVX-512 F, BW, DQ and VL, for the two files that use them: with VNNI and
// without. Included inside their anonymous namespaces.

struct V {
  using Reg = __m512;
  static constexpr std::size_t kWidth = 16, kTileRegs = 2, kBlock = 14;
  static Reg Zero() { return _mm512_setzero_ps(); }
  static Reg Set(float x) { return _mm512_set1_ps(x); }
  static Reg Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, Reg a) { _mm512_storeu_ps(p, a); }
  static Reg Add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg Sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg MultiplyAdd(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg LoadFirst(const float* p, std::size_t n) { return _mm512_maskz_loadu_ps(First(n), p); }
  static Reg LoadHalf(const std::uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg LoadHalfFirst(const std::uint16_t* p, std::size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(First(n), p));
  }
  static Reg Brain(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static Reg LoadBrain(const std::uint16_t* p) {
    return Brain(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg LoadBrainFirst(const std::uint16_t* p, std::size_t n) {
    return Brain(_mm256_maskz_loadu_epi16(First(n), p));
  }
  static float Sum(Reg a) { return _mm512_reduce_add_ps(a); }

 private:
  static __mmask16 First(std::size_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

template <typename T>
__m512i LoadBytesFirst(const T* p, std::size_t n) {
  return _mm512_maskz_loadu_epi8((std::uint64_t{1} << n) - 1, p);  // n < 64
}

std::uint32_t AboveFloats(const float* values, float bar) {
  const __m512 least = _mm512_set1_ps(bar);
  const std::uint32_t low = _mm512_cmp_ps_mask(_mm512_loadu_ps(values), least, _CMP_GT_OQ);
  const std::uint32_t high = _mm512_cmp_ps_mask(_mm512_loadu_ps(values + 16), least, _CMP_GT_OQ);
  return low | (high << 16);
}

std::uint32_t AboveIntegers(const std::int32_t* values, std::int32_t bar) {
  const __m512i least = _mm512_set1_epi32(bar);
  const std::uint32_t low = _mm512_cmpgt_epi32_mask(_mm512_loadu_si512(values), least);
  const std::uint32_t high = _mm512_cmpgt_epi32_mask(_mm512_loadu_si512(values + 16), least);
  return low | (high << 16);
}

std::uint32_t NotFinite(const float* values) {
  constexpr int kNanOrInfinity = 0x99;  // quiet and signalling NaN, both infinities
  const std::uint32_t low = _mm512_fpclass_ps_mask(_mm512_loadu_ps(values), kNanOrInfinity);
  const std::uint32_t high = _mm512_fpclass_ps_mask(_mm512_loadu_ps(values + 16), kNanOrInfinity);
  return low | (high << 16);
}
