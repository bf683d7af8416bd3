#include <chrono>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/engine/evaluation.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise {
namespace {

struct JudgedQuery {
  const Queries::Item* item;
  std::int64_t row;  // among all queries
  std::vector<float> embedding;
};

std::vector<float> RowAsFloats(const EmbeddingsView& rows, std::size_t i) {
  if (!rows.is_f16()) return {rows.f32.row(i), rows.f32.row(i) + rows.cols()};
  std::vector<float> out(rows.cols());
  HalfToFloat(rows.f16.row(i), out.data(), out.size());
  return out;
}

/// The queries that count: those with a relevant document.
std::vector<JudgedQuery> JudgedQueries(const Queries& queries, const EmbeddingsView& embeddings,
                                       const Judgments& judgments) {
  std::vector<JudgedQuery> out;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const Queries::Item& item = queries.items()[i];
    const Judgments::OfQuery* judged = judgments.Find(item.id);
    if (judged == nullptr || judged->relevant == 0) continue;
    out.push_back({&item, static_cast<std::int64_t>(i),
                   embeddings.empty() ? std::vector<float>() : RowAsFloats(embeddings, i)});
  }
  return out;
}

SearchRequest RequestFor(const JudgedQuery& query, const FusionWeights& weights,
                         const EvaluationOptions& options) {
  return Configured({.text = query.item->text,
                     .embedding = query.embedding,
                     .k = options.k,
                     .alpha = weights.alpha,
                     .fusion = weights.method},
                    options.configuration, weights.method);
}

/// Says in `result` how the queries were asked where some could be asked on one path only: as one
/// setting with its note if that holds for all of them.
class PathsAsked {
 public:
  void Add(const SearchResult& found) {
    ++queries_;
    if (found.alpha_source != AlphaSource::kSinglePath) return;
    same_ = single_ == 0 || (same_ && last_ == found.weights);
    last_ = found.weights;
    note_ = found.note;
    ++single_;
  }

  void Describe(SettingEvaluation* result) const {
    if (single_ == 0) return;
    if (single_ == queries_ && same_) {
      result->used = last_;
      result->note = note_;
    } else {
      result->note =
          fmt::format("{} of {} queries had one path only ({})", single_, queries_, note_);
    }
  }

 private:
  std::size_t queries_ = 0;
  std::size_t single_ = 0;
  bool same_ = false;
  FusionWeights last_;
  std::string_view note_;
};

}  // namespace

Result<EvaluationReport> Evaluate(const Engine& engine, const Queries& queries,
                                  EmbeddingsView query_embeddings, const Judgments& judgments,
                                  const EvaluationOptions& options) try {
  if (options.settings.empty())
    return Status(Code::kInvalidArgument, "no setting to evaluate", {.field = "settings"});
  if (!query_embeddings.empty() && query_embeddings.rows() != queries.size())
    return Status(Code::kInvalidArgument,
                  fmt::format("there are {} rows of query embeddings for {} queries; row i belongs "
                              "to query i",
                              query_embeddings.rows(), queries.size()),
                  {.field = "query-embeddings"});
  EQUIPOISE_RETURN_IF_ERROR(CheckConfiguration(options.configuration));
  const std::vector<JudgedQuery> judged = JudgedQueries(queries, query_embeddings, judgments);
  if (judged.empty())
    return Status(Code::kInvalidArgument,
                  "no query has a relevant document: do the judgments belong to these queries?",
                  {.field = "qrels"});

  EvaluationReport report;
  const Collection& collection = engine.collection();
  report.coverage = CheckCoverage(
      judgments, queries, [&](std::string_view id) { return collection.Find(id).has_value(); });

  const std::uint64_t rounds = options.settings.size() + 1;
  const std::uint64_t total = rounds * judged.size();
  std::uint64_t done = 0;
  auto advance = [&] {
    const bool report_now = ++done % std::max<std::uint64_t>(1, total / 200) == 0 || done == total;
    return !options.progress || !report_now ||
           options.progress({.stage = "queries", .done = done, .total = total});
  };
  const Status cancelled(Code::kCancelled, "stopped while evaluating");

  for (const JudgedQuery& query : judged) {
    auto found = engine.Search(RequestFor(query, options.settings.front(), options));
    if (!found) return found.error().At({.row = query.row});
    if (!advance()) return cancelled;
  }
  for (const FusionWeights& weights : options.settings) {
    SettingEvaluation result;
    result.asked = result.used = weights;
    LatencyCounts latency;
    PathsAsked paths;
    for (const JudgedQuery& query : judged) {
      const SearchRequest request = RequestFor(query, weights, options);
      const auto start = std::chrono::steady_clock::now();
      auto found = engine.Search(request);
      const auto elapsed = std::chrono::steady_clock::now() - start;
      if (!found) return found.error().At({.row = query.row});
      latency.Record(static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count()));
      paths.Add(*found);
      RunFile::Ranking ranking{.query = query.item->id, .entries = {}};
      for (Hit& hit : found->hits) ranking.entries.push_back({std::move(hit.id), hit.score});
      result.run.Add(std::move(ranking));
      if (!advance()) return cancelled;
    }
    paths.Describe(&result);
    result.latency = latency.Summary();
    result.qps = result.latency.sum_ns == 0 ? 0
                                            : 1e9 * static_cast<double>(result.latency.count) /
                                                  static_cast<double>(result.latency.sum_ns);
    result.quality = EvaluateRun(result.run, judgments, &queries);
    report.results.push_back(std::move(result));
  }
  return report;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to evaluate");
}

}  // namespace equipoise
