// Where the plans of a search overtake each other: by share of allowed rows, and by number of rows.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include <equipoise/core/random.h>
#include <equipoise/kernels/similarity.h>

#include "vector_bench.h"

namespace equipoise::bench {
namespace {

constexpr int kRounds = 3;

struct Timed {
  double us = 0;  // a query: best round
  std::vector<std::vector<Scored>> found;
  VectorSearchReport last;
};

Timed Time(const VectorIndex& index, const MatrixView<float>& queries,
           const VectorIndex::SearchParams& params, std::size_t count) {
  Timed out;
  double best = 1e30;
  for (int round = 0; round < kRounds; ++round) {
    out.found.clear();
    const auto start = Clock::now();
    for (std::size_t i = 0; i < count; ++i)
      out.found.push_back(Take(index.Search(queries.row_span(i), params, &out.last)));
    best = std::min(best, Seconds(start));
  }
  out.us = 1e6 * best / static_cast<double>(count);
  return out;
}

// The best 10 allowed rows by the scores of an exact search over all rows.
std::vector<std::uint32_t> BestAllowed(std::span<const float> scores, const RowSet& allowed) {
  TopKCollector best(10);
  for (std::uint32_t i = 0; i < scores.size(); ++i) {
    if (allowed.Has(i)) best.Push(i, scores[i]);
  }
  std::vector<std::uint32_t> out;
  for (const Scored& hit : best.Take()) out.push_back(hit.id);
  return out;
}

}  // namespace

Json MeasureFilters(const VectorIndex& index, const Set& set, Metric metric, std::size_t queries) {
  const auto rows = set.row_view();
  const std::size_t n = rows.rows;
  const std::size_t count = std::min(queries, set.query_view().rows);
  const MatrixView<float> asked(set.queries.data(), count, set.dim);
  const ItemSet items = Take(ItemSet::Create(rows, metric));
  std::vector<float> scores(count * n);
  FailUnless(items.Similarity(asked, scores));
  Json out = Json::array();
  for (const double share : {1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 1e-3, 1e-4, 0.0}) {
    // The rows drawn first are allowed: exactly as many as the share says; 0: one row.
    Random random(7);
    const std::size_t wanted = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::llround(share * static_cast<double>(n))));
    RowSet allowed(n);
    std::size_t left = wanted;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (random.Below(n - i) >= left) continue;
      allowed.Add(i);
      --left;
    }
    std::vector<std::vector<std::uint32_t>> truth;
    for (std::size_t i = 0; i < count; ++i)
      truth.push_back(BestAllowed({scores.data() + i * n, n}, allowed));
    for (const VectorPlan plan : {VectorPlan::kNothing, VectorPlan::kScan, VectorPlan::kScanAllowed,
                                  VectorPlan::kTwoHop, VectorPlan::kWalk}) {
      // Walks that find too little scan everything afterwards: a few queries show it.
      const std::size_t asks =
          plan == VectorPlan::kNothing ? count : std::min<std::size_t>(count, 100);
      const Timed timed = Time(index, asked, {.allowed = &allowed, .plan = plan}, asks);
      truth.resize(count);
      const std::vector<std::vector<std::uint32_t>> of_asked(
          truth.begin(), truth.begin() + static_cast<std::ptrdiff_t>(asks));
      out.push_back({{"share", share},
                     {"allowed", wanted},
                     {"forced", plan != VectorPlan::kNothing},
                     {"asked", VectorPlanName(plan)},
                     {"plan", VectorPlanName(timed.last.plan)},
                     {"us", timed.us},
                     {"recall", RecallOf(timed.found, of_asked)}});
    }
  }
  return out;
}

Json MeasureSizes(const Set& set, const VectorIndexOptions& options, const std::string& folder) {
  Json out = Json::array();
  const std::size_t count = std::min<std::size_t>(500, set.query_view().rows);
  for (const std::size_t n : {1'000u, 2'000u, 5'000u, 10'000u, 20'000u, 50'000u, 100'000u}) {
    if (n > set.row_view().rows) break;
    Set part;
    part.dim = set.dim;
    part.rows.assign(set.rows.begin(), set.rows.begin() + static_cast<std::ptrdiff_t>(n * set.dim));
    part.queries.assign(set.queries.begin(),
                        set.queries.begin() + static_cast<std::ptrdiff_t>(count * set.dim));
    VectorIndexOptions with_graph = options;
    with_graph.graph_from = 0;
    const std::string vectors = folder + "/sized.vectors", graph = folder + "/sized.graph";
    FailUnless(BuildVectorIndex(EmbeddingsView(part.row_view()), with_graph, vectors, graph));
    const VectorIndex index = Take(VectorIndex::Open(vectors, graph));
    const auto truth = Truth(part, options.metric);
    // All rows but one, so that a scan by codes can be had.
    RowSet most(n);
    for (std::uint32_t i = 1; i < n; ++i) most.Add(i);
    const auto add = [&](const char* name, const VectorIndex::SearchParams& params) {
      const Timed timed = Time(index, part.query_view(), params, count);
      out.push_back({{"rows", n},
                     {"asked", name},
                     {"plan", VectorPlanName(timed.last.plan)},
                     {"us", timed.us},
                     {"recall", RecallOf(timed.found, truth)}});
    };
    add("scan", {.exact = true});
    add("scan by codes", {.allowed = &most, .plan = VectorPlan::kScanAllowed});
    for (const float target : {0.95f, 0.99f})
      add(target < 0.97f ? "walk, target 0.95" : "walk, target 0.99",
          {.target_recall = target, .plan = VectorPlan::kWalk});
    std::filesystem::remove(vectors);
    std::filesystem::remove(graph);
  }
  return out;
}

}  // namespace equipoise::bench
