// What the parts of equipoise_vector_bench share.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise::bench {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

inline double Seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

[[noreturn]] inline void Fail(const std::string& what) {
  std::fprintf(stderr, "equipoise_vector_bench: %s\n", what.c_str());
  std::exit(1);
}

inline void FailUnless(const Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

template <typename T>
T Take(Result<T> result) {
  if (!result) Fail(result.error().ToString());
  return *std::move(result);
}

// A collection and its queries.
struct Set {
  std::vector<float> rows, queries;
  std::size_t dim = 0;

  MatrixView<float> row_view() const { return {rows.data(), rows.size() / dim, dim}; }
  MatrixView<float> query_view() const { return {queries.data(), queries.size() / dim, dim}; }
};

// The first `rows` and `queries` of each file; 0: all.
Set ReadSet(const std::string& corpus, const std::string& queries, std::size_t row_count,
            std::size_t query_count);

// For each query the 10 best rows of an exact search in float32, and those that tie with the tenth.
std::vector<std::vector<std::uint32_t>> Truth(const Set& set, Metric metric);

// Mean over queries of min(10, found that are in truth) / min(10, truth).
double RecallOf(const std::vector<std::vector<Scored>>& found,
                const std::vector<std::vector<std::uint32_t>>& truth);

// Vectors with the spectrum and the neighbourhoods of text embeddings; see vector_set.cc.
struct SyntheticShape {
  std::size_t rows = 50'000, queries = 2'000, dim = 1'536;
  std::uint64_t seed = 1;
};
Set Synthesize(const SyntheticShape& shape);

// Every plan at every share of allowed rows.
Json MeasureFilters(const VectorIndex& index, const Set& set, Metric metric, std::size_t queries);

// Scan and walk at growing numbers of rows; builds an index in `folder` for each.
Json MeasureSizes(const Set& set, const VectorIndexOptions& options, const std::string& folder);

}  // namespace equipoise::bench
