#include "tuning_cost.h"

#include <algorithm>

#include <equipoise/core/check.h>

namespace equipoise {
namespace {

constexpr std::size_t kQueries = 40;  // at most, evenly over all
constexpr std::size_t kRounds = 5;
constexpr int kSteps = 2000;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// One layer's searches: counts and times.
struct Layer {
  std::size_t first, parts;  // of SearchCounts
  std::vector<double> rows{}, times{};

  void Add(const SearchCounts& counts, double ns) {
    for (std::size_t i = 0; i < parts; ++i) rows.push_back(counts.parts[first + i]);
    times.push_back(ns);
  }
};

}  // namespace

std::vector<double> FitNonNegative(std::span<const double> rows, std::size_t m,
                                   std::span<const double> y) {
  std::vector<double> square(m * m, 0.0), right(m, 0.0), out(m, 0.0);
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t a = 0; a < m; ++a) {
      right[a] += rows[i * m + a] * y[i];
      for (std::size_t b = 0; b < m; ++b) square[a * m + b] += rows[i * m + a] * rows[i * m + b];
    }
  for (int step = 0; step < kSteps; ++step)
    for (std::size_t a = 0; a < m; ++a) {
      if (!(square[a * m + a] > 0)) continue;
      double slope = right[a];
      for (std::size_t b = 0; b < m; ++b) slope -= square[a * m + b] * out[b];
      out[a] = std::max(0.0, out[a] + slope / square[a * m + a]);
    }
  return out;
}

Result<CostUnits> Calibrate(const std::vector<JudgedSource>& sources, std::size_t longest,
                            const std::function<bool(std::size_t done, std::size_t total)>& more,
                            TuningEvaluator* evaluator) {
  std::vector<Configuration> tried;
  for (const std::size_t depth : {std::size_t{10}, std::min<std::size_t>(60, longest), longest}) {
    const Configuration plain = {.alpha = 0.5,
                                 .fusion = FusionMethod::kMinMax,
                                 .lexical_depth = depth,
                                 .vector_depth = depth};
    tried.push_back(plain);
    tried.push_back(plain);
    tried.back().ef_search = 4 * depth;
    tried.push_back(plain);
    tried.back().rescore = 4 * depth;
    tried.push_back(plain);
    tried.back().exact = true;
    tried.push_back(plain);
    tried.back().mmr = 0.7;
    tried.back().mmr_candidates = 2 * depth;
  }
  EQUIPOISE_RETURN_IF_ERROR(evaluator->Prepare(tried));
  Layer lexical{.first = 0, .parts = 3}, vector{.first = 3, .parts = 4},
      fusion{.first = 7, .parts = 4};
  const std::size_t n = evaluator->queries(), step = EveryNth(n, kQueries);
  struct Times {
    std::vector<double> words, nearest, fused;
  };
  std::vector<Times> times(n * tried.size());
  // All queries again and again, not one query again and again: between two searches for it others have
  // used the caches, as they do where it is used. The first round brings the index into memory.
  for (std::size_t round = 0; round <= kRounds; ++round)
    for (std::size_t q = 0; q < n; q += step) {
      if (!more(round * n + q, (kRounds + 1) * n))
        return Status(Code::kCancelled, "stopped before there was a front");
      const Engine& engine = sources[evaluator->SourceOf(q)].engine;
      for (std::size_t c = 0; c < tried.size(); ++c) {
        EQUIPOISE_ASSIGN_OR_RETURN(const SearchResult found,
                                   engine.Search(evaluator->RequestOf(q), tried[c]));
        if (round == 0) continue;
        Times& to = times[q * tried.size() + c];
        to.words.push_back(static_cast<double>(found.times.analysis_ns + found.times.lexical_ns));
        to.nearest.push_back(static_cast<double>(found.times.vector_ns));
        to.fused.push_back(static_cast<double>(found.times.fusion_ns));
      }
    }
  for (std::size_t q = 0; q < n; q += step)
    for (std::size_t c = 0; c < tried.size(); ++c) {
      const SearchCounts counts = evaluator->Judge(tried[c], q).counts;
      Times& of = times[q * tried.size() + c];
      lexical.Add(counts, Median(std::move(of.words)));
      vector.Add(counts, Median(std::move(of.nearest)));
      fusion.Add(counts, Median(std::move(of.fused)));
    }
  const auto fit = [](const Layer& layer) {
    return FitNonNegative(layer.rows, layer.parts, layer.times);
  };
  const auto l = fit(lexical), v = fit(vector), f = fit(fusion);
  return CostUnits{.lexical_search = l[0],
                   .posting = l[1],
                   .lexical_result = l[2],
                   .vector_search = v[0],
                   .seen = v[1],
                   .distance = v[2],
                   .rescored = v[3],
                   .fusion = f[0],
                   .candidate = f[1],
                   .missing = f[2],
                   .compared = f[3]};
}

}  // namespace equipoise
