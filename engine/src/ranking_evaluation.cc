#include <unordered_map>
#include <utility>

#include <equipoise/core/ranking_measures.h>
#include <equipoise/engine/ranking_evaluation.h>

namespace equipoise {
namespace {

EvaluationMeasures Measure(std::span<const int> ranked, std::span<const int> judged) {
  return {.ndcg_10 = NdcgAt(ranked, judged, 10),
          .recall_10 = RecallAt(ranked, judged, 10),
          .recall_100 = RecallAt(ranked, judged, 100),
          .mrr_10 = ReciprocalRankAt(ranked, 10),
          .map = AveragePrecision(ranked, judged)};
}

void AddQuery(const RunFile& run, const Judgments::OfQuery& judged, RunEvaluation& out) {
  if (judged.relevant == 0) {
    ++out.without_relevant;
    return;
  }
  const RunFile::Ranking* ranking = run.Find(judged.query);
  std::vector<int> grades;
  if (ranking != nullptr) {
    grades.reserve(ranking->entries.size());
    for (const RunFile::Entry& entry : ranking->entries)
      grades.push_back(judged.GradeOf(entry.document));
  }
  out.without_results += grades.empty();
  out.queries.push_back({.query = judged.query,
                         .measures = Measure(grades, judged.grades),
                         .relevant = judged.relevant,
                         .retrieved = grades.size()});
}

void SetMean(RunEvaluation& out) {
  if (out.queries.empty()) return;
  const double n = static_cast<double>(out.queries.size());
  EvaluationMeasures& mean = out.mean;
  for (const RunEvaluation::OfQuery& query : out.queries) {
    mean.ndcg_10 += query.measures.ndcg_10;
    mean.recall_10 += query.measures.recall_10;
    mean.recall_100 += query.measures.recall_100;
    mean.mrr_10 += query.measures.mrr_10;
    mean.map += query.measures.map;
  }
  for (double* sum : {&mean.ndcg_10, &mean.recall_10, &mean.recall_100, &mean.mrr_10, &mean.map})
    *sum /= n;
}

}  // namespace

EvaluationMeasures EvaluateRanking(std::span<const std::string_view> ranked,
                                   const Judgments::OfQuery& judged) {
  std::vector<int> grades;
  grades.reserve(ranked.size());
  for (std::string_view document : ranked) grades.push_back(judged.GradeOf(document));
  return Measure(grades, judged.grades);
}

RunEvaluation EvaluateRun(const RunFile& run, const Judgments& judgments, const Queries* asked) {
  RunEvaluation out;
  if (asked != nullptr) {
    for (const Queries::Item& query : asked->items()) {
      if (const Judgments::OfQuery* judged = judgments.Find(query.id))
        AddQuery(run, *judged, out);
      else
        ++out.without_judgments;
    }
    for (const Judgments::OfQuery& judged : judgments.queries())
      out.unknown_queries += asked->RowOf(judged.query) < 0;
  } else {
    for (const Judgments::OfQuery& judged : judgments.queries()) AddQuery(run, judged, out);
    for (const RunFile::Ranking& ranking : run.rankings())
      out.without_judgments += judgments.Find(ranking.query) == nullptr;
  }
  SetMean(out);
  return out;
}

JudgmentCoverage CheckCoverage(const Judgments& judgments, const Queries& queries,
                               const std::function<bool(std::string_view)>& is_document) {
  JudgmentCoverage out;
  std::unordered_map<std::string_view, bool> known;
  for (const Judgments::OfQuery& judged : judgments.queries()) {
    if (queries.RowOf(judged.query) < 0) {
      ++out.unknown_queries;
      out.judgments_of_unknown_queries += judged.documents.size();
    } else {
      out.queries_without_relevant += judged.relevant == 0;
    }
    for (const std::string& document : judged.documents) {
      const auto [at, added] = known.try_emplace(document, false);
      if (added) at->second = is_document(document);
      out.unknown_documents += added && !at->second;
      out.judgments_of_unknown_documents += !at->second;
    }
  }
  for (const Queries::Item& query : queries.items())
    out.queries_without_judgments += judgments.Find(query.id) == nullptr;
  return out;
}

}  // namespace equipoise
