/// Brute force in double over all metrics, and the recall of many searches against it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/vector_index.h>

#include "retrieval/vector_data.h"

namespace equipoise::testing {

inline constexpr Metric kAllMetrics[] = {Metric::kCosine, Metric::kL2, Metric::kInnerProduct};
inline constexpr VectorStorage kAllStorages[] = {VectorStorage::kInt8Float16,
                                                 VectorStorage::kInline, VectorStorage::kInt8,
                                                 VectorStorage::kInt4Int8, VectorStorage::kFloat32};

inline bool KeepsCodesOnly(VectorStorage storage) {
  return storage == VectorStorage::kInt8 || storage == VectorStorage::kInt4Int8;
}

/// A graph of few links that is quick to build.
inline VectorIndexOptions SmallGraph(Metric metric, VectorStorage storage,
                                     std::size_t graph_from = 0) {
  VectorIndexOptions options;
  options.metric = metric;
  options.storage = storage;
  options.graph_from = graph_from;
  options.m = 12;
  options.ef_construction = 80;
  return options;
}

inline double BruteScore(std::span<const float> q, std::span<const float> x, Metric metric) {
  if (metric != Metric::kInnerProduct) return TrueScore(q, x, metric);
  double dot = 0;
  for (std::size_t j = 0; j < q.size(); ++j) dot += double{q[j]} * x[j];
  return dot;
}

inline std::vector<double> BruteScores(std::span<const float> q, const Matrix& rows,
                                       Metric metric) {
  std::vector<double> out(rows.n);
  for (std::size_t i = 0; i < rows.n; ++i) out[i] = BruteScore(q, rows.row(i), metric);
  return out;
}

/// The same for many queries.
inline std::vector<std::vector<double>> BruteTruth(const Matrix& queries, const Matrix& rows,
                                                   Metric metric) {
  std::vector<std::vector<double>> out;
  for (std::size_t i = 0; i < queries.n; ++i)
    out.push_back(BruteScores(queries.row(i), rows, metric));
  return out;
}

/// Share of the k best allowed rows that were found; one that is as good as the k-th, up to a
/// millionth of its size, counts. `found` holds min(k, allowed) rows.
inline double RecallAmong(const std::vector<Scored>& found, const std::vector<double>& scores,
                          std::size_t k, const RowSet* allowed = nullptr) {
  std::vector<double> some;
  for (std::uint32_t i = 0; i < scores.size(); ++i) {
    if (allowed == nullptr || allowed->Has(i)) some.push_back(scores[i]);
  }
  k = std::min(k, some.size());
  if (k == 0) return 1;
  const auto kth = some.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(some.begin(), kth, some.end(), std::greater<>());
  const double bar = *kth - 1e-6 * (std::fabs(*kth) + 1e-30);
  std::size_t good = 0;
  for (std::size_t i = 0; i < std::min(k, found.size()); ++i) good += scores[found[i].id] >= bar;
  return static_cast<double>(good) / static_cast<double>(k);
}

/// Mean recall of one search for each query; every answer has min(k, allowed) rows, in order, each
/// once, all of them allowed.
inline double MeanRecall(const VectorIndex& index, const Matrix& queries,
                         const std::vector<std::vector<double>>& truth,
                         const VectorIndex::SearchParams& params,
                         const std::function<void(const VectorSearchReport&)>& look = {}) {
  const std::size_t allowed = params.allowed == nullptr ? index.rows() : params.allowed->Count();
  double sum = 0;
  for (std::size_t i = 0; i < queries.n; ++i) {
    VectorSearchReport report;
    auto found = index.Search(queries.row(i), params, &report);
    EXPECT_TRUE(found.ok()) << found.error().ToString();
    if (!found.ok()) return 0;
    EXPECT_EQ(found->size(), std::min(params.k, allowed));
    EXPECT_TRUE(IsSorted(*found));
    EXPECT_EQ(report.allowed, allowed);
    std::vector<std::uint32_t> ids;
    for (const Scored& s : *found) {
      ids.push_back(s.id);
      EXPECT_TRUE(params.allowed == nullptr || params.allowed->Has(s.id)) << s.id;
    }
    std::sort(ids.begin(), ids.end());
    EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end()) << "a row came back twice";
    if (look) look(report);
    sum += RecallAmong(*found, truth[i], params.k, params.allowed);
  }
  return sum / static_cast<double>(queries.n);
}
inline double MeanRecall(const VectorIndex& index, const Matrix& rows, const Matrix& queries,
                         const VectorIndex::SearchParams& params,
                         const std::function<void(const VectorSearchReport&)>& look = {}) {
  return MeanRecall(index, queries, BruteTruth(queries, rows, index.metric()), params, look);
}

}  // namespace equipoise::testing
