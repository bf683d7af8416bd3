// 32-bit words of up to 32 rows to [words][32], 8 × 8 at a time in 256-bit registers. Included by the
// files of AVX2 and AVX-512 inside their anonymous namespaces.

inline void TransposeEight(const std::byte* from, std::size_t stride, std::uint32_t* to) {
  __m256 r[8], s[8];
  for (int i = 0; i < 8; ++i)
    r[i] = _mm256_castsi256_ps(_mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(from + static_cast<std::size_t>(i) * stride)));
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    s[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
    s[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
  }
  for (int i = 0; i < 8; ++i)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + static_cast<std::size_t>(i) * kPanel),
                        _mm256_castps_si256(s[i]));
}

void TransposeWords(const std::byte* rows, std::size_t stride, std::size_t n, std::size_t words,
                    std::uint32_t* to) {
  std::size_t w = 0;
  for (; w + 8 <= words; w += 8) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8)
      TransposeEight(rows + i * stride + w * 4, stride, to + w * kPanel + i);
    for (; i < kPanel; ++i)
      for (std::size_t k = 0; k < 8; ++k)
        to[(w + k) * kPanel + i] = i < n ? WordAt(rows + i * stride + (w + k) * 4) : 0;
  }
  for (; w < words; ++w)
    for (std::size_t i = 0; i < kPanel; ++i)
      to[w * kPanel + i] = i < n ? WordAt(rows + i * stride + w * 4) : 0;
}
