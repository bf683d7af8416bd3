// Queries made ready for the CPU's kernels: converted, interleaved block by block, with their norms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/vectors.h>

#include "cpu/aligned_buffer.h"
#include "cpu/kernel_table.h"
#include "row_operations.h"

namespace equipoise {

/// How many queries, from which on: blocks of nearly equal sizes, none above the table's.
struct QueryBlock {
  std::size_t first = 0;
  std::size_t count = 0;
};

struct PreparedQueries {
  std::size_t count = 0;
  std::size_t dim = 0;
  std::vector<QueryBlock> blocks;

  // Of floats: [m, d]; for cosine scaled to unit length. Where panels are used, interleaved too.
  AlignedBuffer<float> dense;
  AlignedBuffer<float> interleaved;
  // Of codes: code − 128 as [m, d], and interleaved words.
  AlignedBuffer<std::int8_t> signed_codes;
  AlignedBuffer<std::int32_t> words;
  std::vector<std::int32_t> start;  ///< −128 Σ

  std::vector<float> norm2;              ///< of floats and kL2: |q|²
  std::vector<std::int32_t> code_norm2;  ///< of codes and kL2
  std::vector<float> inverse_norm;       ///< of codes and kCosine

  /// Where the words or floats of a block start.
  const float* block_floats(const QueryBlock& block) const {
    return interleaved.data() + block.first * dim;
  }
  const std::int32_t* block_words(const QueryBlock& block, std::size_t words_a_group) const {
    return words.data() + block.first * ((dim + kCodeGroup - 1) / kCodeGroup) * words_a_group;
  }
};

/// 1 / norm, 0 for a zero vector; finite for every norm. The definition that the GPU shares.
float InverseNorm(double norm);

/// Σ (code − 128)².
std::int32_t CodeNorm2(const std::uint8_t* codes, std::size_t d);

/// Queries of floats, of any float type. Throws std::bad_alloc.
PreparedQueries PrepareFloats(const KernelTable& kernels, const VectorsView& queries, Metric metric,
                              bool interleave);

/// Queries that are codes.
PreparedQueries PrepareCodes(const KernelTable& kernels, const VectorsView& queries, Metric metric,
                             bool interleave);

}  // namespace equipoise
