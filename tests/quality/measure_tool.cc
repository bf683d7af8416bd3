/// What check_measures.py runs: our evaluation of a run file, and our writing of one.
///
///   measure_tool evaluate QRELS RUN    per query and mean as one JSON object on stdout
///   measure_tool rewrite RUN OUT       reads a run and writes it as the library does
#include <cstdio>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <equipoise/engine/judgments.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/engine/run_file.h>

namespace {

using equipoise::EvaluationMeasures;
using nlohmann::json;

int Fail(const equipoise::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

json ToJson(const EvaluationMeasures& measures) {
  json out;
  const auto values = measures.values();
  for (std::size_t i = 0; i < values.size(); ++i)
    out[std::string(EvaluationMeasures::kNames[i])] = values[i];
  return out;
}

int Evaluate(const std::string& qrels, const std::string& run_path) {
  const auto judgments = equipoise::Judgments::Read(qrels);
  if (!judgments) return Fail(judgments.error());
  const auto run = equipoise::RunFile::Read(run_path);
  if (!run) return Fail(run.error());
  const equipoise::RunEvaluation evaluation = equipoise::EvaluateRun(*run, *judgments);
  json out = {{"queries", json::object()},
              {"mean", ToJson(evaluation.mean)},
              {"without_results", evaluation.without_results},
              {"without_relevant", evaluation.without_relevant},
              {"without_judgments", evaluation.without_judgments}};
  for (const auto& query : evaluation.queries) out["queries"][query.query] = ToJson(query.measures);
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

int Rewrite(const std::string& in, const std::string& out) {
  const auto run = equipoise::RunFile::Read(in);
  if (!run) return Fail(run.error());
  const equipoise::Status status = run->Write(out);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc == 4 ? argv[1] : "";
  if (verb == "evaluate") return Evaluate(argv[2], argv[3]);
  if (verb == "rewrite") return Rewrite(argv[2], argv[3]);
  std::fputs("usage: measure_tool evaluate QRELS RUN | rewrite RUN OUT\n", stderr);
  return 2;
}
