// Our side of peers-vector. Every subcommand prints JSON on stdout:
//
//   prepare   the rows and queries that every contestant reads, from files or made, and the truth
//   measure   one index, built and searched over a sweep of settings
//   serve     the same step by step, as lines on stdin ask for it, so that contestants take turns;
//             the protocol is that of vector_peers.py
//   open      how long a new process takes to open an index and to answer once
//   filters   every plan at every share of allowed rows
//   sizes     scans and walks at growing numbers of rows
#include "vector_bench.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <optional>
#include <sstream>

#include <CLI/CLI.hpp>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/hardware.h>

namespace equipoise::bench {
namespace {

struct Settings {
  std::string corpus, queries, folder;
  std::size_t rows = 0, query_rows = 0;
  SyntheticShape shape;
  VectorIndexOptions index;
  int search_threads = 1, rounds = 5;
  bool reuse = false, untuned = false;
  std::vector<float> margins = {0.0f, 0.02f, 0.04f, 0.06f, 0.08f, 0.1f, 0.12f, 0.15f, 0.2f, 0.3f};
  std::vector<std::size_t> beams;

  std::string vectors() const { return folder + "/vectors"; }
  std::string graph() const { return folder + (untuned ? "/graph-untuned" : "/graph"); }
  Set ReadSet() const { return bench::ReadSet(corpus, queries, rows, query_rows); }
  Set ReadQueries() const { return bench::ReadSet(queries, queries, 1, query_rows); }
};

// "margin=0.1", "ef=64", "target=0.95"; "default": what the index itself chooses.
VectorIndex::SearchParams ParamsOf(const std::string& setting) {
  VectorIndex::SearchParams out;
  const std::size_t at = setting.find('=');
  const std::string name = setting.substr(0, at);
  if (name == "default") return out;
  if (at == std::string::npos) Fail("no such setting: " + setting);
  const double value = std::stod(setting.substr(at + 1));
  if (name == "margin") {
    out.margin = static_cast<float>(value);
  } else if (name == "ef") {
    out.ef_search = static_cast<std::size_t>(value);
  } else if (name == "target") {
    out.target_recall = static_cast<float>(value);
  } else {
    Fail("no such setting: " + setting);
  }
  return out;
}

std::string Setting(const char* name, double value) {
  std::ostringstream out;
  out << name << '=' << value;
  return out.str();
}

struct Answer {
  std::vector<double> seconds;  // of each pass over the queries
  double p50_us = 0, p99_us = 0;
  std::vector<std::vector<Scored>> found;
  double best() const { return *std::min_element(seconds.begin(), seconds.end()); }
};

// `passes` times over all queries, one at a time or with one call for all of them; latencies are those
// of the fastest pass.
Answer Ask(const VectorIndex& index, const MatrixView<float>& queries,
           const VectorIndex::SearchParams& params, bool one_by_one, int threads, int passes) {
  Answer out;
  std::vector<double> us(queries.rows);
  out.found.resize(queries.rows);
  for (int pass = 0; pass < passes; ++pass) {
    const auto start = Clock::now();
    if (one_by_one) {
      ParallelFor(queries.rows, threads, [&](std::size_t begin, std::size_t end, int) {
        for (std::size_t i = begin; i < end; ++i) {
          const auto before = Clock::now();
          auto got = index.Search(queries.row_span(i), params);
          us[i] = 1e6 * Seconds(before);
          out.found[i] = Take(std::move(got));
        }
      });
    } else {
      out.found = Take(index.SearchMany(queries, params, threads));
    }
    const double seconds = Seconds(start);
    const bool fastest = out.seconds.empty() || seconds < out.best();
    out.seconds.push_back(seconds);
    if (!one_by_one || !fastest) continue;
    std::vector<double> sorted = us;
    std::sort(sorted.begin(), sorted.end());
    out.p50_us = sorted[sorted.size() / 2];
    out.p99_us = sorted[sorted.size() * 99 / 100];
  }
  return out;
}

Json BytesPerVector(const VectorIndex& index) {
  const VectorIndexBytes bytes = index.bytes();
  const double n = static_cast<double>(index.rows());
  return {{"rows", static_cast<double>(bytes.rows) / n},
          {"codes", static_cast<double>(bytes.codes) / n},
          {"links", static_cast<double>(bytes.links) / n},
          {"sketches", static_cast<double>(bytes.sketches) / n}};
}

// What one search reads, on average over the queries.
Json Touched(const VectorIndex& index, const MatrixView<float>& queries,
             const VectorIndex::SearchParams& params) {
  double bytes = 0, expanded = 0, distances = 0;
  for (std::size_t i = 0; i < queries.rows; ++i) {
    VectorSearchReport report;
    Take(index.Search(queries.row_span(i), params, &report));
    bytes += static_cast<double>(report.bytes);
    expanded += static_cast<double>(report.expanded);
    distances += static_cast<double>(report.distances);
  }
  const double m = static_cast<double>(queries.rows);
  return {{"bytes", bytes / m}, {"expanded", expanded / m}, {"distances", distances / m}};
}

// A graph's file without what the tuner chose.
void CopyUntuned(const std::string& from, const std::string& to) {
  constexpr std::uint32_t kAnyVersion = std::numeric_limits<std::uint32_t>::max();
  const CheckedFile file = Take(CheckedFile::Open(from, "graph", kAnyVersion));
  CheckedFileWriter copy = Take(CheckedFileWriter::Create(to, "graph", file.version()));
  for (const CheckedFile::SectionInfo& section : file.Sections()) {
    if (section.name != "tuning")
      FailUnless(copy.Section<std::byte>(section.name, Take(file.Section(section.name))));
  }
  FailUnless(copy.Finish());
}

// Builds unless the files are there and may be used again.
double BuildIfNeeded(const Settings& settings) {
  std::filesystem::create_directories(settings.folder);
  if (settings.untuned) CopyUntuned(settings.folder + "/graph", settings.graph());
  if (settings.reuse && std::filesystem::exists(settings.graph())) return 0;
  const Set set = settings.ReadSet();
  const MatrixView<float> rows = set.row_view();
  const auto start = Clock::now();
  FailUnless(
      BuildVectorIndex(EmbeddingsView(rows), settings.index, settings.vectors(), settings.graph()));
  return Seconds(start);
}

Json Describe(const Settings& settings, const VectorIndex& index) {
  Json out;
  out["rows"] = index.rows();
  out["dim"] = index.dim();
  out["storage"] = VectorStorageName(index.settings().storage);
  out["simd"] = SimdLevelName(Take(DefaultSimdLevel()));
  out["bytes_per_vector"] = BytesPerVector(index);
  out["vectors_bytes"] = std::filesystem::file_size(settings.vectors());
  out["graph_bytes"] = std::filesystem::file_size(settings.graph());
  if (const auto& tuning = index.settings().tuning)
    out["tuning"] = {
        {"code_lines", tuning->code_lines},           {"list_lines", tuning->list_lines},
        {"likely_sketches", tuning->likely_sketches}, {"next_lines", tuning->next_lines},
        {"likely_lines", tuning->likely_lines},       {"gain", tuning->gain}};
  out["calibration"] = Json::array();
  for (const RecallPoint& point : index.recall_points())
    out["calibration"].push_back({{"target", point.target},
                                  {"margin", point.margin},
                                  {"recall", point.recall},
                                  {"lower_bound", point.lower_bound},
                                  {"reached", point.reached != 0}});
  return out;
}

Json Prepare(const Settings& settings) {
  const Set set = settings.corpus.empty() ? Synthesize(settings.shape) : settings.ReadSet();
  std::filesystem::create_directories(settings.folder);
  FailUnless(WriteNpy(settings.folder + "/rows.npy", EmbeddingsView(set.row_view())));
  FailUnless(WriteNpy(settings.folder + "/queries.npy", EmbeddingsView(set.query_view())));
  std::ofstream(settings.folder + "/truth.json") << Json(Truth(set, settings.index.metric));
  return {{"rows", set.row_view().rows}, {"queries", set.query_view().rows}, {"dim", set.dim}};
}

Json MeasureOnce(const Settings& settings) {
  const double seconds = BuildIfNeeded(settings);
  const Set set = settings.ReadSet();
  auto start = Clock::now();
  const VectorIndex index = Take(VectorIndex::Open(settings.vectors(), settings.graph()));
  Json out{{"build_seconds", seconds}, {"open_ms", 1e3 * Seconds(start)}};
  out.update(Describe(settings, index));
  const auto truth = Truth(set, settings.index.metric);
  std::vector<std::string> sweep;
  for (const float margin : settings.margins) sweep.push_back(Setting("margin", margin));
  for (const std::size_t ef : settings.beams)
    sweep.push_back(Setting("ef", static_cast<double>(ef)));
  for (const std::string& setting : sweep) {
    const Answer answer = Ask(index, set.query_view(), ParamsOf(setting), true,
                              settings.search_threads, settings.rounds);
    out["sweep"].push_back({{"setting", setting},
                            {"recall", RecallOf(answer.found, truth)},
                            {"qps", static_cast<double>(answer.found.size()) / answer.best()},
                            {"p50_us", answer.p50_us},
                            {"p99_us", answer.p99_us},
                            {"touched", Touched(index, set.query_view(), ParamsOf(setting))}});
  }
  return out;
}

void WriteIds(const std::string& path, const std::vector<std::vector<Scored>>& found) {
  std::vector<std::int32_t> ids;
  for (const auto& hits : found) {
    for (std::size_t j = 0; j < 10; ++j)
      ids.push_back(j < hits.size() ? static_cast<std::int32_t>(hits[j].id) : -1);
  }
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(ids.data()),
             static_cast<std::streamsize>(ids.size() * sizeof(std::int32_t)));
}

// Lines "build" and "search SETTING one|batch THREADS PASSES IDS_FILE|-"; each is answered by a line.
void Serve(const Settings& settings) {
  const Set asked = settings.ReadQueries();
  std::optional<VectorIndex> index;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, setting, mode, ids;
    int threads = 1, passes = 1;
    words >> verb;
    Json out;
    if (verb == "build") {
      // The rows are in memory only while they are built from.
      out["seconds"] = BuildIfNeeded(settings);
      index.emplace(Take(VectorIndex::Open(settings.vectors(), settings.graph())));
      out.update(Describe(settings, *index));
      out["bytes"] =
          out["vectors_bytes"].get<std::uint64_t>() + out["graph_bytes"].get<std::uint64_t>();
    } else if (verb == "search" && index && words >> setting >> mode >> threads >> passes >> ids) {
      const auto params = ParamsOf(setting);
      const Answer answer = Ask(*index, asked.query_view(), params, mode == "one", threads, passes);
      out = {{"seconds", answer.seconds}, {"p50_us", answer.p50_us}, {"p99_us", answer.p99_us}};
      if (ids != "-") {
        WriteIds(ids, answer.found);
        out["touched"] = Touched(*index, asked.query_view(), params);
      }
    } else {
      Fail("what is that: " + line);
    }
    std::cout << out << std::endl;
  }
}

Json OpenOnce(const Settings& settings) {
  const Set set = settings.ReadQueries();
  auto start = Clock::now();
  const VectorIndex index = Take(VectorIndex::Open(settings.vectors(), settings.graph()));
  Json out{{"open_ms", 1e3 * Seconds(start)}};
  start = Clock::now();
  Take(index.Search(set.query_view().row_span(0), {}));
  out["first_search_ms"] = 1e3 * Seconds(start);
  return out;
}

Json Filters(const Settings& settings) {
  BuildIfNeeded(settings);
  const Set set = settings.ReadSet();
  const VectorIndex index = Take(VectorIndex::Open(settings.vectors(), settings.graph()));
  return MeasureFilters(index, set, settings.index.metric, 300);
}

Json Sizes(const Settings& settings) {
  std::filesystem::create_directories(settings.folder);
  return MeasureSizes(settings.ReadSet(), settings.index, settings.folder);
}

int Main(int argc, char** argv) {
  Settings settings;
  std::string storage = "int8+float16", metric = "ip";
  CLI::App app("Measures the vector index; ./dev bench peers-vector is what people run");
  app.add_option("--corpus", settings.corpus, "rows: .npy or .fvecs");
  app.add_option("--queries", settings.queries, "queries: .npy or .fvecs");
  app.add_option("--rows", settings.rows, "only so many of the rows");
  app.add_option("--query-rows", settings.query_rows, "only so many of the queries");
  app.add_option("--folder", settings.folder, "where files go")->required();
  app.add_option("--storage", storage, "as VectorStorageName says")->capture_default_str();
  app.add_option("--metric", metric, "inner product, cosine or l2")
      ->check(CLI::IsMember({"ip", "cosine", "l2"}))
      ->capture_default_str();
  app.add_option("--m", settings.index.m);
  app.add_option("--ef-construction", settings.index.ef_construction);
  app.add_option("--threads", settings.index.threads, "while building");
  app.add_option("--reuse", settings.reuse, "no build where the folder has an index");
  app.add_option("--tune", settings.index.tune, "while building");
  app.add_flag("--untuned", settings.untuned, "searches a copy of the graph without its tuning");
  app.add_option("--search-threads", settings.search_threads, "measure only");
  app.add_option("--rounds", settings.rounds, "measure only");
  app.add_option("--margins", settings.margins, "measure only")->delimiter(',');
  auto* beams = app.add_option("--ef-search", settings.beams, "measure only, instead of margins");
  beams->delimiter(',');
  app.add_option("--make-rows", settings.shape.rows, "prepare without --corpus");
  app.add_option("--make-queries", settings.shape.queries, "prepare without --corpus");
  app.add_option("--make-dim", settings.shape.dim, "prepare without --corpus");
  app.add_option("--seed", settings.shape.seed, "prepare without --corpus");
  std::string verb = "measure";
  app.add_option("verb", verb)
      ->check(CLI::IsMember({"prepare", "measure", "serve", "open", "filters", "sizes"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (beams->count() > 0 && app.count("--margins") == 0) settings.margins.clear();
  if (settings.queries.empty() && verb != "prepare") Fail("--queries FILE is needed");
  if (settings.corpus.empty() && verb != "prepare" && verb != "open")
    Fail("--corpus FILE is needed");
  const auto parsed = equipoise::ParseMetric(metric);
  if (!parsed) Fail(parsed.error().ToString());
  settings.index.metric = *parsed;
  const auto kept = equipoise::ParseVectorStorage(storage);
  if (!kept) Fail(kept.error().ToString());
  settings.index.storage = *kept;
  if (verb == "serve") {
    Serve(settings);
    return 0;
  }
  const Json out = verb == "prepare"   ? Prepare(settings)
                   : verb == "open"    ? OpenOnce(settings)
                   : verb == "filters" ? Filters(settings)
                   : verb == "sizes"   ? Sizes(settings)
                                       : MeasureOnce(settings);
  std::cout << out.dump(2) << std::endl;
  return 0;
}

}  // namespace
}  // namespace equipoise::bench

int main(int argc, char** argv) { return equipoise::bench::Main(argc, argv); }
