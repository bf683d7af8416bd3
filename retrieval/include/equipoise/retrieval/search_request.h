/// What a hybrid search is asked.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include <equipoise/core/stop_check.h>
#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/metadata_filter.h>
#include <equipoise/retrieval/query_features.h>
#include <equipoise/retrieval/query_syntax.h>
#include <equipoise/retrieval/row_set.h>

namespace equipoise {

/// One search. What the spans, views and pointers show must live until it returns.
struct SearchRequest {
  std::string_view text{};             ///< may be empty: the vector path alone
  std::span<const float> embedding{};  ///< [d]; may be empty: the lexical path alone
  /// Whether quotes and signs in the text are operators (query_syntax.h), which restrict both paths. Not
  /// unless it is asked for: people's texts have quotes and hyphens.
  QuerySyntax syntax = QuerySyntax::kPlain;
  std::size_t k = 10;             ///< >= 1; more than match gives all that match
  std::optional<double> alpha{};  ///< [0, 1]; the index's own α where absent
  /// Decides α in [0, 1] from what both paths have found, in the thread that searches; null: nobody does.
  /// Both are then asked, and `alpha` is that where it is not called: where one path cannot be asked, or the
  /// deadline has come.
  const std::function<double(const QueryFeatures&)>* decide = nullptr;
  std::optional<FusionMethod> fusion{};
  std::size_t depth = 100;  ///< >= 1: length of each path's list, at least k; scores are
                            ///< normalized over the first `depth` whatever k is
  // Instead of `depth`, that of one path; 0: `depth`.
  std::size_t lexical_depth = 0;
  std::size_t vector_depth = 0;
  // How thorough the vector search is: as in VectorIndex::SearchParams.
  std::size_t ef_search = 0;  ///< beam; 0: until the target recall
  std::size_t rescore = 0;    ///< best rows by codes that are scored exactly; 0: chosen by depth
  float target_recall = 0;    ///< [0, 1), of the ten nearest; 0: that of the index
  bool exact = false;         ///< compare with every vector instead of walking the graph
  /// Only these documents may be found; null: all. rows() must be the collection's documents. There are
  /// min(k, those that match) hits, whatever is allowed.
  const RowSet* allowed = nullptr;
  /// Only documents that this filter matches may be found, of those that are allowed; null: all. It must
  /// have been compiled for this collection.
  const MetadataFilter* filter = nullptr;
  /// Hits whose fused score (Hit::score) is below it are left out, before mmr chooses. 0: none; finite.
  /// Scores are relative to the query's candidates, and with rrf at most 1 / 61.
  float min_score = 0;
  /// λ of maximal marginal relevance (diversity.h), in [0, 1]: 1 changes nothing, less prefers hits unlike
  /// those above them. The relevance is the score over the best one's, the similarity the cosine of the
  /// embeddings. Absent: hits by score.
  std::optional<double> mmr{};
  std::size_t mmr_candidates = 100;  ///< the best so many are chosen from, at least k
  /// Hits whose embedding's cosine with a hit above is at least this are left out, and others come up, before
  /// mmr chooses: near-duplicates, from 0.95 on as a rule. In (0, 1]; absent: none is left out, since judged
  /// sets hold near-duplicates that are relevant.
  std::optional<double> near_duplicate{};
  /// When to end. What was found until then comes back, with true scores and marked as SearchResult::partial.
  /// Looked at between layers and about every 50 µs within recall and within near_duplicate and mmr, which
  /// then leave the hits that they have not compared by score. Not looked at while operators of the text or a
  /// filter choose the documents, nor in fusion, whose time grows with the depth.
  std::optional<std::chrono::steady_clock::time_point> deadline{};
  /// Ends the search with kCancelled as soon as it looks; null: nobody can.
  const CancellationToken* cancellation = nullptr;
  /// The query's domain where the caller knows it; empty: Engine detects it if it has a detector.
  /// Collection does not look at it.
  std::string_view domain{};
  /// With α = 0 or 1, searches the path without weight nevertheless, where the query has what it needs.
  bool both_paths = false;
  /// Asks both paths at once, the lexical one on a thread that is kept for the next such search. The
  /// result is the same. That thread stays awake for a millisecond after a search, then it sleeps.
  bool parallel_paths = false;
  bool keep_candidates = false;  ///< fill SearchResult::candidates
};

}  // namespace equipoise
