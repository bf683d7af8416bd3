// The recall paths of one search: what each finds, and the lexical scores of what the vectors find.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/lexical_index.h>
#include <equipoise/retrieval/vector_index.h>

#include "path_worker.h"
#include "pool.h"

namespace equipoise {

struct SearchPaths {
  const Analyzer& analyzer;
  const LexicalIndex& lexical;
  const VectorIndex* vectors;  // null: only the lexical path is asked
  Pool<PathWorker>& workers;
};

struct PathDepths {
  std::size_t lexical = 0, vector = 0;
};

struct PathLists {
  std::vector<Scored> lexical, vector;  // best first, at most as deep as was asked
  VectorSearchReport vector_report;
  // Where both paths were asked: of the documents of `vector`, in their order.
  std::vector<float> lexical_of_vector;
};

// Asks the paths that result->lexical_searched and vector_searched name, and sets their times.
// Order    with both, in one thread the vectors come first: a lexical search knows the score of any
//          document when it ends. On two threads it waits for them with that.
// Errors   those of VectorIndex::Search; throws std::bad_alloc
Status AskPaths(const SearchPaths& paths, const SearchRequest& request, const RowSet* allowed,
                PathDepths depths, SearchResult* result, PathLists* lists);

}  // namespace equipoise
