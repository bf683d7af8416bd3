// Builds HNSW graphs: rows are linked in batches, so that the graph does not depend on threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_links.h"
#include "hnsw_walk.h"
#include "vector_files.h"

namespace equipoise {

// Rows whose codes an earlier row has, by (original, copy).
// Shapes   codes [rows, dim]
std::vector<Copy> FindCopies(std::span<const std::uint8_t> codes, std::size_t dim);

// What rows are linked by.
struct HnswRows {
  std::size_t count = 0;
  CodeRows codes;                       // whole
  const Sketcher* sketcher = nullptr;   // of these rows
  const std::byte* sketches = nullptr;  // one a row
};

struct HnswOrder {
  std::vector<std::uint32_t> rows;  // those that are linked, in this order, each once
  // The last `held_out` are linked after `measure` has seen the graph without them.
  std::size_t held_out = 0;
  std::function<Status(const SlottedGraph&)> measure{};
};

// Links rows by their codes; rows that `order` leaves out get lists without links. Of options: m,
// ef_construction, seed (of the levels), threads, progress.
//
// The rows of a batch look for their neighbours in the graph as the batches before left it, and
// among each other; then each row that they link to takes the links back, or the best of them.
// Range    1 <= rows.count < 2^31; 1 <= dim <= kMaxCodeDim; order.rows not empty
// Errors   kCancelled, kOutOfMemory, and what measure returns
// Threads  options.threads; the graph is the same for any number of them. Memory: the graph,
//          rows.count (8 m + 26) bytes and 4 m more for each level of the few rows that have more
// Source   Malkov and Yashunin 2016, arXiv:1603.09320; batches without locks: Manohar et al. 2024,
//          arXiv:2305.04359 (ParlayANN)
Result<SlottedGraph> BuildHnsw(const HnswRows& rows, const VectorIndexOptions& options,
                               const HnswOrder& order);

// The same onto a graph that is there: order.rows begins with what it links.
// Range    first: how many of order.rows that is
// Errors   as BuildHnsw; kInvalidArgument: options.m is not the graph's
Result<SlottedGraph> ExtendHnsw(const SlottedGraph& graph, std::size_t first, const HnswRows& rows,
                                const VectorIndexOptions& options, const HnswOrder& order);

}  // namespace equipoise
