// equipoise tune: the configurations of an index that are worth having.
#include <filesystem>

#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/engine/tuning.h>

#include "arguments.h"
#include "commands.h"
#include "front_report.h"
#include "judged_options.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct TuneArguments {
  JudgedOptions judged;
  std::string objectives, measure = "ndcg", alpha, depths, ef, fusion, budget, units, out, report,
                          plotly;
  double lexical_price = 0, vector_price = 0;
  const CLI::Option* prices[2] = {};
  TuningOptions options;
  bool no_exact = false, no_mmr = false, no_timing = false, resume = false, json = false;
};

/// A range of whole numbers into its two ends.
Status WholeBounds(const std::string& text, const char* option, std::size_t* low,
                   std::size_t* high) {
  if (text.empty()) return {};
  const auto bounds = ParseBounds(text);
  if (!bounds) return bounds.error().At({.field = option});
  for (const double end : {bounds->first, bounds->second})
    if (!(end >= 1 && end <= 10'000 && end == static_cast<double>(static_cast<std::size_t>(end))))
      return Status(Code::kInvalidArgument, "both ends are whole numbers in [1, 10000]",
                    {.field = option});
  *low = static_cast<std::size_t>(bounds->first);
  *high = static_cast<std::size_t>(bounds->second);
  return {};
}

Status ReadOptions(TuneArguments* a) {
  TuningOptions& o = a->options;
  if (!a->objectives.empty()) o.objectives = SplitList(a->objectives);
  o.measure = a->measure == "recall" ? QualityMeasure::kRecall : QualityMeasure::kNdcg;
  if (!a->alpha.empty()) {
    const auto bounds = ParseBounds(a->alpha);
    if (!bounds) return bounds.error().At({.field = "--alpha"});
    std::tie(o.space.alpha_low, o.space.alpha_high) = *bounds;
  }
  EQUIPOISE_RETURN_IF_ERROR(
      WholeBounds(a->depths, "--depths", &o.space.depth_low, &o.space.depth_high));
  EQUIPOISE_RETURN_IF_ERROR(WholeBounds(a->ef, "--ef", &o.space.ef_low, &o.space.ef_high));
  if (!a->fusion.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(o.space.fusions, ParseFusions(a->fusion));
  }
  o.space.exact = !a->no_exact;
  o.space.mmr = !a->no_mmr;
  o.timed = !a->no_timing;
  if (!a->budget.empty()) {
    const auto budget = ParseDuration(a->budget);
    if (!budget) return budget.error().At({.field = "--budget"});
    o.budget_seconds = *budget;
  }
  const bool prices = a->prices[0]->count() + a->prices[1]->count() > 0;
  if (prices && !a->units.empty())
    return Status(Code::kInvalidArgument, "give prices or the units of another front, not both",
                  {.field = "--units"});
  if (prices)
    o.units = CostUnits{
        .lexical_search = a->lexical_price, .vector_search = a->vector_price, .prices = true};
  return {};
}

std::string ConfigurationText(const Configuration& c) {
  const std::string vectors =
      fmt::format("{}{}{}", c.vector_depth,
                  c.exact           ? " exact"
                  : c.ef_search > 0 ? fmt::format(" ef {}", c.ef_search)
                                    : std::string(),
                  c.rescore > 0 ? fmt::format(" rescore {}", c.rescore) : std::string());
  const std::string mmr =
      c.mmr ? fmt::format(", mmr {:g} of {}", *c.mmr, c.mmr_candidates) : std::string();
  if (c.alpha == 1.0) return fmt::format("BM25 alone, depth {}{}", c.lexical_depth, mmr);
  if (c.alpha == 0.0) return fmt::format("vectors alone, depth {}{}", vectors, mmr);
  return fmt::format("α {:g} {}, depth {} / {}{}", c.alpha.value_or(0.5),
                     FusionName(c.fusion.value_or(FusionMethod::kMinMaxUnion)), c.lexical_depth,
                     vectors, mmr);
}

int PrintTables(const TunedFront& front, const TuneArguments& a) {
  const char* unit = front.units.prices ? "cost" : "ms";
  Table table({"#", unit, "measured", "quality", "diversity", "validation", "95 %", "gain", "95 %",
               "advantage", "configuration"});
  table.Words(0, 9);
  const auto add = [&](const std::string& name, const TunedPoint& p) {
    table.Add(
        {name, fmt::format("{:.4g}", p.training.cost),
         p.measured_ms ? fmt::format("{:.4f}", *p.measured_ms) : std::string("–"),
         fmt::format("{:.4f}", p.training.quality), fmt::format("{:.4f}", p.training.diversity),
         fmt::format("{:.4f}", p.validation.quality),
         fmt::format("[{:.3f}, {:.3f}]", p.quality_low, p.quality_high),
         fmt::format("{:+.4f}", p.gain), fmt::format("[{:+.3f}, {:+.3f}]", p.gain_low, p.gain_high),
         std::string(p.advantage == Advantage::kVanishes ? "VANISHES" : AdvantageName(p.advantage)),
         ConfigurationText(p.configuration)});
  };
  add("default", front.standard);
  for (std::size_t i = 0; i < front.points.size(); ++i) add(fmt::to_string(i), front.points[i]);
  std::string text = table.Render();
  const TuningEffort& e = front.effort;
  std::size_t training = 0, validation = 0;
  for (const TunedCollection& c : front.collections) {
    training += c.training;
    validation += c.validation;
  }
  if (front.groundedness > 0)
    text +=
        fmt::format("\nQuality: {:g} groundedness, where there is an answer, the rest {}.",
                    front.groundedness, front.measure == QualityMeasure::kNdcg ? "nDCG" : "recall");
  if (front.subtopics) text += fmt::format("\nDiversity: α-nDCG@{}.", front.k);
  text += fmt::format(
      "\nChosen on {}, validated on {}; gain: validation quality less that of the default.\n"
      "{} of {} configurations were judged, the others were known; {} searches were run, {} saved "
      "by "
      "sharing.\n"
      "Hypervolume {:.4f} after {}{}.\nFront: {}; `equipoise pick {}` chooses from it.\n",
      Counted(training, "query", "queries"), Counted(validation, "query", "queries"), e.judged,
      e.asked, e.searches, e.searches_saved, front.hypervolume.back(),
      Counted(front.generations, "generation"),
      front.complete ? "" : ", which are not all: --resume goes on", a.out, a.out);
  return PrintText(text);
}

int PrintObject(const TunedFront& front, const TuneArguments& a) {
  Json object = Json::parse(FrontJson(front));
  for (const char* part : {"dominated", "state"}) object.erase(part);
  object["out"] = a.out;
  return PrintJson(object);
}

int RunTune(TuneArguments* a) {
  const auto fail = [&](const Status& status) {
    EndProgress();
    return Fail(status, a->json);
  };
  if (const Status read = ReadOptions(a); !read.ok()) return FailUsage(read, a->json);
  auto sources = a->judged.Read();
  if (!sources) return FailUsage(sources.error(), a->json);
  std::optional<TunedFront> before;
  if (a->resume) {
    auto read = ReadFront(a->out);
    if (!read) return fail(read.error());
    before = *std::move(read);
    a->options.resume = &*before;
  }
  if (!a->units.empty()) {
    const auto read = ReadFront(a->units);
    if (!read) return fail(read.error());
    a->options.units = read->units;
  }
  // A place that cannot be written to is known before the work is done.
  const auto folder = std::filesystem::absolute(a->out).parent_path();
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored))
    return fail(
        Status(Code::kIo, "there is no such folder to write the front to", {.file = a->out}));
  std::string plotly;
  AtomicFile report(a->report);
  if (!a->report.empty()) {
    auto read = ReadPlotly(a->plotly);
    if (!read) return fail(read.error());
    plotly = *std::move(read);
    if (const Status made = report.Create(); !made.ok()) return fail(made);
  }
  a->options.progress = MakeProgress();
  const auto front = Tune(*sources, a->options);
  if (!front) return fail(front.error());
  EndProgress();
  if (const Status written = WriteFront(*front, a->out); !written.ok()) return fail(written);
  if (!a->report.empty()) {
    Status status = report.Append(FrontReport(*front, plotly));
    if (status.ok()) status = report.Publish();
    if (!status.ok()) return fail(status);
  }
  const int printed = a->json ? PrintObject(*front, *a) : PrintTables(*front, *a);
  return Interrupted() ? kInterrupted : printed;
}

}  // namespace

Action AddTuneCommand(CLI::App* app) {
  auto a = std::make_shared<TuneArguments>();
  TuningOptions& o = a->options;
  o.threads = AvailableThreads();
  app->footer(
      "Cost is counted, not clocked: postings, distances, ... times what each took when the run "
      "began,\n"
      "which the file keeps. The same seed and --units give the same front, with any --threads.\n"
      "Ctrl-C keeps the front so far; --resume goes on.\n"
      "Example: equipoise tune my-index --data data --out front.json");
  a->judged.Add(app);
  a->judged.AddAnswers(app);
  app->add_option("--groundedness", o.groundedness,
                  "Share of groundedness in the quality of a query with an answer")
      ->check(InRange(0, 1))
      ->capture_default_str();
  app->add_option("--objectives", a->objectives, "Of cost,quality,diversity (all)")->check(Named());
  app->add_option("--measure", a->measure, "What quality is, over the first k")
      ->check(OneOf({"ndcg", "recall"}))
      ->capture_default_str();
  app->add_option("-k", o.k, "Results that are judged")
      ->check(WholeNumber(1, 1000))
      ->capture_default_str();
  app->add_option("--population", o.population, "Configurations of a generation, even")
      ->check(WholeNumber(0, 10'000))
      ->capture_default_str();
  app->add_option("--generations", o.generations, "Generations")
      ->check(WholeNumber(1, 100'000))
      ->capture_default_str();
  app->add_option("--seed", o.seed, "Of the split and the search")
      ->check(WholeNumber(0, 4'000'000'000))
      ->capture_default_str();
  app->add_option("--validation", o.validation, "Share of queries that only check")
      ->check(InRange(0.1, 0.9))
      ->capture_default_str();
  app->add_option(
         "--budget", a->budget,
         "Begin no generation after this time, as in 5m; the front is then validated and timed")
      ->check(Named());
  app->add_option("--threads", o.threads, "Threads (all)")->check(WholeNumber(1, 1024));
  app->add_option("--alpha", a->alpha, "Range of α (0:1)")->check(Named());
  app->add_option("--depths", a->depths, "Range of both depths (10:200)")->check(Named());
  app->add_option("--ef", a->ef, "Range of ef_search (10:512)")->check(Named());
  app->add_option("--fusion", a->fusion, "Fusions to choose from (all)")->check(Named());
  app->add_flag("--no-exact", a->no_exact, "Do not consider exhaustive vector search");
  app->add_flag("--no-mmr", a->no_mmr, "Do not consider maximal marginal relevance");
  app->add_option("--units", a->units, "Costs as in this front, instead of calibrating")
      ->check(Named());
  a->prices[0] = app->add_option("--lexical-price", a->lexical_price,
                                 "Cost is money: a call of the lexical path")
                     ->check(InRange(0, 1e12));
  a->prices[1] = app->add_option("--vector-price", a->vector_price, "and of the vector path")
                     ->check(InRange(0, 1e12));
  app->add_option("--out", a->out, "Write the front there")->check(Named())->required();
  app->add_option("--report", a->report, "Write an HTML page with plots, which opens offline")
      ->check(Named());
  app->add_option("--plotly", a->plotly,
                  "Plotly's script for it, plotly.min.js, where ./dev has put none")
      ->check(Named());
  app->add_flag("--resume", a->resume, "Go on from the front in --out");
  app->add_flag("--no-timing", a->no_timing, "Do not time the points of the front");
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunTune(a.get()); };
}

}  // namespace equipoise::cli
