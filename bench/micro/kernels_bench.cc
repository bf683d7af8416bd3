// Time of one similarity, rows in the first-level cache. Run with
// --benchmark_repetitions=5 for medians and spread.
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>

namespace equipoise {
namespace {

constexpr std::uint32_t kSeed = 7;

std::vector<float> RandomRow(std::size_t d, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(d);
  for (float& value : out) value = normal(random);
  Normalize(out.data(), d);
  return out;
}

struct Rows {
  explicit Rows(std::size_t d)
      : a(RandomRow(d, kSeed)), b(RandomRow(d, kSeed + 1)), half(d), codes(d), other(d), query(d) {
    FloatToHalf(b.data(), half.data(), d);
    QuantizeI8(b.data(), d, {.scale = 500}, codes.data());
    QuantizeI8(a.data(), d, {.scale = 500}, other.data());
    for (std::size_t i = 0; i < d; ++i) query[i] = static_cast<std::int8_t>(other[i] ^ 0x80);
  }
  std::vector<float> a, b;
  std::vector<Float16> half;
  std::vector<std::uint8_t> codes, other;
  std::vector<std::int8_t> query;
};

template <typename Call>
void Measure(benchmark::State& state, const Call& call) {
  const auto d = static_cast<std::size_t>(state.range(0));
  const Rows rows(d);
  for (auto _ : state) {
    benchmark::DoNotOptimize(call(rows, d));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_Dot(benchmark::State& state) {
  Measure(state, [](const Rows& r, std::size_t d) { return Dot(r.a.data(), r.b.data(), d); });
}
void BM_DotF16(benchmark::State& state) {
  Measure(state, [](const Rows& r, std::size_t d) { return DotF16(r.a.data(), r.half.data(), d); });
}
void BM_DotI8(benchmark::State& state) {
  Measure(state,
          [](const Rows& r, std::size_t d) { return DotI8(r.codes.data(), r.query.data(), d); });
}
void BM_SquaredL2I8(benchmark::State& state) {
  Measure(state, [](const Rows& r, std::size_t d) {
    return SquaredL2I8(r.codes.data(), r.other.data(), d);
  });
}

BENCHMARK(BM_Dot)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_DotF16)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_DotI8)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_SquaredL2I8)->ArgName("dim")->Arg(384)->Arg(1536);

}  // namespace
}  // namespace equipoise
