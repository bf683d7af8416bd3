// Hybrid search as one writes it down first, for engine_bench.cc to compare with: the graph of an index of
// ours, walked by the book over float32 rows with one multiplication at a time; BM25 by adding every posting
// of every term; both scores of every candidate, min-max over their union, α = 0.5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <equipoise/kernels/topk.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/collection.h>

#include "loaded_set.h"

namespace equipoise::bench {

/// Threads  one: it keeps its scratch
class PlainPipeline {
 public:
  /// rows [documents, d] of unit length; the collection must outlive it
  PlainPipeline(const Collection& collection, UnitRows rows);

  /// The ten best documents, 100 candidates of each path.
  std::vector<std::uint32_t> Search(std::string_view text, std::span<const float> query);
  /// The k nearest of `ef` that the walk keeps; of all rows where the index has no graph.
  std::vector<Scored> Nearest(std::span<const float> query, std::size_t k);

  std::size_t ef = 100;

 private:
  struct Posting {
    std::uint32_t doc = 0;
    float share = 0;  // tf / (tf + k1 (1 - b + b dl / avgdl))
  };
  void IndexTerms();
  float Dot(std::span<const float> query, std::uint32_t row) const;
  std::vector<Scored> Best(std::string_view text, std::size_t k);

  const Collection& collection_;
  UnitRows rows_;
  Analyzer analyzer_;
  std::unordered_map<std::string, std::vector<Posting>> postings_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> copies_;
  std::vector<float> sums_;          // [documents], of the last query
  std::vector<std::uint32_t> seen_;  // [documents], by which query
  std::uint32_t number_ = 0;
};

}  // namespace equipoise::bench
