// Loops that the compiler vectorizes by itself, so that one text serves every instruction set: number
// formats, exp, sums of squares. Included once by each file that fills a KernelTable, inside its
// anonymous namespace; floating-point contraction is off in all of them, so that formats agree bit
// by bit.

void FloatToHalfLoop(const float* from, std::uint16_t* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = FloatToHalfBits(from[i]);
}

void HalfToFloatLoop(const std::uint16_t* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = HalfToFloatBits(from[i]);
}

void FloatToBrainLoop(const float* from, std::uint16_t* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = FloatToBrainBits(from[i]);
}

void BrainToFloatLoop(const std::uint16_t* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = BrainToFloatBits(from[i]);
}

void QuantizeLoop(const float* from, std::size_t n, float scale, float center,
                  std::uint8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) {
    // All steps are at least 0.5 where they are not clamped, so that truncation rounds.
    const float step = scale * (from[i] - center) + 128.5f;
    const float low = step > 0.0f ? step : 0.0f;  // NaN goes to 0
    const float clamped = low < 255.0f ? low : 255.0f;
    codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(clamped));
  }
}

void DequantizeLoop(const std::uint8_t* codes, std::size_t n, float step, float center, float* to) {
  for (std::size_t i = 0; i < n; ++i)
    to[i] = static_cast<float>(std::int32_t{codes[i]} - 128) * step + center;
}

double SquaredNormLoop(const float* a, std::size_t d) {
  constexpr std::size_t kLanes = 16;
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= d; i += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += double{a[i + l]} * double{a[i + l]};
  for (std::size_t l = 0; i < d; ++i, ++l) lanes[l] += double{a[i]} * double{a[i]};
  double sum = 0;
  for (std::size_t l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

// exp(x) for x <= 0 as 2^n · e^r, |r| <= ln 2 / 2, e^r by its series to the sixth power (remainder
// below 2e-7); the split of ln 2 is that of W. J. Cody and W. Waite, "Software Manual for the
// Elementary Functions", 1980, chapter 6.
inline float ExpOfNegative(float x) {
  constexpr float kRounder = 12582912.0f;  // 1.5 · 2²³: adding it leaves the nearest whole number
  constexpr float kLeast = -87.0f;         // below, the result is no normal float32: it is 0
  const float bounded = x > kLeast ? x : kLeast;
  const float whole = (bounded * 1.44269504f + kRounder) - kRounder;
  const float r = (bounded - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float series = 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  const std::int32_t power = (static_cast<std::int32_t>(whole) + 127) << 23;
  const float value = series * std::bit_cast<float>(power);
  return x > kLeast ? value : 0.0f;
}

double ExpSumLoop(float* row, std::size_t n, float shift, float factor) {
  for (std::size_t i = 0; i < n; ++i) row[i] = ExpOfNegative((row[i] - shift) * factor);
  constexpr std::size_t kLanes = 8;
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += double{row[i + l]};
  for (std::size_t l = 0; i < n; ++i, ++l) lanes[l] += double{row[i]};
  double sum = 0;
  for (std::size_t l = 0; l < kLanes; ++l) sum += lanes[l];
  return sum;
}

void ScaleLoop(float* row, std::size_t n, float factor) {
  for (std::size_t i = 0; i < n; ++i) row[i] *= factor;
}

void TimesLoop(float* values, const float* mul) {
  for (std::size_t i = 0; i < kPanel; ++i) values[i] *= mul[i];
}

void TimesIntegersLoop(const std::int32_t* from, const float* mul, float* to) {
  for (std::size_t i = 0; i < kPanel; ++i) to[i] = static_cast<float>(from[i]) * mul[i];
}

void NegativeDistancesLoop(float* values, const float* norms, float norm) {
  for (std::size_t i = 0; i < kPanel; ++i) {
    // Not 2 v − |x|², which overflows for vectors whose distance does not.
    const float score = ((values[i] - norms[i]) + values[i]) - norm;
    const float least = score == score ? 0.0f : -__builtin_inff();
    values[i] = score < 0.0f ? score : least;
  }
}

void TwiceLessIntegersLoop(std::int32_t* values, const std::int32_t* norms) {
  // Unsigned, since lanes past the last item hold anything.
  for (std::size_t i = 0; i < kPanel; ++i)
    values[i] = static_cast<std::int32_t>(2u * static_cast<std::uint32_t>(values[i]) -
                                          static_cast<std::uint32_t>(norms[i]));
}

inline std::uint32_t WordAt(const std::byte* p) {
  std::uint32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return word;
}

void TransposeLoop(const std::byte* rows, std::size_t stride, std::size_t n, std::size_t words,
                   std::uint32_t* to) {
  for (std::size_t w = 0; w < words; ++w)
    for (std::size_t i = 0; i < kPanel; ++i)
      to[w * kPanel + i] = i < n ? WordAt(rows + i * stride + w * 4) : 0;
}
