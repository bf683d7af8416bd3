// FAISS builds the graph, with our distances.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_links.h"
#include "vector_files.h"

namespace equipoise {

// Rows whose codes an earlier row has, by (original, copy).
// Shapes   codes [rows, dim]
std::vector<Copy> FindCopies(std::span<const std::uint8_t> codes, std::size_t dim);

struct HnswOrder {
  std::vector<std::uint32_t> rows;  // those that are linked, in this order, each once
  // The last `held_out` are linked after `measure` has seen the graph without them.
  std::size_t held_out = 0;
  std::function<Status(const SlottedGraph&)> measure{};
};

// Links rows by their codes; rows that `order` leaves out get lists without links.
// Shapes   codes [rows, dim]
// Range    1 <= rows < 2^31; 1 <= dim <= kMaxCodeDim; order.rows not empty
// Errors   kCancelled, kOutOfMemory, kInternal (what FAISS threw), and what measure returns
// Threads  options.threads; the OpenMP setting of the calling thread is restored
Result<SlottedGraph> BuildHnsw(std::span<const std::uint8_t> codes, std::size_t dim,
                               CodeScale scale, const VectorIndexOptions& options,
                               const HnswOrder& order);

// The same onto a graph that is there: order.rows begins with what it links.
// Range    first: how many of order.rows that is
// Errors   as BuildHnsw; kInvalidArgument: options.m is not the graph's
Result<SlottedGraph> ExtendHnsw(const SlottedGraph& graph, std::size_t first,
                                std::span<const std::uint8_t> codes, std::size_t dim,
                                CodeScale scale, const VectorIndexOptions& options,
                                const HnswOrder& order);

// "1.7.3"
std::string FaissVersion();

}  // namespace equipoise
