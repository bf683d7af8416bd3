// What tuning finds beside an exhaustive sweep over α, fusion, both depths, exact or not, on one judged set
// (beam and rescoring, which tuning varies too, are the defaults in the sweep):
//   equipoise_tune_bench INDEX QUERIES EMBEDDINGS QRELS SPLITS THREADS
// For each of SPLITS splits of the queries both choose on the training half the configuration of the best
// quality, and are judged on the other half, as gains over the default. The first split calibrates the cost
// model, the others take its units.
#include <chrono>
#include <cstdio>
#include <numeric>
#include <set>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include <equipoise/core/parallel.h>
#include <equipoise/core/random.h>
#include <equipoise/engine/tuning.h>

#include "tuning_evaluator.h"
#include "tuning_space.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kAlphas = 21;

template <typename T>
T Checked(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().ToString());
  return *std::move(result);
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Every fusion, pair of depths and α of the grid, with the graph and without, but of those that search alike
/// one.
std::vector<Configuration> Grid() {
  std::vector<Configuration> out;
  std::set<std::string> seen;
  const TuningSpace space;
  for (const std::size_t lexical : {10, 15, 20, 30, 40, 60, 80, 100, 150, 200})
    for (const std::size_t vector : {10, 15, 20, 30, 40, 60, 80, 100, 150, 200})
      for (const FusionMethod fusion : space.fusions)
        for (std::size_t i = 0; i < kAlphas; ++i)
          for (const bool exact : {false, true}) {
            const Configuration c = Canonical({.alpha = static_cast<double>(i) / (kAlphas - 1),
                                               .fusion = fusion,
                                               .lexical_depth = lexical,
                                               .vector_depth = vector,
                                               .exact = exact},
                                              10);
            if (seen.insert(ConfigurationJson(c)).second) out.push_back(c);
          }
  return out;
}

struct Values {
  std::vector<double> of_query;  // quality
  double Mean(std::span<const std::uint32_t> queries) const {
    double sum = 0;
    for (const std::uint32_t q : queries) sum += of_query[q];
    return sum / static_cast<double>(queries.size());
  }
};

int Run(const StudySource& source, std::size_t splits, int threads) {
  std::vector<JudgedSource> sources;
  sources.push_back(Checked(OpenJudgedSource(source)));
  const auto evaluator =
      Checked(TuningEvaluator::Create(sources, {.longest = 200, .threads = threads}));
  const std::size_t n = evaluator->queries();
  const std::vector<Configuration> grid = Grid();
  const auto swept = std::chrono::steady_clock::now();
  const Configuration standard = {.alpha = 0.5, .fusion = FusionMethod::kMinMax};
  for (const Status& status :
       {evaluator->Prepare(grid), evaluator->Prepare(std::span(&standard, 1))})
    if (!status.ok()) throw std::runtime_error(status.ToString());
  std::vector<Values> values(grid.size() + 1);
  ParallelFor(values.size(), threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i)
      for (std::size_t q = 0; q < n; ++q)
        values[i].of_query.push_back(
            evaluator->Judge(i < grid.size() ? grid[i] : standard, q).quality);
  });
  const double sweep_seconds = SecondsSince(swept);

  TuningOptions options;
  options.objectives = {"cost", "quality"};
  options.threads = threads;
  options.timed = false;
  json out = {{"queries", n},
              {"swept", grid.size()},
              {"sweep_seconds", sweep_seconds},
              {"splits", json::array()}};
  for (std::size_t split = 1; split <= splits; ++split) {
    options.seed = split;
    const auto start = std::chrono::steady_clock::now();
    const TunedFront front = Checked(Tune({source}, options));
    const double seconds = SecondsSince(start);
    options.units = front.units;
    const TunedPoint* best = &front.points[0];
    for (const TunedPoint& point : front.points)
      if (point.training.quality > best->training.quality) best = &point;
    // The same split.
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    Random random = Random::Stream(split, 0);
    random.Shuffle(std::span<std::uint32_t>(order));
    const std::span<const std::uint32_t> all(order);
    const auto validation = all.first(front.collections[0].validation);
    const auto training = all.subspan(front.collections[0].validation);
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < grid.size(); ++i)
      if (values[i].Mean(training) > values[chosen].Mean(training)) chosen = i;
    const double base = values.back().Mean(validation);
    out["splits"].push_back({{"seconds", seconds},
                             {"standard", base},
                             {"found_training", best->training.quality},
                             {"swept_training", values[chosen].Mean(training)},
                             {"found_gain", best->validation.quality - base},
                             {"swept_gain", values[chosen].Mean(validation) - base}});
  }
  std::printf("%s\n", out.dump(1).c_str());
  return 0;
}

}  // namespace
}  // namespace equipoise::bench

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: %s INDEX QUERIES EMBEDDINGS QRELS SPLITS THREADS\n", argv[0]);
    return 2;
  }
  try {
    return equipoise::bench::Run({argv[1], argv[2], argv[3], argv[4]}, std::stoul(argv[5]),
                                 std::stoi(argv[6]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
