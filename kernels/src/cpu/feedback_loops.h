// The passes of feedback_pass.h, written once over the vectors of feedback_vectors.h. Included inside
// the anonymous namespace of each feedback_LEVEL.cc, after
// Widen, Most and Bits.

inline Doubles LoadDoubles(const double* p) {
  Doubles out;
  __builtin_memcpy(&out, p, sizeof(out));
  return out;
}

inline Doubles LoadFloats(const float* p) {
  Floats out;
  __builtin_memcpy(&out, p, sizeof(out));
  return Widen(out);
}

inline Doubles Every(double value) { return value - Doubles{}; }

// 0 <= a <= bits of the largest, in one comparison: negative numbers and NaN have larger bits. -0 is
// left out too.
inline Mask FromZeroTo(Doubles a, std::uint64_t largest_bits) {
  return reinterpret_cast<Mask>(reinterpret_cast<Words>(a) <= largest_bits);
}

inline float NextFloat(float a, bool up) {
  if (a == 0) return up ? 1.4e-45f : -1.4e-45f;
  std::int32_t bits;
  __builtin_memcpy(&bits, &a, sizeof(bits));
  bits += (a > 0) == up ? 1 : -1;
  __builtin_memcpy(&a, &bits, sizeof(a));
  return a;
}

// The outermost float from `bound` on, away from the center where `up` says, whose distance from the
// center is not above the limit; `edge`, the end of the scale, where that comes first.
inline float LastInside(double center, double limit, float edge, bool up) {
  const auto inside = [=](float x) { return (up ? x - center : center - x) <= limit; };
  if (inside(edge)) return edge;
  const double bound = up ? center + limit : center - limit;
  float x = bound >= -3.4e38 && bound <= 3.4e38 ? static_cast<float>(bound) : edge;
  while (!inside(x)) x = NextFloat(x, !up);
  while (inside(NextFloat(x, up))) x = NextFloat(x, up);
  return x;
}

inline double SumOf(Doubles lanes) {
  double sum = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

// Asks for what is needed kAhead items later: the processor's own prefetching stops at the end of a
// page, and there are five streams (10 million items: 1.13 ns an item without, 0.97 with).
constexpr std::size_t kAhead = 128;
template <int kWrite, typename T>
inline void Ask(const T* at) {
  __builtin_prefetch(
      reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(at) + kAhead * sizeof(T)),
      kWrite);
}

constexpr double kLargest = 1.7976931348623157e308;
constexpr std::uint64_t kBitsOfLargest = 0x7fefffffffffffff;
constexpr std::uint64_t kBitsOfOne = 0x3ff0000000000000;

// 2^x for -1000 <= x <= 0, as 2^n · 2^r with |r| <= 1/2. 2^r is the polynomial that meets it in the
// Chebyshev nodes of degree 6: relative error below 3e-9 (numpy.polynomial.Chebyshev.interpolate).
inline Doubles PowerOfTwo(Doubles x) {
  constexpr double kRounder = 6755399441055744.0;  // 1.5 · 2⁵²: leaves the nearest whole number
  const Doubles shifted = x + kRounder;
  const Doubles r = x - (shifted - kRounder);
  // Estrin's scheme: a short chain of multiplications.
  const Doubles r2 = r * r;
  const Doubles low = r * 0.6931472067028329 + 1.0;
  const Doubles middle = r * 0.05550327226669895 + 0.24022650922289554;
  const Doubles high =
      r2 * 0.00015461444724808513 + (r * 0.0013400428177711937 + 0.00961805667843204);
  const Doubles series = (high * r2 + middle) * r2 + low;
  // The whole number stands in the low bits of `shifted`: it goes to the exponent.
  return reinterpret_cast<Doubles>(reinterpret_cast<Words>(series) +
                                   (reinterpret_cast<Words>(shifted) << 52));
}

RatingSums SumLoop(const float* ratings, std::size_t n, float low, float high, double shift) {
  // Two chains of each hide the latency of an addition.
  Doubles sum[2] = {}, squares[2] = {};
  std::size_t outside = 0;
  const auto step = [&](const float* at, std::size_t lanes, std::size_t chain) {
    const Doubles x = LoadFloats(at);
    const Mask inside = (x >= double{low}) & (x <= double{high});
    const Doubles d = inside ? x - shift : Doubles{};
    sum[chain] += d;
    squares[chain] += d * d;
    const unsigned bits = Bits(~inside) & ((1u << lanes) - 1);
    if (__builtin_expect(bits != 0, 0)) outside += static_cast<unsigned>(__builtin_popcount(bits));
  };
  std::size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    step(ratings + i, kLanes, 0);
    step(ratings + i + kLanes, kLanes, 1);
  }
  for (; i < n; i += kLanes) {
    const std::size_t left = n - i < kLanes ? n - i : kLanes;
    float rest[kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      rest[lane] = lane < left ? ratings[i + lane] : __builtin_nanf("");
    step(rest, left, 0);
  }
  return {n - outside, SumOf(sum[0]) + SumOf(sum[1]), SumOf(squares[0]) + SumOf(squares[1])};
}

inline WeighVerdict VerdictOf(float x, double time, float confidence, const WeighSettings& s) {
  if (!(x >= s.low && x <= s.high)) return WeighVerdict::kBadRating;
  if (!(time >= -kLargest && time <= kLargest)) return WeighVerdict::kBadTime;
  if (s.now - time < -s.max_skew) return WeighVerdict::kFuture;
  if (!(confidence >= 0 && confidence <= 1)) return WeighVerdict::kBadConfidence;
  const double d = x - s.center;
  return d > s.limit || -d > s.limit ? WeighVerdict::kOutlier : WeighVerdict::kKept;
}

template <bool kConfidence, bool kRates>
WeighSums WeighLoop(const float* ratings, const double* times, const float* confidence,
                    const double* rates, std::size_t n, const WeighSettings& settings,
                    float* weights, std::uint8_t* verdicts) {
  const WeighSettings s = settings;  // a copy: stores of verdicts could change what is referred to
  constexpr double kLeast = 1.1754943508222875e-38;  // 2⁻¹²⁶
  constexpr double kMostHalfLives = 1000;            // 2⁻¹⁰⁰⁰ is still a normal double
  Doubles weight = {}, weight_squares = {}, deviation = {}, deviation_squares = {};
  WeighSums out;
  std::uint64_t flagged_count = 0;
  // Whether a rating is kept is a question of two bounds: distances grow with the rating.
  const Doubles least = Every(LastInside(s.center, s.limit, s.low, false));
  const Doubles most = Every(LastInside(s.center, s.limit, s.high, true));
  const Doubles rate = Every(-s.rate);

  const auto step = [&](const float* x_at, const double* time_at, const float* confidence_at,
                        const double* rate_at, float* weight_at, std::uint8_t* verdict_at,
                        std::size_t lanes) {
    Ask<0>(x_at);
    Ask<0>(time_at);
    if constexpr (kConfidence) Ask<0>(confidence_at);
    Ask<1>(weight_at);
    const Doubles x = LoadFloats(x_at);
    const Doubles age = s.now - LoadDoubles(time_at);
    Mask kept = (x >= least) & (x <= most) & FromZeroTo(age, kBitsOfLargest);
    // The bounds of PowerOfTwo hold where the item is kept; elsewhere nothing is made of the result.
    const Doubles half_lives = age * (kRates ? -LoadDoubles(rate_at) : rate);
    Doubles w = PowerOfTwo(Most(half_lives, Every(-kMostHalfLives)));
    if constexpr (kConfidence) {
      const Doubles own = LoadFloats(confidence_at);
      kept &= FromZeroTo(own, kBitsOfOne);
      w *= own;
    }
    w = (w >= kLeast) & kept ? w : Doubles{};
    const Doubles d = kept ? x - s.center : Doubles{};
    const Doubles wd = w * d;
    weight += w;
    weight_squares += w * w;
    deviation += wd;
    deviation_squares += wd * d;
    const Floats rounded = __builtin_convertvector(w, Floats);
    __builtin_memcpy(weight_at, &rounded, sizeof(rounded));
    __builtin_memset(verdict_at, 0, kLanes);
    // What is rare is looked at again, one by one.
    unsigned bits = Bits(~kept) & ((1u << lanes) - 1);
    while (__builtin_expect(bits != 0, 0)) {
      const auto lane = static_cast<unsigned>(__builtin_ctz(bits));
      bits &= bits - 1;
      const float own = kConfidence ? confidence_at[lane] : 1.0f;
      const WeighVerdict verdict = VerdictOf(x_at[lane], time_at[lane], own, s);
      verdict_at[lane] = static_cast<std::uint8_t>(verdict);
      ++flagged_count;
      ++out.verdicts[static_cast<std::uint8_t>(verdict)];
      if (verdict != WeighVerdict::kKept) continue;
      // Ahead of now, or a confidence of -0.
      out.clamped += time_at[lane] > s.now ? 1 : 0;
      if (!(own >= kLeast)) continue;
      const double off = double{x_at[lane]} - s.center;
      weight_at[lane] = own;
      out.weight += own;
      out.weight_squares += double{own} * own;
      out.deviation += own * off;
      out.deviation_squares += own * off * off;
    }
  };

  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    step(ratings + i, times + i, confidence + i, rates + i, weights + i, verdicts + i, kLanes);
  if (i < n) {
    float x_rest[kLanes], confidence_rest[kLanes], weight_rest[kLanes];
    double time_rest[kLanes], rate_rest[kLanes];
    std::uint8_t verdict_rest[kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const bool there = i + lane < n;
      x_rest[lane] = there ? ratings[i + lane] : __builtin_nanf("");
      time_rest[lane] = there ? times[i + lane] : s.now;
      confidence_rest[lane] = kConfidence && there ? confidence[i + lane] : 0.0f;
      rate_rest[lane] = kRates && there ? rates[i + lane] : 0.0;
    }
    step(x_rest, time_rest, confidence_rest, rate_rest, weight_rest, verdict_rest, n - i);
    for (std::size_t lane = 0; i + lane < n; ++lane) {
      weights[i + lane] = weight_rest[lane];
      verdicts[i + lane] = verdict_rest[lane];
    }
  }
  out.weight += SumOf(weight);
  out.weight_squares += SumOf(weight_squares);
  out.deviation += SumOf(deviation);
  out.deviation_squares += SumOf(deviation_squares);
  out.verdicts[0] += n - flagged_count;
  return out;
}

WeighSums Weigh(const float* ratings, const double* times, const float* confidence,
                const double* rates, std::size_t n, const WeighSettings& settings, float* weights,
                std::uint8_t* verdicts) {
  if (confidence != nullptr && rates != nullptr)
    return WeighLoop<true, true>(ratings, times, confidence, rates, n, settings, weights, verdicts);
  if (confidence != nullptr)
    return WeighLoop<true, false>(ratings, times, confidence, times, n, settings, weights,
                                  verdicts);
  if (rates != nullptr)
    return WeighLoop<false, true>(ratings, times, ratings, rates, n, settings, weights, verdicts);
  return WeighLoop<false, false>(ratings, times, ratings, times, n, settings, weights, verdicts);
}
