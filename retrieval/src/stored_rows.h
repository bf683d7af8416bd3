// The rows that answers are scored by: float16, float32, or the 8-bit codes where nothing else is
// kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_walk.h"
#include "vector_files.h"

namespace equipoise {

// A query as scores and walks need it.
struct PreparedQuery {
  // Unit length for cosine; scaled as the rows are for l2; by 2^-exponent for inner product.
  std::vector<float> values;
  std::vector<float> walked;  // as codes are made of rows; unit length but for l2
  double norm = 0;            // of the query as given
  bool zero = false;
  std::int32_t exponent = 0;
  CodeQuery codes;  // where the codes are the rows
};

// Rows that are rescored for k that are asked for. The upper halves of codes tell less.
inline std::size_t AutomaticRescore(VectorStorage storage, std::size_t k) {
  return storage == VectorStorage::kInt4Int8 ? 3 * k + 20 : k + std::max<std::size_t>(10, k / 2);
}

// Views into the two files.
// Threads  const
struct StoredRows {
  VectorsInfo info;
  Metric metric = Metric::kCosine;
  std::span<const Float16> half;
  std::span<const float> single;
  std::span<const float> inverse_norms;  // cosine, unless codes are the rows
  CodeRows codes;                        // where there are any

  // Reads "vectors" but for the codes.
  // Errors   kCorruption
  Status Open(const CheckedFile& file);
  // The same where the rows are there whatever the storage keeps in the end: while building.
  Status OpenAll(const CheckedFile& file);

  bool scored_by_codes() const { return half.empty() && single.empty(); }
  // Errors   kInvalidArgument: wrong size, NaN or infinite values; `function` is named
  Result<PreparedQuery> Prepare(const char* function, std::span<const float> query) const;
  // Range    row < info.rows
  float Score(const PreparedQuery& query, std::uint32_t row) const;
  void Prefetch(std::uint32_t row) const;
  // Row as float32 in input units (cosine: unit length; of codes, what they stand for).
  void Read(std::uint32_t row, float* to) const;
  std::uint64_t row_bytes() const;

 private:
  void ReadCodes(std::uint32_t row, float* to) const;
  Status OpenRows(const CheckedFile& file);
};

}  // namespace equipoise
