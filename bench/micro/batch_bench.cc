// Batches of queries against sets of vectors, beside the BLAS that a program would call instead, in
// one run and one thread. Prints one JSON object a line: {"case", "dim", "seconds": {name: median of
// rounds}, ...}; bench/micro/kernels_report.py makes tables and claims of them.
//
//   equipoise_batch_bench [--quick] [--case NAME]
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <cblas.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise {
namespace {

using Json = nlohmann::ordered_json;

// What is compared is run in turn, so that a busy moment of the machine meets all of them.
struct Contestant {
  std::string name;
  std::function<void()> run;
};

struct Settings {
  int rounds = 9;
  double seconds_a_round = 0.15;
  std::string only;
};

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds a call, median over the rounds, and the median over the rounds of each one's ratio to the
// first.
Json Race(const Settings& settings, const std::vector<Contestant>& contestants) {
  std::vector<std::size_t> calls;
  std::vector<std::vector<double>> times(contestants.size());
  for (const Contestant& contestant : contestants) {
    contestant.run();
    const double start = Now();
    contestant.run();
    const double once = std::max(Now() - start, 1e-9);
    calls.push_back(
        std::max<std::size_t>(1, static_cast<std::size_t>(settings.seconds_a_round / once)));
  }
  for (int round = 0; round < settings.rounds; ++round) {
    for (std::size_t c = 0; c < contestants.size(); ++c) {
      const double start = Now();
      for (std::size_t i = 0; i < calls[c]; ++i) contestants[c].run();
      times[c].push_back((Now() - start) / static_cast<double>(calls[c]));
    }
  }
  Json seconds, speedup;
  for (std::size_t c = 0; c < contestants.size(); ++c) {
    seconds[contestants[c].name] = Median(times[c]);
    std::vector<double> ratios;
    for (std::size_t r = 0; r < times[c].size(); ++r) ratios.push_back(times[0][r] / times[c][r]);
    speedup[contestants[c].name] = Median(ratios);
  }
  return {{"seconds", seconds}, {"speedup", speedup}};
}

std::vector<float> RandomRows(std::size_t n, std::size_t d, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> out(n * d);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < d; ++k) {
      // A sum of three uniforms is close enough to normal.
      const double value = random.Uniform() + random.Uniform() + random.Uniform() - 1.5;
      out[i * d + k] = static_cast<float>(value);
    }
    Normalize(out.data() + i * d, d);
  }
  return out;
}

struct Codes {
  CodeScale scale;
  std::vector<std::uint8_t> values;
};

Codes Quantized(const std::vector<float>& rows, float scale) {
  Codes out{.scale = {.scale = scale}, .values = std::vector<std::uint8_t>(rows.size())};
  QuantizeI8(rows.data(), rows.size(), out.scale, out.values.data());
  return out;
}

ItemSet Made(Result<ItemSet> made) {
  if (!made.ok()) {
    std::fprintf(stderr, "%s\n", made.error().ToString().c_str());
    std::exit(1);
  }
  return *std::move(made);
}

void Need(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

void Sgemm(const std::vector<float>& queries, const std::vector<float>& items, std::size_t m,
           std::size_t n, std::size_t d, float* out) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(m), static_cast<int>(n),
              static_cast<int>(d), 1, queries.data(), static_cast<int>(d), items.data(),
              static_cast<int>(d), 0, out, static_cast<int>(n));
}

void Print(Json row) { std::printf("%s\n", row.dump().c_str()), std::fflush(stdout); }

// The share of the exact neighbours that codes find.
double Recall(const std::vector<Scored>& truth, const std::vector<Scored>& found, std::size_t k) {
  std::size_t hits = 0;
  for (std::size_t at = 0; at < truth.size(); at += k)
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j) hits += truth[at + i].id == found[at + j].id ? 1 : 0;
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

void BatchTopK(const Settings& settings, std::size_t m, std::size_t n, std::size_t d) {
  constexpr std::size_t k = 10;
  const std::vector<float> items = RandomRows(n, d, 1), queries = RandomRows(m, d, 2);
  const float scale = 127.0f * std::sqrt(static_cast<float>(d)) / 4;
  const Codes item_codes = Quantized(items, scale), query_codes = Quantized(queries, scale);
  const VectorsView item_view(MatrixView<float>(items.data(), n, d));
  const VectorsView query_view(MatrixView<float>(queries.data(), m, d));
  const VectorsView item_code_view(MatrixView<std::uint8_t>(item_codes.values.data(), n, d),
                                   item_codes.scale);
  const VectorsView query_code_view(MatrixView<std::uint8_t>(query_codes.values.data(), m, d),
                                    query_codes.scale);
  std::vector<float> scores(m * n);
  std::vector<Scored> once(m * k), kept(m * k), codes(m * k);
  const ItemSet set = Made(ItemSet::Create(item_view, Metric::kInnerProduct));
  const ItemSet code_set = Made(ItemSet::Create(item_code_view, Metric::kInnerProduct));
  Json row =
      Race(settings,
           {{"sgemm", [&] { Sgemm(queries, items, m, n, d, scores.data()); }},
            {"float32", [&] { Need(TopK(query_view, item_view, Metric::kInnerProduct, k, once)); }},
            {"float32 set", [&] { Need(set.TopK(query_view, k, kept)); }},
            {"int8",
             [&] { Need(TopK(query_code_view, item_code_view, Metric::kInnerProduct, k, codes)); }},
            {"int8 set", [&] { Need(code_set.TopK(query_code_view, k, codes)); }}});
  std::vector<Scored> truth;
  for (std::size_t q = 0; q < m; ++q) {
    const auto best = TopK(std::span<const float>(scores.data() + q * n, n), k, -1e30f);
    truth.insert(truth.end(), best.begin(), best.end());
  }
  row["recall"] = {{"float32", Recall(truth, once, k)}, {"int8", Recall(truth, codes, k)}};
  row.update({{"case", "batch"}, {"m", m}, {"n", n}, {"d", d}});
  Print(row);
}

// One query: how fast memory is read.
void SingleQuery(const Settings& settings, std::size_t n, std::size_t d) {
  constexpr std::size_t k = 10;
  const std::vector<float> items = RandomRows(n, d, 1), query = RandomRows(1, d, 2);
  const VectorsView item_view(MatrixView<float>(items.data(), n, d));
  const VectorsView query_view(MatrixView<float>(query.data(), 1, d));
  const ItemSet set = Made(ItemSet::Create(item_view, Metric::kInnerProduct));
  std::vector<Scored> out(k);
  std::vector<float> scores(n);
  volatile std::uint64_t sink = 0;
  Json row =
      Race(settings,
           {{"read",
             [&] {
               // A plain read of every byte: the sum of its words.
               std::uint64_t lanes[32] = {};
               const auto* words = reinterpret_cast<const unsigned char*>(items.data());
               const std::size_t bytes = items.size() * sizeof(float);
               for (std::size_t at = 0; at + 256 <= bytes; at += 256) {
                 std::uint64_t block[32];
                 std::memcpy(block, words + at, 256);
                 for (int i = 0; i < 32; ++i) lanes[i] += block[i];
               }
               sink = std::accumulate(lanes, lanes + 32, std::uint64_t{0});
             }},
            {"sgemv",
             [&] {
               cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<int>(n), static_cast<int>(d), 1,
                           items.data(), static_cast<int>(d), query.data(), 1, 0, scores.data(), 1);
             }},
            {"float32", [&] { Need(TopK(query_view, item_view, Metric::kInnerProduct, k, out)); }},
            {"float32 set", [&] { Need(set.TopK(query_view, k, out)); }}});
  row.update({{"case", "single"},
              {"m", 1},
              {"n", n},
              {"d", d},
              {"gigabytes", static_cast<double>(items.size()) * sizeof(float) / 1e9}});
  Print(row);
}

// What domain detection does: all scores of a batch against some prototypes.
void Prototypes(const Settings& settings, std::size_t m, std::size_t n, std::size_t d) {
  const std::vector<float> items = RandomRows(n, d, 1), queries = RandomRows(m, d, 2);
  const float scale = 127.0f * std::sqrt(static_cast<float>(d)) / 4;
  const Codes item_codes = Quantized(items, scale), query_codes = Quantized(queries, scale);
  const VectorsView item_view(MatrixView<float>(items.data(), n, d));
  const VectorsView query_view(MatrixView<float>(queries.data(), m, d));
  const VectorsView item_code_view(MatrixView<std::uint8_t>(item_codes.values.data(), n, d),
                                   item_codes.scale);
  const VectorsView query_code_view(MatrixView<std::uint8_t>(query_codes.values.data(), m, d),
                                    query_codes.scale);
  std::vector<float> scores(m * n);
  std::vector<Scored> best(m);
  SimilarityOptions scalar;
  scalar.simd = SimdLevel::kScalar;
  const ItemSet set = Made(ItemSet::Create(item_view, Metric::kInnerProduct));
  const ItemSet code_set = Made(ItemSet::Create(item_code_view, Metric::kInnerProduct));
  const ItemSet scalar_set = Made(ItemSet::Create(item_view, Metric::kInnerProduct, scalar));
  const ItemSet scalar_codes = Made(ItemSet::Create(item_code_view, Metric::kInnerProduct, scalar));
  const auto one_at_a_time = [&](const ItemSet& items_of, const VectorsView& all) {
    for (std::size_t q = 0; q < m; ++q)
      Need(items_of.TopK(all.Slice(q, 1), 1, std::span(best).subspan(q, 1)));
  };
  Json row = Race(
      settings,
      {{"sgemm + argmax",
        [&] {
          Sgemm(queries, items, m, n, d, scores.data());
          for (std::size_t q = 0; q < m; ++q) {
            const float* row_of = scores.data() + q * n;
            best[q].id = static_cast<std::uint32_t>(std::max_element(row_of, row_of + n) - row_of);
          }
        }},
       {"float32", [&] { Need(set.TopK(query_view, 1, best)); }},
       {"int8", [&] { Need(code_set.TopK(query_code_view, 1, best)); }},
       {"float32 to int8", [&] { Need(code_set.TopK(query_view, 1, best)); }},
       {"float32 one by one", [&] { one_at_a_time(set, query_view); }},
       {"int8 one by one", [&] { one_at_a_time(code_set, query_code_view); }},
       {"scalar float32 one by one", [&] { one_at_a_time(scalar_set, query_view); }},
       {"scalar int8 one by one", [&] { one_at_a_time(scalar_codes, query_code_view); }}});
  row.update({{"case", "prototypes"}, {"m", m}, {"n", n}, {"d", d}});
  Print(row);
}

int Main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      settings.rounds = 3;
      settings.seconds_a_round = 0.05;
    } else if (std::strcmp(argv[i], "--case") == 0 && i + 1 < argc) {
      settings.only = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--case batch|single|prototypes]\n", argv[0]);
      return 2;
    }
  }
  const auto wanted = [&](const char* name) {
    return settings.only.empty() || settings.only == name;
  };
  openblas_set_num_threads(1);
  const HardwareInfo hardware = InspectHardware();
  Print({{"processor", hardware.processor},
         {"simd", SimdLevelName(hardware.level)},
         {"blas", openblas_get_config()},
         {"blas core", openblas_get_corename()}});
  for (const std::size_t d : {384, 1536}) {
    for (const std::size_t m : {10, 32})
      if (wanted("prototypes")) Prototypes(settings, m, std::size_t{45} * 16, d);
    if (wanted("batch")) BatchTopK(settings, 256, 100'000, d);
    if (wanted("single")) SingleQuery(settings, 100'000, d);
  }
  return 0;
}

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) { return equipoise::Main(argc, argv); }
