/// Vectors for tests, and the truth about them by brute force in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/matrix_view.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/retrieval/vector_index.h>

#include "temp_folder.h"

namespace equipoise::testing {

struct Matrix {
  std::size_t n = 0, d = 0;
  std::vector<float> values;

  Matrix(std::size_t rows, std::size_t cols) : n(rows), d(cols), values(rows * cols) {}
  std::span<float> row(std::size_t i) { return {values.data() + i * d, d}; }
  std::span<const float> row(std::size_t i) const { return {values.data() + i * d, d}; }
  MatrixView<float> view() const { return {values.data(), n, d}; }
};

/// Points around `clusters` centres, as embeddings of text lie.
inline Matrix Clustered(std::size_t n, std::size_t d, std::size_t clusters, std::uint32_t seed,
                        float spread = 0.5f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  // The centres are the same for every seed: queries come from where the rows are.
  std::mt19937 centre_random(99);
  Matrix centres(clusters, d), out(n, d);
  for (float& value : centres.values) value = normal(centre_random);
  for (std::size_t i = 0; i < n; ++i) {
    const auto centre = centres.row(random() % clusters);
    for (std::size_t j = 0; j < d; ++j) out.row(i)[j] = centre[j] + spread * normal(random);
  }
  return out;
}

inline double TrueScore(std::span<const float> q, std::span<const float> x, Metric metric) {
  double dot = 0, qq = 0, xx = 0, distance = 0;
  for (std::size_t j = 0; j < q.size(); ++j) {
    dot += double{q[j]} * x[j];
    qq += double{q[j]} * q[j];
    xx += double{x[j]} * x[j];
    distance += (double{q[j]} - x[j]) * (double{q[j]} - x[j]);
  }
  if (metric == Metric::kL2) return -distance;
  return qq > 0 && xx > 0 ? dot / std::sqrt(qq) / std::sqrt(xx) : 0;
}

/// All scores of a query, in row order.
inline std::vector<double> TrueScores(std::span<const float> q, const Matrix& rows, Metric metric) {
  std::vector<double> out(rows.n);
  for (std::size_t i = 0; i < rows.n; ++i) out[i] = TrueScore(q, rows.row(i), metric);
  return out;
}

/// Share of the true k best that were found. A row as good as the k-th within `tolerance` counts.
inline double Recall(const std::vector<Scored>& found, std::vector<double> scores, std::size_t k,
                     double tolerance) {
  const std::vector<double> all = scores;
  std::nth_element(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(k - 1),
                   scores.end(), std::greater<>());
  const double bar = scores[k - 1] - tolerance;
  std::size_t good = 0;
  for (std::size_t i = 0; i < std::min(k, found.size()); ++i) good += all[found[i].id] >= bar;
  return static_cast<double>(good) / static_cast<double>(k);
}

/// An index in a folder of its own.
struct BuiltIndex {
  TempFolder folder;
  std::string vectors = folder.path("v");
  std::string graph = folder.path("g");
  Status status;

  BuiltIndex(const EmbeddingsView& rows, const VectorIndexOptions& options)
      : status(BuildVectorIndex(rows, options, vectors, graph)) {}
  Result<VectorIndex> Open() const {
    if (!status.ok()) return status;
    return VectorIndex::Open(vectors, graph);
  }
};

inline bool IsSorted(const std::vector<Scored>& found) {
  return std::is_sorted(found.begin(), found.end(), Better);
}

}  // namespace equipoise::testing
