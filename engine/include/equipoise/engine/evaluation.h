/// Measures an index against judged queries: quality and time of each setting, side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/core/telemetry.h>
#include <equipoise/engine/configuration.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/engine/run_file.h>

namespace equipoise {

struct EvaluationOptions {
  std::vector<FusionWeights> settings;  ///< at least one; each is evaluated over all queries
  std::size_t k = 1000;           ///< results a query: a measure at a cut-off above k sees only k
  Configuration configuration{};  ///< of every search; the settings' α and fusion go first
  ProgressCallback progress{};
};

/// One setting, over the judged queries that have a relevant document.
struct SettingEvaluation {
  FusionWeights asked;  ///< the setting
  FusionWeights used;   ///< α is 1 or 0 where no query could be asked on both paths
  std::string note;     ///< why, or how many queries had one path only; empty where all had both
  RunEvaluation quality;
  RunFile run;             ///< the rankings themselves
  LatencySummary latency;  ///< of single searches, one after the other, in the caller's thread
  double qps = 0;          ///< queries a second in that mode
};

struct EvaluationReport {
  std::vector<SettingEvaluation> results;  ///< in the order of the settings
  JudgmentCoverage coverage;               ///< what of the judgments does not fit
};

/// Runs every query that has a relevant document once for each setting, after one untimed round
/// that brings the index into memory.
/// Shapes   query_embeddings [queries.size(), d] in the order of the queries, or empty
/// Errors   kInvalidArgument: no settings, α outside [0, 1], k = 0, another number of rows or
///          dimensions, no query with a relevant document, NaN in a query embedding (row named);
///          kCancelled by the progress callback; kOutOfMemory
/// Threads  one thread; concurrent searches elsewhere show in the times
EQUIPOISE_API Result<EvaluationReport> Evaluate(const Engine& engine, const Queries& queries,
                                                EmbeddingsView query_embeddings,
                                                const Judgments& judgments,
                                                const EvaluationOptions& options);

}  // namespace equipoise
