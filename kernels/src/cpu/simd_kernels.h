// The algorithms of a KernelTable, written once over vector types: V for floats, C for codes, which
// each instruction set's file defines before it includes this, inside its anonymous namespace.
//
// V: Reg, kWidth, kTileRegs (registers of a panel taken at once), kBlock; Zero, Set, Load, Store,
//    Add, Sub, MultiplyAdd(a, b, c) = a b + c, Sum, LoadFirst(p, n), and the same loads of float16
//    (Half) and bfloat16 (Brain).
// C: Reg (codes), Query (signed codes), Acc (32-bit sums), kCodes a register; Zero, Load, LoadFirst,
//    LoadQuery, LoadQueryFirst, Dot(acc, codes, query), SquaredL2(acc, a, b), Sum; and for tiles
//    Items, kItems, kTileRegs, kBlock, kWords, LoadItems, Set(word pointer), Tile(acc, items, word),
//    Start(value), StoreItems.

#if defined(__clang__)
#define EQUIPOISE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define EQUIPOISE_UNROLL _Pragma("GCC unroll 32")
#endif

struct Floats {
  using Type = float;
  static V::Reg Load(const float* p) { return V::Load(p); }
  static V::Reg LoadFirst(const float* p, std::size_t n) { return V::LoadFirst(p, n); }
};
struct Halves {
  using Type = std::uint16_t;
  static V::Reg Load(const std::uint16_t* p) { return V::LoadHalf(p); }
  static V::Reg LoadFirst(const std::uint16_t* p, std::size_t n) { return V::LoadHalfFirst(p, n); }
};
struct Brains {
  using Type = std::uint16_t;
  static V::Reg Load(const std::uint16_t* p) { return V::LoadBrain(p); }
  static V::Reg LoadFirst(const std::uint16_t* p, std::size_t n) { return V::LoadBrainFirst(p, n); }
};

inline std::size_t Least(std::size_t a, std::size_t b) { return a < b ? a : b; }

// --- one pair -------------------------------------------------------------------------------------

struct MultiplyStep {
  static V::Reg Step(V::Reg a, V::Reg b, V::Reg sum) { return V::MultiplyAdd(a, b, sum); }
};
struct DifferenceStep {
  static V::Reg Step(V::Reg a, V::Reg b, V::Reg sum) {
    const V::Reg difference = V::Sub(a, b);
    return V::MultiplyAdd(difference, difference, sum);
  }
};

// Four chains hide the latency of a multiply-add.
template <typename Step, typename Element>
float SumPairs(const float* a, const typename Element::Type* b, std::size_t d) {
  constexpr std::size_t w = V::kWidth;
  V::Reg s0 = V::Zero(), s1 = V::Zero(), s2 = V::Zero(), s3 = V::Zero();
  std::size_t i = 0;
  for (; i + 4 * w <= d; i += 4 * w) {
    s0 = Step::Step(V::Load(a + i), Element::Load(b + i), s0);
    s1 = Step::Step(V::Load(a + i + w), Element::Load(b + i + w), s1);
    s2 = Step::Step(V::Load(a + i + 2 * w), Element::Load(b + i + 2 * w), s2);
    s3 = Step::Step(V::Load(a + i + 3 * w), Element::Load(b + i + 3 * w), s3);
  }
  for (; i + w <= d; i += w) s0 = Step::Step(V::Load(a + i), Element::Load(b + i), s0);
  if (i < d) s1 = Step::Step(V::LoadFirst(a + i, d - i), Element::LoadFirst(b + i, d - i), s1);
  return V::Sum(V::Add(V::Add(s0, s1), V::Add(s2, s3)));
}

std::int32_t DotCodes(const std::uint8_t* codes, const std::int8_t* query, std::size_t d) {
  constexpr std::size_t w = C::kCodes;
  C::Acc s0 = C::Zero(), s1 = C::Zero(), s2 = C::Zero(), s3 = C::Zero();
  std::size_t i = 0;
  for (; i + 4 * w <= d; i += 4 * w) {
    s0 = C::Dot(s0, C::Load(codes + i), C::LoadQuery(query + i));
    s1 = C::Dot(s1, C::Load(codes + i + w), C::LoadQuery(query + i + w));
    s2 = C::Dot(s2, C::Load(codes + i + 2 * w), C::LoadQuery(query + i + 2 * w));
    s3 = C::Dot(s3, C::Load(codes + i + 3 * w), C::LoadQuery(query + i + 3 * w));
  }
  for (; i + w <= d; i += w) s0 = C::Dot(s0, C::Load(codes + i), C::LoadQuery(query + i));
  if (i < d) s1 = C::Dot(s1, C::LoadFirst(codes + i, d - i), C::LoadQueryFirst(query + i, d - i));
  return C::Sum(C::Add(C::Add(s0, s1), C::Add(s2, s3)));
}

std::int32_t SquaredL2Codes(const std::uint8_t* a, const std::uint8_t* b, std::size_t d) {
  constexpr std::size_t w = C::kCodes;
  C::Acc s0 = C::Zero(), s1 = C::Zero();
  std::size_t i = 0;
  for (; i + 2 * w <= d; i += 2 * w) {
    s0 = C::SquaredL2(s0, C::Load(a + i), C::Load(b + i));
    s1 = C::SquaredL2(s1, C::Load(a + i + w), C::Load(b + i + w));
  }
  for (; i + w <= d; i += w) s0 = C::SquaredL2(s0, C::Load(a + i), C::Load(b + i));
  if (i < d) s1 = C::SquaredL2(s1, C::LoadFirst(a + i, d - i), C::LoadFirst(b + i, d - i));
  return C::Sum(C::Add(s0, s1));
}

// --- few queries, rows where they lie ---------------------------------------------------------------

// Row after row: the processor's own prefetching follows one stream best (four rows side by side, or
// prefetching by hand, read memory at half to nine tenths of the speed).

template <typename Element, std::size_t M>
void RowsOf(const typename Element::Type* rows, std::size_t stride, std::size_t n,
            const float* queries, std::size_t d, float* out) {
  constexpr std::size_t w = V::kWidth, kParts = 2;
  for (std::size_t row = 0; row < n; ++row, rows += stride) {
    for (std::size_t begin = 0; begin < d; begin += kLongestChain * w) {
      const std::size_t end = Least(d, begin + kLongestChain * w);
      V::Reg sums[kParts][M];
      EQUIPOISE_UNROLL for (std::size_t u = 0; u < kParts; ++u) {
        EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[u][q] = V::Zero();
      }
      std::size_t i = begin;
      for (; i + kParts * w <= end; i += kParts * w) {
        EQUIPOISE_UNROLL for (std::size_t u = 0; u < kParts; ++u) {
          const typename Element::Type* at = rows + i + u * w;
          const V::Reg values = Element::Load(at);
          EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[u][q] =
              V::MultiplyAdd(V::Load(queries + q * d + i + u * w), values, sums[u][q]);
        }
      }
      for (; i < end; i += w) {
        const std::size_t left = Least(w, end - i);
        const V::Reg values = Element::LoadFirst(rows + i, left);
        EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[0][q] =
            V::MultiplyAdd(V::LoadFirst(queries + q * d + i, left), values, sums[0][q]);
      }
      EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
        V::Reg sum = sums[0][q];
        EQUIPOISE_UNROLL for (std::size_t u = 1; u < kParts; ++u) sum = V::Add(sum, sums[u][q]);
        float* to = out + q * kPanel + row;
        *to = begin == 0 ? V::Sum(sum) : *to + V::Sum(sum);
      }
    }
  }
}

template <typename Element>
void Rows(const typename Element::Type* rows, std::size_t stride, std::size_t n,
          const float* queries, std::size_t m, std::size_t d, float* out) {
  static_assert(kRowQueries == 4);
  if (m == 1) return RowsOf<Element, 1>(rows, stride, n, queries, d, out);
  if (m == 2) return RowsOf<Element, 2>(rows, stride, n, queries, d, out);
  if (m == 3) return RowsOf<Element, 3>(rows, stride, n, queries, d, out);
  RowsOf<Element, 4>(rows, stride, n, queries, d, out);
}

template <std::size_t M>
void RowsOfCodesOf(const std::uint8_t* rows, std::size_t stride, std::size_t n,
                   const std::int8_t* queries, const std::int32_t* start, std::size_t d,
                   std::int32_t* out) {
  constexpr std::size_t w = C::kCodes, kParts = M == 1 ? 4 : M == 2 ? 2 : 1;
  for (std::size_t row = 0; row < n; ++row, rows += stride) {
    C::Acc sums[kParts][M];
    EQUIPOISE_UNROLL for (std::size_t u = 0; u < kParts; ++u) {
      EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[u][q] = C::Zero();
    }
    std::size_t i = 0;
    for (; i + kParts * w <= d; i += kParts * w) {
      EQUIPOISE_UNROLL for (std::size_t u = 0; u < kParts; ++u) {
        const std::uint8_t* at = rows + i + u * w;
        const C::Reg codes = C::Load(at);
        EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[u][q] =
            C::Dot(sums[u][q], codes, C::LoadQuery(queries + q * d + i + u * w));
      }
    }
    for (; i + w <= d; i += w) {
      const C::Reg codes = C::Load(rows + i);
      EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[0][q] =
          C::Dot(sums[0][q], codes, C::LoadQuery(queries + q * d + i));
    }
    if (i < d) {
      const C::Reg codes = C::LoadFirst(rows + i, d - i);
      EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[0][q] =
          C::Dot(sums[0][q], codes, C::LoadQueryFirst(queries + q * d + i, d - i));
    }
    EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
      C::Acc sum = sums[0][q];
      EQUIPOISE_UNROLL for (std::size_t u = 1; u < kParts; ++u) sum = C::Add(sum, sums[u][q]);
      out[q * kPanel + row] = start[q] + C::Sum(sum);
    }
  }
}

void RowsOfCodes(const std::uint8_t* rows, std::size_t stride, std::size_t n,
                 const std::int8_t* queries, const std::int32_t* start, std::size_t m,
                 std::size_t d, std::int32_t* out) {
  if (m == 1) return RowsOfCodesOf<1>(rows, stride, n, queries, start, d, out);
  if (m == 2) return RowsOfCodesOf<2>(rows, stride, n, queries, start, d, out);
  if (m == 3) return RowsOfCodesOf<3>(rows, stride, n, queries, start, d, out);
  RowsOfCodesOf<4>(rows, stride, n, queries, start, d, out);
}

// --- panels -----------------------------------------------------------------------------------------

// One or two queries take a whole panel at a time, so that memory is read in order.
constexpr std::size_t TileRegs(std::size_t m, std::size_t width, std::size_t usual) {
  return m <= 2 && m * (kPanel / width) <= 8 ? kPanel / width : usual;
}

// M queries × 32 items, some registers of items at a time; sums stay in registers for up to
// kLongestChain steps. The order of additions is the same for every M, so that a query's scores do not
// depend on the batch that it comes in.
template <typename Element, std::size_t M>
void TileOf(const typename Element::Type* panel, const float* queries, std::size_t d, float* out) {
  constexpr std::size_t w = V::kWidth, kRegs = TileRegs(M, w, V::kTileRegs);
  for (std::size_t part = 0; part < kPanel; part += kRegs * w) {
    for (std::size_t begin = 0; begin < d; begin += kLongestChain) {
      const std::size_t end = Least(d, begin + kLongestChain);
      V::Reg sums[M][kRegs];
      EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
        EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) sums[q][v] = V::Zero();
      }
      const typename Element::Type* items = panel + begin * kPanel + part;
      const float* query = queries + begin * M;
      for (std::size_t k = begin; k < end; ++k, items += kPanel, query += M) {
        V::Reg values[kRegs];
        EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) values[v] =
            Element::Load(items + v * w);
        EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
          const V::Reg element = V::Set(query[q]);
          EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) sums[q][v] =
              V::MultiplyAdd(element, values[v], sums[q][v]);
        }
      }
      EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
        EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) {
          float* to = out + q * kPanel + part + v * w;
          V::Store(to, begin == 0 ? sums[q][v] : V::Add(V::Load(to), sums[q][v]));
        }
      }
    }
  }
}

// Sums of integers may be kept in several parts, which hides the latency of an addition where there are
// few queries.
template <std::size_t M>
void TileOfCodes(const std::uint8_t* panel, const std::int32_t* queries, const std::int32_t* start,
                 std::size_t groups, std::int32_t* out) {
  constexpr std::size_t w = C::kItems, kRegs = TileRegs(M, w, C::kTileRegs);
  constexpr std::size_t kParts = M * kRegs >= 8 ? 1 : M * kRegs >= 4 ? 2 : 4;
  for (std::size_t part = 0; part < kPanel; part += kRegs * w) {
    C::Acc sums[kParts][M][kRegs];
    EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
      EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) {
        sums[0][q][v] = C::Start(start[q]);
        EQUIPOISE_UNROLL for (std::size_t u = 1; u < kParts; ++u) sums[u][q][v] = C::Zero();
      }
    }
    const std::uint8_t* items = panel + part * kCodeGroup;
    const std::int32_t* query = queries;
    std::size_t k = 0;
    for (; k + kParts <= groups; k += kParts) {
      EQUIPOISE_UNROLL for (std::size_t u = 0; u < kParts; ++u) {
        C::Items values[kRegs];
        EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) values[v] =
            C::LoadItems(items + v * w * kCodeGroup);
        EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
          const typename C::Words words = C::SetWords(query + q * C::kWords);
          EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) sums[u][q][v] =
              C::Tile(sums[u][q][v], values[v], words);
        }
        items += kPanel * kCodeGroup;
        query += M * C::kWords;
      }
    }
    for (; k < groups; ++k) {
      EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) {
        const C::Items values = C::LoadItems(items + v * w * kCodeGroup);
        EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) sums[0][q][v] =
            C::Tile(sums[0][q][v], values, C::SetWords(query + q * C::kWords));
      }
      items += kPanel * kCodeGroup;
      query += M * C::kWords;
    }
    EQUIPOISE_UNROLL for (std::size_t q = 0; q < M; ++q) {
      EQUIPOISE_UNROLL for (std::size_t v = 0; v < kRegs; ++v) {
        C::Acc sum = sums[0][q][v];
        EQUIPOISE_UNROLL for (std::size_t u = 1; u < kParts; ++u) sum = C::Add(sum, sums[u][q][v]);
        C::StoreItems(out + q * kPanel + part + v * w, sum);
      }
    }
  }
}

template <typename Element, std::size_t... I>
void TileBySize(const typename Element::Type* panel, const float* queries, std::size_t d,
                std::size_t m, float* out, std::index_sequence<I...>) {
  using Function = void (*)(const typename Element::Type*, const float*, std::size_t, float*);
  static constexpr Function kBySize[] = {TileOf<Element, I + 1>...};
  kBySize[m - 1](panel, queries, d, out);
}

template <typename Element>
void Tile(const typename Element::Type* panel, const float* queries, std::size_t d, std::size_t m,
          float* out) {
  TileBySize<Element>(panel, queries, d, m, out, std::make_index_sequence<V::kBlock>());
}

template <std::size_t... I>
void TileCodesBySize(const std::uint8_t* panel, const std::int32_t* queries,
                     const std::int32_t* start, std::size_t groups, std::size_t m,
                     std::int32_t* out, std::index_sequence<I...>) {
  using Function = void (*)(const std::uint8_t*, const std::int32_t*, const std::int32_t*,
                            std::size_t, std::int32_t*);
  static constexpr Function kBySize[] = {TileOfCodes<I + 1>...};
  kBySize[m - 1](panel, queries, start, groups, out);
}

void TileCodes(const std::uint8_t* panel, const std::int32_t* queries, const std::int32_t* start,
               std::size_t groups, std::size_t m, std::int32_t* out) {
  TileCodesBySize(panel, queries, start, groups, m, out, std::make_index_sequence<C::kBlock>());
}

constexpr KernelTable MakeTable(SimdLevel level) {
  return {
      .level = level,
      .dot_f32 = SumPairs<MultiplyStep, Floats>,
      .l2_f32 = SumPairs<DifferenceStep, Floats>,
      .dot_f16 = SumPairs<MultiplyStep, Halves>,
      .l2_f16 = SumPairs<DifferenceStep, Halves>,
      .dot_i8 = DotCodes,
      .l2_i8 = SquaredL2Codes,
      .norm2 = SquaredNormLoop,
      .exp_sum = ExpSumLoop,
      .scale = ScaleLoop,
      .f32_to_f16 = FloatToHalfLoop,
      .f16_to_f32 = HalfToFloatLoop,
      .f32_to_bf16 = FloatToBrainLoop,
      .bf16_to_f32 = BrainToFloatLoop,
      .quantize_i8 = QuantizeLoop,
      .dequantize_i8 = DequantizeLoop,
      .block = V::kBlock,
      .tile_f32 = Tile<Floats>,
      .tile_f16 = Tile<Halves>,
      .tile_bf16 = Tile<Brains>,
      .code_block = C::kBlock,
      .code_words = C::kWords,
      .tile_i8 = TileCodes,
      .rows_f32 = Rows<Floats>,
      .rows_f16 = Rows<Halves>,
      .rows_bf16 = Rows<Brains>,
      .rows_i8 = RowsOfCodes,
      .transpose = TransposeLoop,
      .above_f32 = AboveFloats,
      .above_i32 = AboveIntegers,
      .not_finite = NotFinite,
      .times = TimesLoop,
      .times_i32 = TimesIntegersLoop,
      .negative_distances = NegativeDistancesLoop,
      .twice_less_i32 = TwiceLessIntegersLoop,
  };
}
