/// The vector path of a hybrid search by itself: for whoever keeps what it finds and fuses later.
#pragma once

#include <cstddef>

#include <equipoise/core/export.h>
#include <equipoise/retrieval/row_set.h>
#include <equipoise/retrieval/search_request.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

/// The parameters with which Collection::Search asks the vector index: VectorIndex::Search with them finds
/// the same list.
/// Shapes   depth: of the list, the request's vector depth or its k, whichever is more; allowed: null or of
///          vectors.rows() rows, which must live as long as the parameters
/// Range    of the request ef_search, rescore, target_recall and exact count; nothing is checked before
///          VectorIndex::Search does
/// Note     lists of more than ten, unfiltered and without ef_search, come of fewer than 8,000 rows from a
///          scan of their sketches, where else a graph would be walked. Others are walked with the margin
///          of the target over √(depth / 10), at most √10: on npl and wordnet (`./dev bench hybrid`) that
///          finds 0.995 to 0.998 of 100 in less than half of the time
/// Threads  pure
EQUIPOISE_API VectorIndex::SearchParams VectorPathParams(const VectorIndex& vectors,
                                                         const SearchRequest& request,
                                                         std::size_t depth,
                                                         const RowSet* allowed = nullptr);

}  // namespace equipoise
