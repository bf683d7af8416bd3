// Which stopping margin reaches which recall, measured on the rows of an index themselves.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_walk.h"
#include "stored_rows.h"
#include "vector_files.h"

namespace equipoise {

// Recall is that of so many neighbours.
inline constexpr std::size_t kRecallDepth = 10;

// How many rows to hold out of a graph of `rows`, to measure with them.
std::size_t RecallSample(std::size_t rows);

// For each of some usual targets, and options.target_recall, the smallest margin of a fixed ladder
// whose recall@10 reaches it with 95 % confidence. The held-out rows are searched and compared with
// an exact search over all other rows.
// Shapes   codes [rows, dim]: what `graph` walks by, whole
// Range    `graph` links none of held_out
// Order    by ascending target
// Errors   kCancelled, kOutOfMemory
// Threads  options.threads; the result does not depend on it
Result<std::vector<RecallPoint>> MeasureRecall(const HnswGraph& graph, const StoredRows& rows,
                                               std::span<const std::uint8_t> codes,
                                               std::span<const std::uint32_t> held_out,
                                               const VectorIndexOptions& options);

}  // namespace equipoise
