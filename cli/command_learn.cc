// equipoise learn: what learning α would bring, simulated on judged queries or replayed from a log.
#include <algorithm>

#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/engine/feedback_export.h>
#include <equipoise/engine/learning_study.h>
#include <equipoise/engine/replay_study.h>
#include <equipoise/engine/tuning.h>

#include "arguments.h"
#include "commands.h"
#include "configuration_options.h"
#include "judged_options.h"
#include "learn_report.h"
#include "options.h"
#include "output.h"
#include "replay_output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

using simulation::AlphaOf;
using simulation::Difference;

struct LearnArguments {
  JudgedOptions judged;
  StreamOptions stream;
  std::string policies, priors, prior, fusion, report, replay, exported, out;
  std::vector<std::string> states;
  StudyOptions options;
  ConfigurationOptions configuration;
  bool json = false;
};

Json Interval95(double low, double high) { return {{"low", low}, {"high", high}}; }

Json OrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json Changes(const DomainPosterior& known) {
  Json out = Json::array();
  for (const CurveChange& change : known.latest_changes)
    out.push_back({{"began", change.began},
                   {"noticed", change.noticed},
                   {"time", change.time},
                   {"evidence", change.evidence}});
  return out;
}

Json PolicyObject(const LearningStudy& study, const PolicyStudy& policy) {
  const auto& e = policy.earned;
  Json object = {{"policy", policy.name},
                 {"reward", e.reward},
                 {"reward_95", Interval95(e.reward_interval.low, e.reward_interval.high)},
                 {"regret", e.regret},
                 {"regret_95", Interval95(e.low, e.high)},
                 {"above_best_single", e.above_best_single},
                 {"above_best_single_95", Interval95(e.above_interval.low, e.above_interval.high)},
                 {"less_static", policy.less_static.mean},
                 {"less_static_95", Interval95(policy.less_static.low, policy.less_static.high)},
                 {"less_path", policy.less_path.mean},
                 {"less_path_95", Interval95(policy.less_path.low, policy.less_path.high)},
                 {"recall@10", policy.recall.mean},
                 {"recall@10_95", Interval95(policy.recall.low, policy.recall.high)},
                 {"domain_regret", Json::object()},
                 {"converged", nullptr},
                 {"regret_by_query", policy.regret},
                 {"recall@10_by_query", policy.recall_by_query}};
  for (std::size_t d = 0; d < study.domains.size(); ++d)
    object["domain_regret"][study.domains[d].name] = e.domain_regret[d];
  if (policy.converged.empty()) return object;
  object["converged"] = Json::object();
  for (std::size_t d = 0; d < study.domains.size(); ++d) {
    const auto& c = policy.converged[d];
    object["converged"][study.domains[d].name] = {{"queries", OrNull(c.median)},
                                                  {"low", OrNull(c.low)},
                                                  {"high", OrNull(c.high)},
                                                  {"share", c.share}};
  }
  return object;
}

int PrintObject(const LearningStudy& study, const LearnArguments& a) {
  Json object = {{"orders", a.options.orders},
                 {"horizon", a.options.horizon},
                 {"feedback", a.stream.feedback()},
                 {"fusion", FusionName(study.fusion)},
                 {"queries", study.queries},
                 {"left_out", study.left_out},
                 {"best_single_alpha", AlphaOf(study.best_single)},
                 {"better_path", study.lexical_better ? "BM25" : "vectors"},
                 {"floor", study.floor},
                 {"policies", Json::array()},
                 {"domains", Json::array()},
                 {"report", a.report.empty() ? Json(nullptr) : Json(a.report)}};
  for (const PolicyStudy& policy : study.policies)
    object["policies"].push_back(PolicyObject(study, policy));
  for (const DomainStudy& domain : study.domains) {
    Json entry = {{"domain", domain.name},
                  {"queries", domain.queries},
                  {"best_alpha", AlphaOf(domain.best)},
                  {"best", domain.reward[domain.best]},
                  {"bm25", domain.reward.back()},
                  {"vector", domain.reward.front()},
                  {"reward", domain.reward},
                  {"posterior", nullptr}};
    if (const auto& known = domain.posterior)
      entry["posterior"] = {{"mean", known->mean},
                            {"deviation", known->deviation},
                            {"probability", known->probability},
                            {"best_alpha", known->best_alpha},
                            {"regret_bound", known->regret_bound},
                            {"smallest_effect", known->smallest_effect},
                            {"sharing", known->sharing},
                            {"changes", Changes(*known)}};
    object["domains"].push_back(std::move(entry));
  }
  return PrintJson(object);
}

std::string Range(double low, double high) { return fmt::format("[{:.4f}, {:.4f}]", low, high); }

int PrintTables(const LearningStudy& study, const LearnArguments& a) {
  Table policies({"policy", "reward", "95 %", "regret", "95 %", "above best single", "95 %",
                  "less α = 0.5", "95 %"});
  policies.Words(1);
  for (const PolicyStudy& p : study.policies) {
    const auto& e = p.earned;
    policies.Add(
        {p.name, fmt::format("{:.4f}", e.reward),
         Range(e.reward_interval.low, e.reward_interval.high), fmt::format("{:.4f}", e.regret),
         Range(e.low, e.high), fmt::format("{:.0f} %", 100 * e.above_best_single),
         fmt::format("[{:.0f}, {:.0f}] %", 100 * e.above_interval.low, 100 * e.above_interval.high),
         fmt::format("{:+.4f}", p.less_static.mean),
         fmt::format("[{:+.4f}, {:+.4f}]", p.less_static.low, p.less_static.high)});
  }
  std::string text = policies.Render();
  text += fmt::format(
      "\nReward: nDCG@10 a query, over {} orders of {}, {} queries of a domain at most.\nRegret: "
      "against the best α of each domain; one that knows all other queries has {:.4f}.\nBest "
      "single "
      "α in hindsight: {:g}. Intervals are of a bootstrap over queries.\n",
      a.options.orders, Counted(study.queries, "query", "queries"), a.options.horizon, study.floor,
      AlphaOf(study.best_single));
  const PolicyStudy& last = study.policies.back();
  text += fmt::format(
      "{} earns {:+.4f} {} over the better path alone, {}, and its Recall@10 is {:.4f} {}.\n\n",
      last.name, last.less_path.mean,
      fmt::format("[{:+.4f}, {:+.4f}]", last.less_path.low, last.less_path.high),
      study.lexical_better ? "BM25" : "vectors", last.recall.mean,
      Range(last.recall.low, last.recall.high));
  std::vector<std::string> header = {"domain", "queries", "BM25", "vector", "best α", "reward"};
  const bool learned = !last.converged.empty();
  if (learned)
    header.insert(header.end(), {"regret", "converged", "5–95 %", "orders", "smallest effect"});
  Table domains(std::move(header));
  domains.Words(1);
  const auto queries = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.0f}", *value) : std::string("–");
  };
  for (std::size_t d = 0; d < study.domains.size(); ++d) {
    const DomainStudy& domain = study.domains[d];
    std::vector<std::string> row = {domain.name,
                                    fmt::to_string(domain.queries),
                                    fmt::format("{:.4f}", domain.reward.back()),
                                    fmt::format("{:.4f}", domain.reward.front()),
                                    fmt::format("{:g}", AlphaOf(domain.best)),
                                    fmt::format("{:.4f}", domain.reward[domain.best])};
    if (learned) {
      const auto& c = last.converged[d];
      row.insert(row.end(),
                 {fmt::format("{:.4f}", last.earned.domain_regret[d]), queries(c.median),
                  queries(c.low) + "–" + queries(c.high), fmt::format("{:.0f} %", 100 * c.share),
                  fmt::format("{:.3f}", domain.posterior->smallest_effect)});
    }
    domains.Add(std::move(row));
  }
  text += domains.Render();
  if (learned)
    text += fmt::format(
        "\nConverged: queries of the domain until {} loses, with 90 % probability, less than {:g} "
        "a "
        "query; the median order, 5–95 % of them, and how many got there.\n",
        last.name, a.options.converged_below);
  for (const DomainStudy& domain : study.domains)
    if (domain.posterior)
      for (const CurveChange& change : domain.posterior->latest_changes)
        text += fmt::format("{} changed with its query {}, noticed with query {}, at time {}.\n",
                            domain.name, change.began, change.noticed, change.time);
  if (study.left_out > 0)
    text += fmt::format("{} without a text or a relevant document: left out.\n",
                        Counted(study.left_out, "query", "queries"));
  if (!a.report.empty()) text += fmt::format("Report: {}\n", a.report);
  return PrintText(text);
}

/// What of a log: its policies, priors and seed are those of a simulation.
int RunReplay(const LearnArguments& a) {
  if (a.judged.given())
    return FailUsage(Status(Code::kInvalidArgument, "a log needs no index", {.field = "--replay"}),
                     a.json);
  if (!a.report.empty())
    return FailUsage(Status(Code::kInvalidArgument, "does not go with --replay: it prints",
                            {.field = "--report"}),
                     a.json);
  if (a.options.largest_loss < 1)
    return FailUsage(
        Status(Code::kInvalidArgument,
               "does not go with --replay: a guard counts what its own decisions earn, and those "
               "of a log are another policy's",
               {.field = "--largest-loss"}),
        a.json);
  ReplayOptions options{.policies = a.options.policies,
                        .states = a.states,
                        .priors = a.options.priors,
                        .watch = a.options.watch,
                        .seed = a.options.seed,
                        .progress = MakeProgress()};
  const auto study = StudyReplay(a.replay, options);
  EndProgress();
  if (!study) return Fail(study.error(), a.json);
  return a.json ? PrintJson(ReplayObject(*study)) : PrintText(ReplayTables(*study));
}

/// An index's log of feedback as one that --replay reads.
int RunExport(const LearnArguments& a) {
  if (a.out.empty())
    return FailUsage(
        Status(Code::kInvalidArgument, "name the file to write with --out", {.field = "--export"}),
        a.json);
  const auto written = ExportFeedback(a.exported, a.out);
  if (!written) return Fail(written.error(), a.json);
  if (a.json)
    return PrintJson({{"out", a.out},
                      {"queries", written->queries},
                      {"feedback", written->feedback},
                      {"left_out", written->left_out}});
  return PrintText(fmt::format("{}: {} with {}\n", a.out,
                               Counted(written->queries, "query", "queries"),
                               Counted(written->feedback, "rating")));
}

int RunLearn(LearnArguments* a) {
  const auto wrong = [&](const Status& status) { return FailUsage(status, a->json); };
  StudyOptions& options = a->options;
  if (!a->policies.empty()) options.policies = SplitList(a->policies);
  for (const std::string& name : options.policies)
    if (name != "static" && name != "beta" && name != "curve" && name != "contextual")
      return wrong(Status(
          Code::kInvalidArgument,
          fmt::format("\"{}\" is no policy; there are static, beta, curve, contextual", name),
          {.field = "--policy"}));
  if (!a->priors.empty()) {
    auto priors = ReadPriors(a->priors);
    if (!priors) return Fail(priors.error(), a->json);
    options.priors = *std::move(priors);
  }
  if (!a->exported.empty()) return RunExport(*a);
  if (!a->out.empty())
    return wrong(Status(Code::kInvalidArgument, "goes with --export", {.field = "--out"}));
  if (!a->replay.empty()) return RunReplay(*a);
  if (!a->states.empty())
    return wrong(Status(Code::kInvalidArgument, "goes with --replay", {.field = "--state"}));
  if (!a->judged.given())
    return wrong(Status(Code::kInvalidArgument, "name an index, or a log with --replay",
                        {.field = "index"}));
  auto sources = a->judged.Read();
  if (!sources) return wrong(sources.error());
  if (!a->fusion.empty()) {
    auto fusion = ParseFusion(a->fusion);
    if (!fusion) return wrong(fusion.error());
    options.fusion = *fusion;
  }
  const auto configuration = a->configuration.Read();
  if (!configuration) return Fail(configuration.error(), a->json);
  options.configuration = *configuration;
  if (!options.fusion) options.fusion = configuration->fusion;
  a->stream.Fill(&options);
  const auto fail = [&](const Status& status) {
    EndProgress();
    return Fail(status, a->json);
  };
  if (!a->prior.empty()) {
    const auto front = ReadFront(a->prior);
    if (!front) return fail(front.error());
    auto prior = PriorOf(*front);
    if (!prior) return fail(prior.error().At({.file = a->prior}));
    options.prior = *std::move(prior);
    // An α means nothing with another fusion than the one that it was found with.
    if (!options.fusion && !options.configuration.fusion) options.fusion = front->sweep.fusion;
    for (const StudySource& source : *sources)
      if (const auto engine = Engine::Open(source.index);
          engine && !MadeOn(*front, engine->collection().fingerprint()))
        Say(
            fmt::format("equipoise: warning: {} is not the collection that {} was made on, or has "
                        "changed since",
                        source.index, a->prior));
  }
  // First, so that a place that cannot be written to is known before the work is done.
  AtomicFile report(a->report);
  if (!a->report.empty())
    if (const Status made = report.Create(); !made.ok()) return fail(made);
  options.progress = MakeProgress();
  const auto study = StudyLearning(*sources, options);
  if (!study) return fail(study.error());
  EndProgress();
  if (!a->report.empty()) {
    Status status = report.Append(LearnReport(*study, options));
    if (status.ok()) status = report.Publish();
    if (!status.ok()) return fail(status);
  }
  return a->json ? PrintObject(*study, *a) : PrintTables(*study, *a);
}

}  // namespace

Action AddLearnCommand(CLI::App* app) {
  auto a = std::make_shared<LearnArguments>();
  StudyOptions& options = a->options;
  app->footer(
      "Every judged query is searched once; then policies run over random orders of the stream.\n"
      "A line of the stream: {\"index\": \"a\", \"query\": \"q7\", \"domain\": \"finance\", "
      "\"time\": "
      "1700000000}; the index is a path as given here or its last name, missing where there is "
      "one.\n"
      "Rewards are those of fused scores at every α: of --config neither alpha, mmr and "
      "near_duplicate count nor detector, bandit, filter and router, since the stream names the "
      "domains and the policies of --policy decide.\n"
      "A log is what engine/replay_log.h describes. With it only --policy, --state, --priors, "
      "--watch, --seed and "
      "--json count; contextual needs the features of every line.\n"
      "Example: equipoise learn --replay log.jsonl --policy static,curve\n"
      "Example: equipoise learn idx/a idx/b --data data/a data/b --stream stream.jsonl --report "
      "learn.html");
  a->judged.Add(app, false);
  app->add_option(
         "--replay", a->replay,
         "Instead of indexes: a log of searches and feedback, JSON lines; judges policies on it")
      ->check(Named());
  app->add_option("--export", a->exported,
                  "Instead of that: an index whose log of feedback becomes one for --replay")
      ->check(Named());
  app->add_option("--out", a->out, "With --export: the log to write")->check(Named());
  app->add_option("--state", a->states,
                  "With --replay: files of policies that were saved, judged as they are")
      ->check(Named());
  a->stream.Add(app, &options);
  app->add_option("--policy", a->policies,
                  "Which of static,beta,curve,contextual (the first three)");
  app->add_option("--flips", options.feedback.flips, "Share of wrong judgments, with shown (0)")
      ->check(InRange(0, 1));
  app->add_option("--delay", options.feedback.delay, "Queries until feedback arrives (0)")
      ->check(WholeNumber(0, 1'000'000));
  app->add_option("--priors", a->priors, "Priors of domains, JSON")->check(Named());
  app->add_option(
         "--prior", a->prior,
         "A front of tune, of nDCG@10 without groundedness: its curve over α at the point of "
         "the best quality is where policies start in every other domain")
      ->check(Named());
  app->add_option("--both-paths-share", options.both_paths_share,
                  "Share of queries at α = 0 or 1 that search both paths (0.05)")
      ->check(InRange(0, 1));
  app->add_option(
         "--watch", options.watch,
         "Latest queries of a domain among which curve looks for a change, 16 to 1024 (0: none)")
      ->check(WholeNumber(0, 1024));
  app->add_option(
         "--largest-loss", options.largest_loss,
         "Share of the reward at 0.5, or the priors', that curve may lose at any time, as feedback "
         "tells; reckons with --delay and --flips (1: any)")
      ->check(InRange(1e-6, 1));
  app->add_option("--fusion", a->fusion, "minmax, minmax_union, theoretical or rrf (the index's)");
  a->configuration.Add(app, "Options", simulation::kShown + 1);
  app->add_option("--report", a->report, "Write an HTML page with plots")->check(Named());
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunLearn(a.get()); };
}

}  // namespace equipoise::cli
