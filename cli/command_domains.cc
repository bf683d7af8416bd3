// equipoise domains: fit, detect, eval.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <limits>
#include <numeric>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/labelled_embeddings.h>
#include <equipoise/retrieval/domain_evaluation.h>

#include "commands.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

constexpr std::size_t kShownConfusion = 12;  // larger ones are shown as their largest cells

struct DomainsArguments {
  std::string model;
  LabelledSources sources;
  std::string method = "auto";
  std::string priors = "auto";
  std::string source = "auto";
  DomainDetectorOptions options;
  std::size_t batch = 32;
  std::size_t rounds = 1;
  bool confusion = false;
  bool json = false;
};

template <typename Enum>
Enum WordOf(const std::string& word, std::initializer_list<std::pair<const char*, Enum>> words) {
  for (const auto& [name, value] : words)
    if (word == name) return value;
  return words.begin()->second;
}

/// Seconds since `start`.
double Since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// An error about a row of all files together as one about a row of its file.
Status InFile(const Status& error, const LabelledEmbeddings& labelled) {
  if (error.where().row < 0 || !error.where().file.empty()) return error;
  Where where = labelled.PlaceOf(static_cast<std::size_t>(error.where().row));
  where.field = error.where().field;
  return Status(error.code(), error.message(), where);
}

// fit

Json TrialObject(const DomainTrial& trial) {
  return {{"method", DomainMethodName(trial.method)},
          {"prototypes", trial.prototypes},
          {"step", trial.step},
          {"held_out", trial.topics == 1 ? "topics" : "rows"},
          {"accuracy", trial.accuracy},
          {"below_best", trial.below_best},
          {"standard_error", trial.standard_error},
          {"chosen", trial.chosen == 1}};
}

std::string TrialTable(std::span<const DomainTrial> trials) {
  Table table({"held out", "method", "prototypes", "step", "accuracy", "below best", ""});
  table.Words(2, 6);
  for (const DomainTrial& t : trials)
    table.Add({t.topics == 1 ? "topics" : "rows", std::string(DomainMethodName(t.method)),
               fmt::to_string(t.prototypes), fmt::format("{:g}", t.step),
               fmt::format("{:.4f}", t.accuracy),
               fmt::format("{:.4f} ± {:.4f}", t.below_best, t.standard_error),
               t.chosen == 1 ? "chosen" : ""});
  return table.Render();
}

int PrintFit(const DomainDetector& detector, const DomainsArguments& a, double seconds) {
  const DomainModelInfo& info = detector.info();
  std::error_code ignored;
  const std::uint64_t bytes = std::filesystem::file_size(a.model, ignored);
  if (a.json) {
    Json object = {{"model", a.model},
                   {"domains", Json::array()},
                   {"rows", info.rows},
                   {"left_out", info.left_out},
                   {"dimensions", info.dimensions},
                   {"method", DomainMethodName(info.method)},
                   {"prototypes", info.prototypes},
                   {"source", info.source == DomainSource::kRows ? "rows" : "collections"},
                   {"int8", info.int8},
                   {"threshold", info.threshold},
                   {"temperature", info.temperature},
                   {"held_out_accuracy", info.held_out_accuracy},
                   {"bytes", bytes},
                   {"seconds", seconds},
                   {"trials", Json::array()}};
    for (const std::string& name : detector.domains()) object["domains"].push_back(name);
    for (const DomainTrial& trial : info.trials) object["trials"].push_back(TrialObject(trial));
    return PrintJson(object);
  }
  std::string text = fmt::format("{}: {}, {}, {}, {} in all, {}, in {:.1f} s\n", a.model,
                                 Counted(detector.domains().size(), "domain"),
                                 Counted(info.rows, "row"), Counted(info.dimensions, "dimension"),
                                 Counted(info.prototypes, "prototype"), Bytes(bytes), seconds);
  if (info.left_out > 0)
    text += fmt::format("{} left out: zero vectors, or domains below --min-rows.\n",
                        Counted(info.left_out, "row"));
  text +=
      fmt::format("Right about {:.1f} % of {} that calibrated it, domains weighted by priors.\n",
                  100 * info.held_out_accuracy,
                  info.source == DomainSource::kRows ? "held-out rows" : "rows of held-out topics");
  if (info.trials.size() > 1)
    text +=
        "\nTried (of those within one standard error of the best, the most gently trained is "
        "chosen, then the smallest):\n" +
        TrialTable(info.trials);
  return PrintText(text);
}

/// Refuses early what could not be written after a long fit.
Status CheckTarget(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
    return Status(Code::kInvalidArgument, "exists and is not a regular file; name another path",
                  {.file = path});
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return Status(Code::kIo,
                  fmt::format("cannot be written: {}: {}", folder.string(),
                              std::generic_category().message(errno)),
                  {.file = path});
  return {};
}

int RunFit(DomainsArguments* a) {
  DomainDetectorOptions& options = a->options;
  options.method = WordOf<DomainMethod>(a->method, {{"auto", DomainMethod::kAuto},
                                                    {"centroid", DomainMethod::kCentroid},
                                                    {"linear", DomainMethod::kLinear},
                                                    {"prototypes", DomainMethod::kPrototypes}});
  options.priors = WordOf<DomainPriors>(a->priors, {{"auto", DomainPriors::kAuto},
                                                    {"frequency", DomainPriors::kFrequency},
                                                    {"uniform", DomainPriors::kUniform}});
  const bool collections =
      a->source == "auto" ? !a->sources.names.empty() : a->source == "collections";
  options.source = collections ? DomainSource::kCollections : DomainSource::kRows;
  if (Status writable = CheckTarget(a->model); !writable.ok()) return Fail(writable, a->json);
  options.progress = MakeProgress();
  const auto start = std::chrono::steady_clock::now();
  auto labelled = LabelledEmbeddings::Read(a->sources, options.progress);
  if (!labelled) {
    EndProgress();
    return Fail(labelled.error(), a->json);
  }
  auto fitted = DomainDetector::Fit(labelled->rows(), labelled->labels(), options);
  EndProgress();
  if (!fitted) return Fail(InFile(fitted.error(), *labelled), a->json);
  if (Status saved = fitted->Save(a->model); !saved.ok()) return Fail(saved, a->json);
  return PrintFit(*fitted, *a, Since(start));
}

// detect

int RunDetect(const DomainsArguments& a) {
  auto detector = DomainDetector::Load(a.model, a.options.similarity);
  if (!detector) return Fail(detector.error(), a.json);
  const std::string& path = a.sources.embeddings.front();
  auto file = MatrixFile::Open(path);
  if (!file) return Fail(file.error(), a.json);
  const EmbeddingsView rows = file->view();
  if (rows.empty())
    return Fail(Status(Code::kInvalidArgument, "has no row to detect", {.file = path}), a.json);
  std::vector<DomainGuess> guesses(rows.rows());
  std::vector<double> times;
  const std::size_t batches = (rows.rows() + a.batch - 1) / a.batch;
  for (std::size_t i = 0; i < batches * a.rounds; ++i) {
    const std::size_t from = i % batches * a.batch;
    const std::size_t n = std::min(a.batch, rows.rows() - from);
    EmbeddingsView batch;
    if (rows.is_f16())
      batch = MatrixView<Float16>(rows.f16.row(from), n, rows.f16.cols, rows.f16.stride);
    else
      batch = MatrixView<float>(rows.f32.row(from), n, rows.f32.cols, rows.f32.stride);
    const auto start = std::chrono::steady_clock::now();
    const Status status = detector->Detect(batch, std::span(guesses).subspan(from, n));
    if (n == std::min(a.batch, rows.rows())) times.push_back(Since(start) * 1e6);
    if (status.ok()) continue;
    Where where{.file = path};
    if (status.where().row >= 0) where.row = status.where().row + static_cast<std::int64_t>(from);
    return Fail(Status(status.code(), status.message(), where), a.json);
  }
  std::sort(times.begin(), times.end());
  const double p50 = times[times.size() / 2];
  const double p95 = times[std::min(times.size() - 1, times.size() * 95 / 100)];
  const auto names = detector->domains();
  if (a.json) {
    Json object = {{"model", a.model},
                   {"queries", rows.rows()},
                   {"batch", std::min(a.batch, rows.rows())},
                   {"batch_us", {{"p50", p50}, {"p95", p95}}},
                   {"results", Json::array()}};
    for (std::size_t i = 0; i < guesses.size(); ++i) {
      const DomainGuess& g = guesses[i];
      object["results"].push_back({{"row", i},
                                   {"domain", names[g.domain]},
                                   {"probability", g.probability},
                                   {"margin", g.margin},
                                   {"second", names[g.second]},
                                   {"general", g.general}});
    }
    return PrintJson(object);
  }
  Table table({"row", "domain", "probability", "margin", "second"});
  table.Words(2, 4);
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    const DomainGuess& g = guesses[i];
    table.Add({fmt::to_string(i),
               g.general ? fmt::format("general ({})", names[g.domain]) : names[g.domain],
               fmt::format("{:.4f}", g.probability), fmt::format("{:.4f}", g.margin),
               names[g.second]});
  }
  return PrintText(table.Render() + fmt::format("\n{}, {:.1f} µs a batch of {} (p95 {:.1f}).\n",
                                                Counted(rows.rows(), "query", "queries"), p50,
                                                std::min(a.batch, rows.rows()), p95));
}

// eval

Json EvaluationObject(const DomainEvaluation& e, const DomainsArguments& a) {
  Json object = {{"model", a.model},
                 {"queries", e.queries},
                 {"accuracy", e.accuracy},
                 {"macro_accuracy", e.macro_accuracy},
                 {"probability", e.probability},
                 {"general", e.general},
                 {"sure_accuracy", e.sure_accuracy},
                 {"unknown", e.unknown},
                 {"calibration_error", e.calibration_error},
                 {"calibration_p", e.calibration_p},
                 {"domains", Json::array()},
                 {"confusion", Json::array()},
                 {"reliability", Json::array()}};
  const std::size_t n = e.domains.size();
  for (std::size_t c = 0; c < n; ++c) {
    const DomainScores& d = e.domains[c];
    object["domains"].push_back({{"domain", d.domain},
                                 {"support", d.support},
                                 {"detected", d.detected},
                                 {"precision", d.precision},
                                 {"recall", d.recall},
                                 {"f1", d.f1}});
    object["confusion"].push_back(Json(
        std::vector<std::size_t>(e.confusion.begin() + static_cast<std::ptrdiff_t>(c * n),
                                 e.confusion.begin() + static_cast<std::ptrdiff_t>((c + 1) * n))));
  }
  for (std::size_t b = 0; b < e.bins.size(); ++b)
    object["reliability"].push_back({{"from", static_cast<double>(b) / DomainEvaluation::kBins},
                                     {"queries", e.bins[b].queries},
                                     {"probability", e.bins[b].probability},
                                     {"accuracy", e.bins[b].accuracy}});
  return object;
}

std::string ConfusionText(const DomainEvaluation& e, bool whole) {
  const std::size_t n = e.domains.size();
  if (whole || n <= kShownConfusion) {
    std::vector<std::string> header = {"label \\ detected"};
    for (const DomainScores& d : e.domains) header.push_back(Shorten(d.domain, 16));
    Table table(std::move(header));
    table.Words(1);
    for (std::size_t t = 0; t < n; ++t) {
      std::vector<std::string> row = {e.domains[t].domain};
      for (std::size_t p = 0; p < n; ++p) row.push_back(fmt::to_string(e.confusion[t * n + p]));
      table.Add(std::move(row));
    }
    return "\nConfusion\n" + table.Render();
  }
  std::vector<std::size_t> cells;
  for (std::size_t i = 0; i < n * n; ++i)
    if (i / n != i % n && e.confusion[i] > 0) cells.push_back(i);
  std::stable_sort(cells.begin(), cells.end(),
                   [&](std::size_t x, std::size_t y) { return e.confusion[x] > e.confusion[y]; });
  cells.resize(std::min(cells.size(), kShownConfusion));
  Table table({"label", "detected", "queries"});
  table.Words(2);
  for (const std::size_t i : cells)
    table.Add({e.domains[i / n].domain, e.domains[i % n].domain, fmt::to_string(e.confusion[i])});
  return "\nMost frequent confusions (--confusion shows all)\n" + table.Render();
}

int PrintEvaluation(const DomainEvaluation& e, const DomainsArguments& a) {
  if (a.json) return PrintJson(EvaluationObject(e, a));
  std::string text = fmt::format(
      "{}: accuracy {:.4f}, mean over domains {:.4f}\n"
      "Calibration: error {:.4f}, mean probability {:.4f}, p = {:.3f} ({} at 5 %)\n"
      "General: {:.1f} %; accuracy of the others {:.4f}\n",
      Counted(e.queries, "query", "queries"), e.accuracy, e.macro_accuracy, e.calibration_error,
      e.probability, e.calibration_p, e.calibration_p < 0.05 ? "rejected" : "not rejected",
      100 * e.general, e.sure_accuracy);
  if (e.unknown > 0)
    text += fmt::format("{} with a label that is no domain of the model: counted as wrong.\n",
                        Counted(e.unknown, "query", "queries"));
  Table domains({"domain", "queries", "detected", "precision", "recall", "F1"});
  domains.Words(1);
  for (const DomainScores& d : e.domains)
    domains.Add({d.domain, fmt::to_string(d.support), fmt::to_string(d.detected),
                 fmt::format("{:.3f}", d.precision), fmt::format("{:.3f}", d.recall),
                 fmt::format("{:.3f}", d.f1)});
  text += "\n" + domains.Render() + ConfusionText(e, a.confusion);
  Table bins({"probability", "queries", "mean", "accuracy"});
  for (std::size_t b = 0; b < e.bins.size(); ++b) {
    if (e.bins[b].queries == 0) continue;
    bins.Add(
        {fmt::format("{:.1f}–{:.1f}", static_cast<double>(b) / 10, static_cast<double>(b + 1) / 10),
         fmt::to_string(e.bins[b].queries), fmt::format("{:.3f}", e.bins[b].probability),
         fmt::format("{:.3f}", e.bins[b].accuracy)});
  }
  return PrintText(text + "\nReliability\n" + bins.Render());
}

int RunEval(const DomainsArguments& a) {
  auto detector = DomainDetector::Load(a.model, a.options.similarity);
  if (!detector) return Fail(detector.error(), a.json);
  const ProgressCallback progress = MakeProgress();
  auto labelled = LabelledEmbeddings::Read(a.sources, progress);
  EndProgress();
  if (!labelled) return Fail(labelled.error(), a.json);
  auto evaluation =
      EvaluateDomains(*detector, labelled->rows(), labelled->labels(), a.options.seed);
  if (!evaluation) return Fail(InFile(evaluation.error(), *labelled), a.json);
  return PrintEvaluation(*evaluation, a);
}

// Options

void AddLabelled(CLI::App* app, const char* texts, const char* what, DomainsArguments* a) {
  app->add_option(texts, a->sources.texts, what)->check(Named())->group("Files");
  app->add_option("--embeddings", a->sources.embeddings,
                  "Vectors: .npy or .fvecs; once for each of these files or labels")
      ->check(Named())
      ->required()
      ->group("Files");
  app->add_option("--label-field", a->sources.field, "Field of a line that names its domain")
      ->check(Named())
      ->capture_default_str()
      ->group("Files");
  app->add_option("--label", a->sources.names,
                  "Instead: the domain of all rows of one file of embeddings")
      ->check(Named())
      ->group("Files");
}

/// What CLI11 cannot say: either files with a field, or labels.
Status CheckLabelled(const DomainsArguments& a, const char* texts) {
  const bool by_name = !a.sources.names.empty();
  if (by_name != a.sources.texts.empty())
    return Status(Code::kInvalidArgument,
                  fmt::format("give either {} with --label-field, or --label", texts));
  const std::size_t labelled = by_name ? a.sources.names.size() : a.sources.texts.size();
  if (labelled == a.sources.embeddings.size()) return {};
  return Status(Code::kInvalidArgument,
                fmt::format("{} is given {} times and --embeddings {} times; the first belongs to "
                            "the first, and so on",
                            by_name ? "--label" : texts, labelled, a.sources.embeddings.size()));
}

void AddThreads(CLI::App* app, DomainsArguments* a) {
  app->add_option("--threads", a->options.similarity.threads, "Threads, 1 to 1024")
      ->check(WholeNumber(1, 1024))
      ->capture_default_str();
  app->add_flag("--json", a->json, "One JSON object on stdout");
}

Action AddFit(CLI::App* app) {
  auto a = std::make_shared<DomainsArguments>();
  app->footer(
      "Labels are a field of each line, or one name for all rows of a file:\n"
      "  equipoise domains fit --corpus corpus.jsonl --embeddings corpus.npy \\\n"
      "      --label-field domain --out my.domains\n"
      "  equipoise domains fit --embeddings aero.npy --label aero \\\n"
      "      --embeddings med.npy --label med --out my.domains\n"
      "Methods: centroid, the mean of each domain; linear, logistic regression; prototypes, "
      "k-means\n"
      "in each domain, trained together. auto takes, of those about as good as the best on "
      "held-out\n"
      "rows, the most gently trained and then the smallest.\n"
      "--source says what queries are like: rows (held out are single rows, domains are asked for "
      "as\n"
      "often as they have rows), or something else than the documents of these collections (whole\n"
      "topics are held out, and all domains are asked for alike). auto: rows with --label-field,\n"
      "collections with --label.");
  AddLabelled(app, "--corpus", "Labelled documents, .jsonl; may be repeated", a.get());
  app->add_option("--out", a->model, "File of the model")
      ->check(Named())
      ->required()
      ->group("Files");
  app->add_option("--method", a->method, "auto, centroid, linear or prototypes")
      ->check(OneOf({"auto", "centroid", "linear", "prototypes"}))
      ->capture_default_str()
      ->group("Model");
  app->add_option("--source", a->source, "auto, rows or collections")
      ->check(OneOf({"auto", "rows", "collections"}))
      ->capture_default_str()
      ->group("Model");
  app->add_option("--priors", a->priors, "auto (see --source), frequency or uniform")
      ->check(OneOf({"auto", "frequency", "uniform"}))
      ->capture_default_str()
      ->group("Model");
  app->add_option("--prototypes", a->options.prototypes,
                  "Most prototypes a domain, 1 to 1024; 0: chosen")
      ->check(WholeNumber(0, 1024))
      ->capture_default_str()
      ->group("Model");
  app->add_option("--threshold", a->options.threshold,
                  "A query is `general` below this probability, in [0, 1]")
      ->check(InRange(0.0, 1.0))
      ->capture_default_str()
      ->group("Model");
  app->add_option("--min-rows", a->options.min_rows, "Leave out domains of fewer rows")
      ->check(WholeNumber(0, std::numeric_limits<std::uint32_t>::max()))
      ->capture_default_str()
      ->group("Model");
  app->add_flag("--int8", a->options.int8, "Detect with 8-bit codes")->group("Model");
  app->add_option("--seed", a->options.seed,
                  "Seed; the same seed makes the same model on one instruction set")
      ->check(WholeNumber(0, std::numeric_limits<std::uint64_t>::max()))
      ->capture_default_str()
      ->group("Model");
  AddThreads(app, a.get());
  return [a] {
    if (Status status = CheckLabelled(*a, "--corpus"); !status.ok())
      return FailUsage(status, a->json);
    return RunFit(a.get());
  };
}

Action AddDetect(CLI::App* app) {
  auto a = std::make_shared<DomainsArguments>();
  app->footer("Example: equipoise domains detect my.domains --embeddings queries.npy --batch 32");
  app->add_option("model", a->model, "Model of domains fit")->check(Named())->required();
  app->add_option("--embeddings", a->sources.embeddings, "Vectors of queries: .npy or .fvecs")
      ->check(Named())
      ->expected(1)
      ->required();
  app->add_option("--batch", a->batch, "Queries detected at once")
      ->check(WholeNumber(1, 1'000'000))
      ->capture_default_str();
  app->add_option("--rounds", a->rounds, "Detect them all this often, to measure the time")
      ->check(WholeNumber(1, 1'000'000))
      ->capture_default_str();
  AddThreads(app, a.get());
  return [a] { return RunDetect(*a); };
}

Action AddEval(CLI::App* app) {
  auto a = std::make_shared<DomainsArguments>();
  a->options.seed = 1;
  app->footer(
      "The calibration error is over 10 bins of equal width; p is how often one at least as large "
      "comes\n"
      "up when labels are drawn from the model's own probabilities (10,000 times).\n"
      "Example: equipoise domains eval my.domains --queries queries.jsonl \\\n"
      "    --embeddings queries.npy --label-field domain");
  app->add_option("model", a->model, "Model of domains fit")->check(Named())->required();
  AddLabelled(app, "--queries", "Labelled queries, .jsonl; may be repeated", a.get());
  app->add_flag("--confusion", a->confusion, "Show every cell of the confusion");
  app->add_option("--seed", a->options.seed, "Seed of the simulated labels")
      ->check(WholeNumber(0, std::numeric_limits<std::uint64_t>::max()))
      ->capture_default_str();
  AddThreads(app, a.get());
  return [a] {
    if (Status status = CheckLabelled(*a, "--queries"); !status.ok())
      return FailUsage(status, a->json);
    return RunEval(*a);
  };
}

}  // namespace

Action AddDomainsCommand(CLI::App* app) {
  app->require_subcommand(1);
  app->footer(
      "Example:\n"
      "  equipoise domains fit --corpus corpus.jsonl --embeddings corpus.npy --label-field domain "
      "--out my.domains\n"
      "  equipoise domains detect my.domains --embeddings queries.npy\n"
      "  equipoise domains eval my.domains --queries queries.jsonl --embeddings queries.npy");
  auto commands = std::make_shared<std::vector<std::pair<CLI::App*, Action>>>();
  auto add = [&](const char* name, const char* about, auto register_options) {
    CLI::App* command = app->add_subcommand(name, about);
    commands->emplace_back(command, register_options(command));
  };
  add("fit", "Fit a model to labelled embeddings", AddFit);
  add("detect", "Detect the domains of queries", AddDetect);
  add("eval", "Measure a model against labelled queries", AddEval);
  return [commands] {
    for (const auto& [command, action] : *commands)
      if (command->parsed()) return action();
    return kUsage;
  };
}

}  // namespace equipoise::cli
