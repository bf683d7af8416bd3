// Time of one-bit sketches and 4-bit codes, in the first-level cache; EQUIPOISE_SIMD names the
// instruction set. BM_SketchBelow: 16 records a call at random ids of 64, a quarter of them kept; its
// items are records. BM_LinkSketchBelow: 2 groups of links a call of 32, a quarter of them kept; its items
// are links.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/nibbles.h>
#include <equipoise/kernels/sketch.h>

namespace equipoise {
namespace {

constexpr std::size_t kRecords = 64, kIds = 4096, kCall = 16;

std::vector<float> RandomRow(std::size_t d, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(d);
  for (float& value : out) value = normal(random);
  return out;
}

struct Sketches {
  explicit Sketches(std::size_t d) : row(RandomRow(d, random)) {
    auto made = Sketcher::Make(d, Metric::kCosine, std::vector<float>(d, 0.0f), 7);
    sketcher = std::make_unique<Sketcher>(*std::move(made));
    const std::size_t bytes = SketchBytes(d);
    records.resize(kRecords * bytes + 63);
    first = records.data();
    while (reinterpret_cast<std::uintptr_t>(first) % 64 != 0) ++first;
    ok = sketcher->Prepare(row.data(), &query).ok();
    std::vector<float> estimates;
    for (std::size_t i = 0; i < kRecords; ++i) {
      ok = ok && sketcher->Encode(RandomRow(d, random).data(), first + i * bytes).ok();
      estimates.push_back(SketchEstimate(query, first + i * bytes));
    }
    std::sort(estimates.begin(), estimates.end());
    threshold = estimates[kRecords / 4];
    for (std::uint32_t& id : ids) id = static_cast<std::uint32_t>(random() % kRecords);
  }
  std::mt19937 random{7};
  std::vector<float> row;
  std::unique_ptr<Sketcher> sketcher;
  std::vector<std::byte> records;
  std::byte* first = nullptr;
  SketchQuery query;
  float threshold = 0;
  std::vector<std::uint32_t> ids = std::vector<std::uint32_t>(kIds);
  bool ok = false;
};

void BM_SketchBelow(benchmark::State& state) {
  Sketches s(static_cast<std::size_t>(state.range(0)));
  if (!s.ok) return state.SkipWithError("no sketches");
  const PrefetchTarget next = {s.first, 0, static_cast<std::size_t>(state.range(1))};
  std::vector<std::uint32_t> kept(kCall);
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SketchBelow(s.query, s.first, s.ids.data() + at, kCall, s.threshold, 0, kept.data(), next));
    benchmark::ClobberMemory();
    at = (at + kCall) % kIds;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCall));
}

void BM_SketchPrepare(benchmark::State& state) {
  Sketches s(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.sketcher->Prepare(s.row.data(), &s.query).ok());
    benchmark::ClobberMemory();
  }
}

void BM_SketchEncode(benchmark::State& state) {
  Sketches s(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.sketcher->Encode(s.row.data(), s.first).ok());
    benchmark::ClobberMemory();
  }
}

void BM_LinkSketchBelow(benchmark::State& state) {
  constexpr std::size_t kGroups = 32, kGroupsOfCall = 2;
  const auto d = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(7);
  const auto sketcher = LinkSketcher::Make(d, Metric::kCosine, 7);
  if (!sketcher) return state.SkipWithError("no sketches");
  const std::size_t bytes = LinkGroupBytes(d);
  std::vector<std::byte> memory(kGroups * bytes + 63);
  std::byte* first = memory.data();
  while (reinterpret_cast<std::uintptr_t>(first) % 64 != 0) ++first;
  LinkSketchQuery query;
  bool ok = sketcher->Prepare(RandomRow(d, random).data(), &query).ok();
  const std::vector<float> row = RandomRow(d, random);
  std::vector<float> estimates;
  for (std::size_t g = 0; g < kGroups; ++g) {
    const std::vector<float> neighbors = RandomRow(kLinkGroup * d, random);
    ok = ok && sketcher->Encode(row.data(), neighbors.data(), kLinkGroup, first + g * bytes).ok();
    for (std::size_t l = 0; l < kLinkGroup; ++l)
      estimates.push_back(LinkSketchEstimate(query, first + g * bytes, l, 0));
  }
  if (!ok) return state.SkipWithError("no sketches");
  std::sort(estimates.begin(), estimates.end());
  std::vector<std::uint32_t> kept(kGroupsOfCall * kLinkGroup);
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(LinkSketchBelow(query, first + at * bytes, kGroupsOfCall, 0,
                                             estimates[estimates.size() / 4], kept.data()));
    benchmark::ClobberMemory();
    at = (at + kGroupsOfCall) % kGroups;
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(kGroupsOfCall * kLinkGroup));
}

void BM_LinkSketchPrepare(benchmark::State& state) {
  const auto d = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(7);
  const auto sketcher = LinkSketcher::Make(d, Metric::kCosine, 7);
  if (!sketcher) return state.SkipWithError("no sketches");
  const std::vector<float> row = RandomRow(d, random);
  LinkSketchQuery query;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sketcher->Prepare(row.data(), &query).ok());
    benchmark::ClobberMemory();
  }
}

template <typename Call>
void MeasureNibbles(benchmark::State& state, const Call& call) {
  const auto d = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(7);
  std::vector<std::uint8_t> codes(d), nibbles(NibbleBytes(d));
  for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random());
  PackHighNibbles(codes.data(), d, nibbles.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize(call(nibbles.data(), codes.data(), d));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_DotI4(benchmark::State& state) {
  MeasureNibbles(state, [](const std::uint8_t* a, const std::uint8_t* b, std::size_t d) {
    return DotI4(a, reinterpret_cast<const std::int8_t*>(b), d);
  });
}
void BM_SquaredL2I4(benchmark::State& state) { MeasureNibbles(state, SquaredL2I4); }

BENCHMARK(BM_SketchBelow)
    ->ArgNames({"dim", "lines"})
    ->Args({384, 0})
    ->Args({384, 6})
    ->Args({1536, 0});
BENCHMARK(BM_SketchPrepare)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_SketchEncode)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_LinkSketchBelow)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_LinkSketchPrepare)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_DotI4)->ArgName("dim")->Arg(384)->Arg(1536);
BENCHMARK(BM_SquaredL2I4)->ArgName("dim")->Arg(384)->Arg(1536);

}  // namespace
}  // namespace equipoise
