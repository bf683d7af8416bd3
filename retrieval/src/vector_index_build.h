// Building the two files of a vector index around links that are there already.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_links.h"
#include "stored_rows.h"
#include "vector_files.h"

namespace equipoise {

struct ReadyGraph {
  SlottedGraph links;  // of all rows; not trusted
  std::optional<CodeScale> scale{};
};

// As BuildVectorIndex, but for options.graph_from, m, ef_construction: the last two are kept as what
// they were. Without `ready` it is BuildVectorIndex.
// Errors   kInvalidArgument: also links that lead nowhere
Status BuildVectorIndexAround(const EmbeddingsView& rows, const VectorIndexOptions& options,
                              const ReadyGraph* ready, const std::string& vectors_path,
                              const std::string& graph_path);

// An open index that rows are added to.
struct IndexBefore {
  const StoredRows& rows;            // with its codes, if it has any
  const HnswLinks* links = nullptr;  // null: no graph
  std::span<const Copy> copies{};
  std::span<const std::uint64_t> deleted{};  // one bit a row; empty: none
  std::string_view linked_by{};
};

// The index with `rows` behind those that it has: a graph that is there is extended, all else is as if
// it were built of all of them, except that codes which are all that is kept do not change.
// Range    options: m, seed, metric and storage of the index
// Errors   as BuildVectorIndex, with `function` named
Status BuildVectorIndexBehind(const char* function, const IndexBefore& before,
                              const EmbeddingsView& rows, const VectorIndexOptions& options,
                              const std::string& vectors_path, const std::string& graph_path);

}  // namespace equipoise
