// equipoise report: one page that shows what an index does with one's own judged queries.
#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/engine/search_study.h>
#include <equipoise/engine/tuning.h>

#include "commands.h"
#include "configuration_options.h"
#include "front_report.h"
#include "judged_options.h"
#include "learn_report.h"
#include "options.h"
#include "output.h"
#include "search_report.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct ReportArguments {
  JudgedOptions judged;
  StreamOptions stream;
  ConfigurationOptions configuration;
  SearchStudyOptions options;
  StudyOptions learning;
  std::string front, plotly, out;
  bool json = false;
};

/// What is shown of a front, and the script that draws it.
struct Front {
  TunedFront front;
  std::string plotly;
};

Result<std::optional<Front>> ReadParts(const ReportArguments& a) {
  if (a.front.empty()) return std::optional<Front>();
  Front out;
  EQUIPOISE_ASSIGN_OR_RETURN(out.plotly, ReadPlotly(a.plotly));
  EQUIPOISE_ASSIGN_OR_RETURN(out.front, ReadFront(a.front));
  return std::optional<Front>(std::move(out));
}

std::string Render(const SearchStudy& study, const LearningStudy& learning,
                   const std::optional<Front>& front, const ReportArguments& a) {
  std::vector<PagePart> parts = {ResultsPart(study, learning),
                                 DomainsPart(learning),
                                 {.body = "<h2>Learning α</h2>"},
                                 LearnPart(learning, a.learning)};
  if (front) {
    parts.push_back({.body = "<h2>Configurations worth having</h2>"});
    parts.push_back(FrontPart(front->front));
  }
  parts.push_back(LayersPart(study));
  parts.push_back(LookPart(study));
  return Page(fmt::format("Equipoise: {}", study.index), parts,
              front ? std::string_view(front->plotly) : std::string_view());
}

int RunReport(ReportArguments* a) {
  const auto fail = [&](const Status& status) {
    EndProgress();
    return Fail(status, a->json);
  };
  auto sources = a->judged.Read();
  if (!sources) return FailUsage(sources.error(), a->json);
  if (sources->size() != 1)
    return FailUsage(Status(Code::kInvalidArgument, "a report is of one index", {.field = "index"}),
                     a->json);
  const auto configuration = a->configuration.Read();
  if (!configuration) return fail(configuration.error());
  a->options.configuration = a->learning.configuration = *configuration;
  a->stream.Fill(&a->learning);
  const auto front = ReadParts(*a);
  if (!front) return fail(front.error());
  // First, so that a place that cannot be written to is known before the work is done.
  AtomicFile page(a->out);
  if (const Status made = page.Create(); !made.ok()) return fail(made);
  a->options.progress = a->learning.progress = MakeProgress();
  const auto study = StudySearches(sources->front(), a->options);
  if (!study) return fail(study.error());
  const auto learning = StudyLearning(*sources, a->learning);
  if (!learning) return fail(learning.error());
  EndProgress();
  std::string warning;
  if (*front && !MadeOn((*front)->front, study->fingerprint))
    warning = fmt::format("{} is not the collection that {} was made on, or has changed since",
                          study->index, a->front);
  Status status = page.Append(Render(*study, *learning, *front, *a));
  if (status.ok()) status = page.Publish();
  if (!status.ok()) return fail(status);
  if (!warning.empty()) Say("equipoise: warning: " + warning);
  if (a->json)
    return PrintJson({{"out", a->out},
                      {"queries", study->queries},
                      {"sample", study->sample.size()},
                      {"front", a->front.empty() ? Json(nullptr) : Json(a->front)},
                      {"warning", warning.empty() ? Json(nullptr) : Json(warning)}});
  return PrintText(fmt::format("{}: {}, of which {} can be looked into\n", a->out,
                               Counted(study->queries, "judged query", "judged queries"),
                               study->sample.size()));
}

}  // namespace

Action AddReportCommand(CLI::App* app) {
  auto a = std::make_shared<ReportArguments>();
  app->footer(
      "The page opens offline: results of BM25, vectors, a fixed and the learned α with "
      "intervals,\n"
      "domains, regret, the front of tune, time of each layer, and a sample of queries with a "
      "slider\nfor α.\n"
      "Example: equipoise report my-index --data data --front front.json --out report.html");
  a->judged.Add(app);
  a->stream.Add(app, &a->learning);
  app->add_option("--front", a->front, "Show this front of tune")->check(Named());
  app->add_option("--plotly", a->plotly,
                  "Plotly's script for it, plotly.min.js, where ./dev has put none")
      ->check(Named());
  app->add_option("--domains", a->options.domains,
                  "Model of domains fit: its time and what it says of each query")
      ->check(Named());
  app->add_option("--sample", a->options.sample, "Queries that can be looked into")
      ->check(WholeNumber(1, 10'000))
      ->capture_default_str();
  a->configuration.Add(app, "Options", simulation::kShown + 1);
  app->add_option("--out", a->out, "Write the page there")->check(Named())->required();
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunReport(a.get()); };
}

}  // namespace equipoise::cli
