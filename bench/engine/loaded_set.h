// A judged set as engine_bench.cc asks it: texts, embeddings as unit float32 rows, judgments where there
// are some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/engine/judgments.h>

namespace equipoise::bench {

inline void Require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <typename T>
T OrThrow(Result<T> made) {
  Require(made.error());
  return *std::move(made);
}

/// Rows of a matrix file, each of unit length.
struct UnitRows {
  std::vector<float> values{};
  std::size_t dim = 0;

  static UnitRows Read(const std::string& path);
  std::size_t rows() const { return dim == 0 ? 0 : values.size() / dim; }
  std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * dim, dim);
  }
};

struct LoadedSet {
  std::string name{};
  std::string index{};  ///< folder
  std::string data{};   ///< folder in the BEIR layout
  Queries queries{};
  UnitRows embeddings{};
  Judgments judgments{};
  std::vector<std::size_t> judged{};  ///< queries with a relevant document; empty without judgments

  static LoadedSet Read(const std::string& index, const std::string& data);
};

/// nDCG@10 and Recall@10 of a ranking of ids.
struct Quality {
  double ndcg = 0, recall = 0;
};
Quality QualityOf(const Judgments::OfQuery& judged, std::span<const std::string> ids);

}  // namespace equipoise::bench
