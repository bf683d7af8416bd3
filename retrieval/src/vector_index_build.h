// Building the two files of a vector index around links that are there already.
#pragma once

#include <optional>
#include <string>

#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_links.h"

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

}  // namespace equipoise
