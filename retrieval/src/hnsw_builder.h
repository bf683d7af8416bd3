// FAISS builds the graph, with our distances.
#pragma once

#include <cstddef>
#include <cstdint>
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

// Links the rows whose codes are given. Of rows with equal codes only the first is linked; `copies`
// names the others, in order.
// Shapes   codes [rows, dim]
// Range    1 <= rows < 2^31; 1 <= dim <= kMaxCodeDim
// Errors   kCancelled, kOutOfMemory, kInternal (what FAISS threw)
// Threads  options.threads; the OpenMP setting of the calling thread is restored
Result<SlottedGraph> BuildHnsw(std::span<const std::uint8_t> codes, std::size_t dim,
                               CodeScale scale, const VectorIndexOptions& options,
                               std::vector<Copy>* copies);

// Links further rows to a graph that is there.
// Shapes   codes [rows, dim]: those of the graph first, the new ones behind them
Result<SlottedGraph> ExtendHnsw(const SlottedGraph& graph, std::span<const std::uint8_t> codes,
                                std::size_t dim, CodeScale scale, const VectorIndexOptions& options,
                                std::vector<Copy>* copies);

// "1.7.3"
std::string FaissVersion();

}  // namespace equipoise
