/// What learning α would bring on one's own judged queries: policies side by side, over many orders of
/// a stream. `equipoise learn` prints it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/engine/configuration.h>
#include <equipoise/engine/simulation.h>
#include <equipoise/optimizer/curve_policy.h>
#include <equipoise/optimizer/policy_priors.h>

namespace equipoise {

/// An index and what it is judged by.
struct StudySource {
  std::string index;             ///< folder
  std::string queries;           ///< BEIR's queries.jsonl
  std::string query_embeddings;  ///< .npy or .fvecs, row i for query i
  std::string qrels;             ///< BEIR's or TREC's judgments
  // Of Tune alone; empty: there are none.
  std::string answers{};    ///< engine/answers.h: groundedness is a part of quality
  std::string subtopics{};  ///< engine/subtopics.h: diversity is α-nDCG
};

struct StudyOptions {
  /// JSON lines {"index": a source's folder or its last name, "query": id, "domain": name, "time":
  /// seconds}. The index may be missing where there is one. A domain that is missing is the index's last
  /// name, a time that is missing the line's place. Empty: every judged query once, one domain an index.
  std::string stream{};
  /// As MakeWeightPolicy: "contextual" sees the features of each query (QueryFeatures).
  std::vector<std::string> policies = {"static", "beta", "curve"};
  std::size_t orders = 200;   ///< >= 1
  std::size_t horizon = 100;  ///< queries of a domain in an order, >= 1
  simulation::Feedback feedback{};
  PolicyPriors priors{};
  std::optional<DomainPrior> prior{};  ///< of every domain that `priors` does not name
  double both_paths_share = CurvePolicyOptions{}.both_paths_share;
  /// Of curve and contextual: CurvePolicyOptions::watch and largest_loss. The guard reckons with feedback
  /// that comes late and with every query of which some judgment may be flipped.
  std::size_t watch = 0;
  double largest_loss = 1;
  std::optional<FusionMethod>
      fusion{};  ///< absent: the configuration's, else that of the first index
  /// Of every search; its α, mmr and near_duplicate are not looked at, since rewards are those of fused
  /// scores at every α; its depths are more than simulation::kShown.
  Configuration configuration{};
  std::uint64_t seed = 1;
  double converged_below = 0.02;  ///< the bound on regret from which a domain counts as converged
  ProgressCallback progress{};
};

struct PolicyStudy {
  std::string name;
  simulation::Earned earned;
  simulation::Difference less_static;  ///< reward a query, less that of α = 0.5, paired
  simulation::Difference less_path;    ///< less that of the better path alone, paired
  simulation::Difference recall;       ///< Recall@10 of what was shown
  /// [horizon] mean regret of the n-th query of a domain, over domains and orders.
  std::vector<double> regret;
  std::vector<double> recall_by_query;  ///< [horizon] likewise, Recall@10 of what was shown
  /// [domains] queries until the posterior's 90 % bound on the regret was below converged_below: median,
  /// 5 % and 95 % of the orders; absent where less than half, 5 % or 95 % of them got there. Empty for
  /// policies that state no bound.
  struct Converged {
    std::optional<double> median{}, low{}, high{};
    double share = 0;  ///< of the orders
  };
  std::vector<Converged> converged;
};

struct DomainStudy {
  std::string name;
  std::size_t queries = 0;
  std::size_t best = 0;  ///< of the grid
  simulation::Curve reward{};
  /// Of the curve policy after one pass in the order of time; absent where it was not asked for.
  std::optional<DomainPosterior> posterior;
};

struct LearningStudy {
  std::vector<PolicyStudy> policies;
  std::vector<DomainStudy> domains;
  std::size_t queries = 0;
  std::size_t left_out =
      0;  ///< lines of the stream whose query has no relevant document, or no text
  std::size_t best_single = 0;
  bool lexical_better = false;  ///< of the paths alone: BM25 earns at least what vectors do
  std::vector<double>
      path_recall_by_query;  ///< [horizon] as PolicyStudy's, of the better path alone
  double floor = 0;          ///< regret of a learner that knows all other queries of the domain
  FusionMethod fusion = FusionMethod::kMinMaxUnion;
};

/// Errors   as Engine::Open and the readers of queries, judgments and embeddings; kInvalidArgument with
///          file and line: a stream that names an unknown index or query; an option out of range, no
///          query that can be judged, priors of another normalization; kCancelled by the callback
/// Threads  one
EQUIPOISE_API Result<LearningStudy> StudyLearning(const std::vector<StudySource>& sources,
                                                  const StudyOptions& options);

}  // namespace equipoise
