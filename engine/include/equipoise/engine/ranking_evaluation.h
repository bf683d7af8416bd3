/// Rankings against judgments: the measures of each query, their means, and a count of everything
/// that was left out.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/engine/run_file.h>

namespace equipoise {

/// The measures of one ranking, or their means. Formulas: core/ranking_measures.h.
struct EQUIPOISE_API EvaluationMeasures {
  double ndcg_10 = 0;    ///< gains 2^grade - 1
  double recall_10 = 0;  ///< found / judged relevant
  double recall_100 = 0;
  double mrr_10 = 0;
  double map = 0;  ///< over the whole ranking that was given

  static constexpr std::size_t kCount = 5;
  /// The keys that programs print, in the order of the members: "ndcg@10", "recall@10",
  /// "recall@100", "mrr@10", "map".
  static constexpr std::array<std::string_view, kCount> kNames = {"ndcg@10", "recall@10",
                                                                  "recall@100", "mrr@10", "map"};
  /// The values in the order of kNames.
  std::array<double, kCount> values() const {
    return {ndcg_10, recall_10, recall_100, mrr_10, map};
  }
};

/// The measures of one ranking of document ids, best first, each id at most once.
/// Threads  pure; O(n) scratch
EQUIPOISE_API EvaluationMeasures EvaluateRanking(std::span<const std::string_view> ranked,
                                                 const Judgments::OfQuery& judged);

/// The evaluation of a run.
struct EQUIPOISE_API RunEvaluation {
  struct OfQuery {
    std::string query;
    EvaluationMeasures measures;
    std::size_t relevant = 0;   ///< judged relevant
    std::size_t retrieved = 0;  ///< documents in the ranking
  };
  /// The queries that the means are over: those with at least one relevant document.
  std::vector<OfQuery> queries;
  EvaluationMeasures mean;  ///< all 0 where `queries` is empty

  /// Of `queries`, those for which the run has no ranking or an empty one: they score 0, as with
  /// trec_eval -c, because leaving them out would reward not answering.
  std::size_t without_results = 0;
  /// Left out: judged, but nothing with a grade of at least 1.
  std::size_t without_relevant = 0;
  /// Left out: asked (or, without a list of queries, in the run), but not judged at all.
  std::size_t without_judgments = 0;
  /// Left out: judged, but not among the queries asked. 0 without a list of queries.
  std::size_t unknown_queries = 0;
};

/// Evaluates a run. With `asked`, over these queries; without, over all that are judged.
/// Order    queries: that of `asked`, else that of the judgments
/// Threads  pure
EQUIPOISE_API RunEvaluation EvaluateRun(const RunFile& run, const Judgments& judgments,
                                        const Queries* asked = nullptr);

/// How judgments fit the queries and the collection they are used with. Judged documents that the
/// collection lacks still count as relevant that were not found: the measures are over all that was
/// judged.
struct JudgmentCoverage {
  std::size_t unknown_queries = 0;  ///< different query ids not among the queries
  std::size_t judgments_of_unknown_queries = 0;
  std::size_t unknown_documents = 0;  ///< different document ids not in the collection
  std::size_t judgments_of_unknown_documents = 0;
  std::size_t queries_without_judgments = 0;
  std::size_t queries_without_relevant = 0;  ///< judged, but no grade of at least 1
};

/// Counts what does not fit. `is_document` says whether the collection holds an id.
/// Threads  calls is_document from this thread
EQUIPOISE_API JudgmentCoverage
CheckCoverage(const Judgments& judgments, const Queries& queries,
              const std::function<bool(std::string_view)>& is_document);

}  // namespace equipoise
