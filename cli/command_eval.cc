// equipoise eval: settings of an index side by side, or rankings made elsewhere, against judgments.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/comparison.h>
#include <equipoise/engine/evaluation.h>

#include "arguments.h"
#include "commands.h"
#include "configuration_options.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct EvalArguments {
  std::string folder;
  std::string queries;
  std::string query_embeddings;
  std::string qrels;
  std::string alpha;
  std::string fusion;
  std::string run;
  std::string gate;
  std::vector<std::string> runs;
  EvaluationOptions options;
  ConfigurationOptions configuration;
  bool per_query = false;
  bool json = false;
};

using Gate = std::optional<std::pair<std::string, double>>;

void AddMeasures(const EvaluationMeasures& measures, Json* object) {
  const auto values = measures.values();
  for (std::size_t i = 0; i < values.size(); ++i)
    (*object)[std::string(EvaluationMeasures::kNames[i])] = values[i];
}

std::vector<std::string> MeasureCells(const EvaluationMeasures& measures) {
  std::vector<std::string> cells;
  for (double value : measures.values()) cells.push_back(fmt::format("{:.4f}", value));
  return cells;
}

Json PerQuery(const RunEvaluation& quality) {
  Json list = Json::array();
  for (const auto& query : quality.queries) {
    Json object = {{"query", query.query}};
    AddMeasures(query.measures, &object);
    object["relevant"] = query.relevant;
    object["retrieved"] = query.retrieved;
    list.push_back(std::move(object));
  }
  return list;
}

std::string PerQueryTable(const RunEvaluation& quality) {
  std::vector<std::string> header = {"query"};
  header.insert(header.end(), EvaluationMeasures::kNames.begin(), EvaluationMeasures::kNames.end());
  Table table(std::move(header));
  table.Words(1);
  for (const auto& query : quality.queries) {
    std::vector<std::string> row = {query.query};
    const auto cells = MeasureCells(query.measures);
    row.insert(row.end(), cells.begin(), cells.end());
    table.Add(std::move(row));
  }
  return table.Render();
}

/// The best value of the gate's measure among the results; true where it reaches the gate.
bool Passes(const Gate& gate, const std::vector<EvaluationMeasures>& results, double* best) {
  *best = 0;
  if (!gate) return true;
  const auto& names = EvaluationMeasures::kNames;
  const auto at =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), gate->first) - names.begin());
  for (const auto& measures : results) *best = std::max(*best, measures.values()[at]);
  return *best >= gate->second;
}

/// Says how the gate ended; returns the exit code.
int Close(const Gate& gate, const std::vector<EvaluationMeasures>& results, int printed) {
  double best = 0;
  if (Passes(gate, results, &best)) return printed;
  Say(fmt::format("equipoise: gate failed: {} = {:.4f} is below {}", gate->first, best,
                  gate->second));
  return kFailed;
}

Json GateObject(const Gate& gate, const std::vector<EvaluationMeasures>& results) {
  if (!gate) return nullptr;
  double best = 0;
  const bool ok = Passes(gate, results, &best);
  return {{"measure", gate->first}, {"at_least", gate->second}, {"value", best}, {"ok", ok}};
}

std::string CoverageText(const JudgmentCoverage& c, std::size_t evaluated) {
  std::string text =
      fmt::format("\n{} with a relevant document.\n", Counted(evaluated, "query", "queries"));
  auto count = [&](std::size_t n, const char* one, const char* many, const char* what) {
    if (n > 0) text += fmt::format("{} {}\n", Counted(n, one, many), what);
  };
  count(c.queries_without_relevant, "query", "queries", "judged without one: left out.");
  count(c.queries_without_judgments, "query", "queries", "not judged: left out.");
  count(c.unknown_queries, "judged query", "judged queries", "not asked: left out.");
  count(c.unknown_documents, "judged document", "judged documents",
        "not in the index: counted as not found where relevant.");
  return text;
}

/// What a setting is, for people: one path alone is the same in every fusion.
std::string Paths(const FusionWeights& weights) {
  if (weights.alpha >= 1) return "BM25 alone";
  if (weights.alpha <= 0) return "vectors alone";
  return std::string(FusionName(weights.method));
}

// Settings of an index

int PrintReport(const EvaluationReport& report, const EvalArguments& a, const Gate& gate) {
  std::vector<EvaluationMeasures> measures;
  for (const auto& result : report.results) measures.push_back(result.quality.mean);
  if (a.json) {
    const JudgmentCoverage& c = report.coverage;
    Json object = {{"index", a.folder}, {"results", Json::array()}};
    for (const auto& result : report.results) {
      Json entry = {{"alpha", result.used.alpha}, {"fusion", FusionName(result.used.method)}};
      AddMeasures(result.quality.mean, &entry);
      entry["queries"] = result.quality.queries.size();
      entry["without_results"] = result.quality.without_results;
      entry["latency_ms"] = {{"p50", static_cast<double>(result.latency.p50_ns) / 1e6},
                             {"p95", static_cast<double>(result.latency.p95_ns) / 1e6},
                             {"p99", static_cast<double>(result.latency.p99_ns) / 1e6}};
      entry["qps"] = result.qps;
      entry["k"] = a.options.k;
      entry["note"] = result.note.empty() ? Json(nullptr) : Json(result.note);
      if (a.per_query) entry["per_query"] = PerQuery(result.quality);
      object["results"].push_back(std::move(entry));
    }
    object["coverage"] = {{"queries_without_relevant", c.queries_without_relevant},
                          {"queries_without_judgments", c.queries_without_judgments},
                          {"unknown_queries", c.unknown_queries},
                          {"judgments_of_unknown_queries", c.judgments_of_unknown_queries},
                          {"unknown_documents", c.unknown_documents},
                          {"judgments_of_unknown_documents", c.judgments_of_unknown_documents}};
    object["gate"] = GateObject(gate, measures);
    return Close(gate, measures, PrintJson(object));
  }
  std::vector<std::string> header = {"alpha", "fusion"};
  header.insert(header.end(), EvaluationMeasures::kNames.begin(), EvaluationMeasures::kNames.end());
  header.insert(header.end(), {"p50 ms", "p95 ms", "p99 ms", "QPS"});
  Table table(std::move(header));
  std::string text;
  std::string notes;
  for (const auto& result : report.results) {
    std::vector<std::string> row = {fmt::format("{:g}", result.used.alpha), Paths(result.used)};
    const auto cells = MeasureCells(result.quality.mean);
    row.insert(row.end(), cells.begin(), cells.end());
    for (std::uint64_t ns : {result.latency.p50_ns, result.latency.p95_ns, result.latency.p99_ns})
      row.push_back(fmt::format("{:.3f}", static_cast<double>(ns) / 1e6));
    row.push_back(fmt::format("{:.0f}", result.qps));
    table.Add(std::move(row));
    if (!result.note.empty()) notes = fmt::format("\n{}\n", result.note);
    if (a.per_query)
      text += fmt::format("α = {:g}, {}\n{}\n", result.used.alpha, FusionName(result.used.method),
                          PerQueryTable(result.quality));
  }
  text += table.Render() + notes +
          CoverageText(report.coverage, report.results.front().quality.queries.size());
  text += fmt::format("Up to {} retrieved for each query; times are of one thread.\n", a.options.k);
  return Close(gate, measures, PrintText(text));
}

int RunIndexEvaluation(EvalArguments* a, const Gate& gate) {
  auto fail = [&](const Status& status) { return Fail(status, a->json); };
  auto engine = Engine::Open(a->folder);
  if (!engine) return fail(engine.error());
  const FusionWeights stored = engine->collection().weights();
  auto configuration = a->configuration.Read();
  if (!configuration) return fail(configuration.error());
  a->options.configuration = *configuration;
  const FusionMethod fusion = configuration->fusion.value_or(stored.method);
  // An α of the index means nothing with another fusion than the index's.
  const double own = fusion == stored.method ? stored.alpha : FusionWeights{}.alpha;
  std::vector<double> alphas = {a->query_embeddings.empty() ? 1.0
                                                            : configuration->alpha.value_or(own)};
  if (!a->alpha.empty()) {
    auto parsed = ParseAlphas(a->alpha);
    if (!parsed) return FailUsage(parsed.error(), a->json);
    alphas = *std::move(parsed);
  }
  std::vector<FusionMethod> methods = {fusion};
  if (!a->fusion.empty()) {
    auto parsed = ParseFusions(a->fusion);
    if (!parsed) return FailUsage(parsed.error(), a->json);
    methods = *std::move(parsed);
  }
  for (FusionMethod method : methods)
    for (double alpha : alphas) a->options.settings.push_back({alpha, method});
  if (!a->run.empty() && a->options.settings.size() != 1)
    return FailUsage(
        Status(Code::kInvalidArgument, "a run file holds one setting; give one α and one fusion",
               {.field = "--run"}),
        a->json);

  auto queries = Queries::Read(a->queries);
  if (!queries) return fail(queries.error());
  auto judgments = Judgments::Read(a->qrels);
  if (!judgments) return fail(judgments.error());
  MatrixFile embeddings;
  if (!a->query_embeddings.empty()) {
    auto opened = MatrixFile::Open(a->query_embeddings);
    if (!opened) return fail(opened.error());
    embeddings = *std::move(opened);
    if (Status s = CheckFinite(embeddings.view(), a->query_embeddings); !s.ok()) return fail(s);
  }
  a->options.progress = MakeProgress();
  auto report = Evaluate(*engine, *queries, embeddings.view(), *judgments, a->options);
  EndProgress();
  if (!report) {
    // Rows and dimensions are those of the file of query embeddings, qrels those of theirs.
    const std::string& field = report.error().where().field;
    const bool rows = field == "embedding" || field == "query-embeddings";
    return fail(report.error().At({.file = rows               ? a->query_embeddings
                                           : field == "qrels" ? a->qrels
                                                              : std::string()}));
  }
  if (!a->run.empty())
    if (Status status = report->results.front().run.Write(a->run); !status.ok())
      return fail(status);
  return PrintReport(*report, *a, gate);
}

// Rankings made elsewhere

/// What was counted besides the measures of a run.
std::string RunsText(const std::vector<RunEvaluation>& evaluations, const EvalArguments& a) {
  std::string text;
  for (std::size_t i = 0; i < evaluations.size(); ++i) {
    const RunEvaluation& e = evaluations[i];
    auto count = [&](std::size_t n, const char* what) {
      if (n > 0)
        text += fmt::format("{}: {} {}\n", a.runs[i], Counted(n, "query", "queries"), what);
    };
    count(e.without_results, "without a ranking: measured as 0.");
    count(e.without_relevant, "judged without a relevant document: left out.");
    count(e.without_judgments, "not judged: left out.");
    count(e.unknown_queries, "judged but not asked: left out.");
  }
  return text.empty() ? text : "\n" + text;
}

int PrintRuns(const std::vector<RunEvaluation>& evaluations,
              const std::vector<RunComparison>& comparisons, const EvalArguments& a,
              const Gate& gate) {
  std::vector<EvaluationMeasures> measures;
  for (const auto& evaluation : evaluations) measures.push_back(evaluation.mean);
  if (a.json) {
    Json object = {{"results", Json::array()}, {"comparisons", Json::array()}};
    for (std::size_t i = 0; i < evaluations.size(); ++i) {
      Json entry = {{"run", a.runs[i]}};
      AddMeasures(evaluations[i].mean, &entry);
      entry["queries"] = evaluations[i].queries.size();
      entry["without_results"] = evaluations[i].without_results;
      entry["without_relevant"] = evaluations[i].without_relevant;
      entry["without_judgments"] = evaluations[i].without_judgments;
      entry["unknown_queries"] = evaluations[i].unknown_queries;
      if (a.per_query) entry["per_query"] = PerQuery(evaluations[i]);
      object["results"].push_back(std::move(entry));
    }
    for (const RunComparison& c : comparisons)
      object["comparisons"].push_back({{"a", a.runs[c.a]},
                                       {"b", a.runs[c.b]},
                                       {"measure", c.measure},
                                       {"difference", c.paired.difference},
                                       {"low", c.paired.low},
                                       {"high", c.paired.high},
                                       {"p_randomization", c.paired.p_randomization},
                                       {"p_t", c.paired.p_t},
                                       {"p_adjusted", c.p_adjusted},
                                       {"wins", c.paired.wins},
                                       {"losses", c.paired.losses},
                                       {"queries", c.paired.n}});
    object["gate"] = GateObject(gate, measures);
    return Close(gate, measures, PrintJson(object));
  }
  std::vector<std::string> header = {"run"};
  header.insert(header.end(), EvaluationMeasures::kNames.begin(), EvaluationMeasures::kNames.end());
  header.push_back("queries");
  Table table(std::move(header));
  table.Words(1);
  std::string text;
  for (std::size_t i = 0; i < evaluations.size(); ++i) {
    std::vector<std::string> row = {a.runs[i]};
    const auto cells = MeasureCells(evaluations[i].mean);
    row.insert(row.end(), cells.begin(), cells.end());
    row.push_back(fmt::to_string(evaluations[i].queries.size()));
    table.Add(std::move(row));
    if (a.per_query) text += fmt::format("{}\n{}\n", a.runs[i], PerQueryTable(evaluations[i]));
  }
  text += table.Render() + RunsText(evaluations, a);
  if (!comparisons.empty()) {
    text += "\nDifferences (b − a), 95 % intervals of a paired bootstrap over queries:\n";
    Table differences(
        {"measure", "b − a", "low", "high", "p", "adjusted", "wins", "losses", "runs"});
    differences.Words(1, 8);
    for (const RunComparison& c : comparisons)
      differences.Add({std::string(c.measure), fmt::format("{:+.4f}", c.paired.difference),
                       fmt::format("{:+.4f}", c.paired.low), fmt::format("{:+.4f}", c.paired.high),
                       fmt::format("{:.4f}", c.paired.p_randomization),
                       fmt::format("{:.4f}", c.p_adjusted), fmt::to_string(c.paired.wins),
                       fmt::to_string(c.paired.losses),
                       fmt::format("{} − {}", a.runs[c.b], a.runs[c.a])});
    text += differences.Render();
    text +=
        fmt::format("p: paired randomization test; adjusted: Holm, over these {} comparisons.\n",
                    comparisons.size());
  }
  return Close(gate, measures, PrintText(text));
}

int RunRunsEvaluation(const EvalArguments& a, const Gate& gate) {
  auto judgments = Judgments::Read(a.qrels);
  if (!judgments) return Fail(judgments.error(), a.json);
  std::optional<Queries> asked;
  if (!a.queries.empty()) {
    auto queries = Queries::Read(a.queries);
    if (!queries) return Fail(queries.error(), a.json);
    asked = *std::move(queries);
  }
  std::vector<RunEvaluation> evaluations;
  for (const std::string& path : a.runs) {
    auto run = RunFile::Read(path);
    if (!run) return Fail(run.error(), a.json);
    evaluations.push_back(EvaluateRun(*run, *judgments, asked ? &*asked : nullptr));
  }
  std::vector<RunComparison> comparisons;
  if (evaluations.size() > 1) {
    auto compared = CompareRuns(evaluations);
    if (!compared) return Fail(compared.error(), a.json);
    comparisons = *std::move(compared);
  }
  return PrintRuns(evaluations, comparisons, a, gate);
}

int RunEval(EvalArguments* a) {
  Gate gate;
  if (!a->gate.empty()) {
    auto parsed = ParseGate(a->gate);
    if (!parsed) return FailUsage(parsed.error(), a->json);
    gate = *std::move(parsed);
  }
  const bool of_index =
      !a->alpha.empty() || !a->fusion.empty() || !a->run.empty() || !a->query_embeddings.empty();
  if (!a->runs.empty() && a->folder.empty() && !of_index) return RunRunsEvaluation(*a, gate);
  if (!a->runs.empty() || a->folder.empty() || a->queries.empty())
    return FailUsage(Status(Code::kInvalidArgument,
                            "give an index with --queries and --qrels, or --runs with --qrels (and "
                            "then none of --alpha, --fusion, --run, --query-embeddings)"),
                     a->json);
  return RunIndexEvaluation(a, gate);
}

}  // namespace

Action AddEvalCommand(CLI::App* app) {
  auto a = std::make_shared<EvalArguments>();
  app->footer(
      "nDCG has gains 2^rel − 1. Queries without a relevant document are left out and counted.\n"
      "Examples:\n"
      "  equipoise eval my-index --queries queries.jsonl --query-embeddings queries.npy \\\n"
      "      --qrels qrels/test.tsv --alpha 0:1:0.1\n"
      "  equipoise eval --runs a.trec b.trec --qrels qrels/test.tsv");
  app->add_option("index", a->folder, "Folder of the index")->check(Named());
  app->add_option("--queries", a->queries,
                  "queries.jsonl: _id and text; with --runs, measures these queries alone")
      ->check(Named())
      ->group("Input");
  app->add_option("--query-embeddings", a->query_embeddings,
                  "Their vectors, .npy or .fvecs; without them BM25 alone")
      ->check(Named())
      ->group("Input");
  app->add_option("--qrels", a->qrels, "Judgments: BEIR .tsv or TREC four columns")
      ->check(Named())
      ->required()
      ->group("Input");
  app->add_option("--runs", a->runs, "TREC runs made elsewhere, compared by paired tests")
      ->check(Named())
      ->group("Input");
  app->add_option("--alpha", a->alpha, "0.5, a list 0,0.5,1, or FIRST:LAST:STEP as in 0:1:0.1")
      ->group("Settings");
  app->add_option("--fusion", a->fusion, "minmax, minmax_union, theoretical, rrf, or a list")
      ->group("Settings");
  app->add_option("-k", a->options.k, "Results retrieved for each query")
      ->check(WholeNumber(1, 1'000'000))
      ->capture_default_str()
      ->group("Settings");
  a->configuration.Add(app, "Settings");
  app->add_option("--run", a->run, "Write the rankings as a TREC run file")
      ->check(Named())
      ->group("Output");
  app->add_flag("--per-query", a->per_query, "Show the measures of every query")->group("Output");
  app->add_option("--fail-below", a->gate,
                  "Exit with 1 unless the best setting reaches this, as in ndcg@10=0.39")
      ->group("Output");
  app->add_flag("--json", a->json, "One JSON object on stdout")->group("Output");
  return [a] { return RunEval(a.get()); };
}

}  // namespace equipoise::cli
