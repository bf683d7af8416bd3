// What peers-vector measures of our vector index: builds one, searches it with one query at a time
// over a sweep of margins, and prints one JSON object. The peers' side is vector_peers.py.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <equipoise/core/matrix_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_index.h>

namespace {

using equipoise::EmbeddingsView;
using equipoise::MatrixFile;
using equipoise::MatrixView;
using equipoise::Metric;
using equipoise::Scored;
using equipoise::VectorIndex;
using equipoise::VectorIndexOptions;
using equipoise::VectorStorage;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

double Seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "vector_bench: %s\n", what.c_str());
  std::exit(1);
}

std::vector<float> AsFloats(const EmbeddingsView& view) {
  std::vector<float> out(view.rows() * view.cols());
  for (std::size_t i = 0; i < view.rows(); ++i) {
    float* to = out.data() + i * view.cols();
    if (view.is_f16()) {
      equipoise::HalfToFloat(view.f16.row(i), to, view.cols());
    } else {
      std::copy_n(view.f32.row(i), view.cols(), to);
    }
  }
  return out;
}

struct Answer {
  double qps = 0, p50_us = 0, p99_us = 0, recall = 0;
};

// One query at a time, `rounds` times over all of them; the best round counts.
Answer Measure(const VectorIndex& index, const MatrixView<float>& queries,
               const VectorIndex::SearchParams& params, int threads, int rounds,
               const std::vector<std::vector<std::uint32_t>>* truth) {
  Answer out;
  std::vector<double> us(queries.rows);
  std::vector<std::vector<Scored>> found(queries.rows);
  double best = 1e30;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    equipoise::ParallelFor(queries.rows, threads, [&](std::size_t begin, std::size_t end, int) {
      for (std::size_t i = begin; i < end; ++i) {
        const auto before = Clock::now();
        auto got = index.Search(queries.row_span(i), params);
        us[i] = 1e6 * Seconds(before);
        if (!got) Fail(got.error().ToString());
        found[i] = *std::move(got);
      }
    });
    const double seconds = Seconds(start);
    if (seconds >= best) continue;
    best = seconds;
    std::vector<double> sorted = us;
    std::sort(sorted.begin(), sorted.end());
    out.p50_us = sorted[sorted.size() / 2];
    out.p99_us = sorted[sorted.size() * 99 / 100];
  }
  out.qps = static_cast<double>(queries.rows) / best;
  if (truth != nullptr) {
    std::size_t hits = 0, wanted = 0;
    for (std::size_t i = 0; i < queries.rows; ++i) {
      wanted += (*truth)[i].size();
      for (const Scored& hit : found[i])
        hits +=
            static_cast<std::size_t>(std::count((*truth)[i].begin(), (*truth)[i].end(), hit.id));
    }
    out.recall = static_cast<double>(hits) / static_cast<double>(wanted);
  }
  return out;
}

VectorStorage StorageOf(const std::string& name) {
  for (const VectorStorage storage :
       {VectorStorage::kInt8Float16, VectorStorage::kInline, VectorStorage::kInt8,
        VectorStorage::kInt4Int8, VectorStorage::kFloat32}) {
    if (VectorStorageName(storage) == name) return storage;
  }
  Fail("no such storage: " + name);
}

}  // namespace

int main(int argc, char** argv) {
  std::string corpus_path, query_path, folder, storage = "int8+float16", metric = "ip";
  VectorIndexOptions options;
  int search_threads = 1, rounds = 5;
  bool keep = false;
  std::vector<float> margins = {0.0f, 0.02f, 0.04f, 0.06f, 0.08f, 0.1f, 0.12f, 0.15f, 0.2f, 0.3f};
  std::vector<std::size_t> beams;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--corpus")
      corpus_path = value;
    else if (name == "--queries")
      query_path = value;
    else if (name == "--folder")
      folder = value;
    else if (name == "--storage")
      storage = value;
    else if (name == "--metric")
      metric = value;
    else if (name == "--m")
      options.m = std::stoi(value);
    else if (name == "--ef-construction")
      options.ef_construction = std::stoi(value);
    else if (name == "--threads")
      options.threads = std::stoi(value);
    else if (name == "--search-threads")
      search_threads = std::stoi(value);
    else if (name == "--rounds")
      rounds = std::stoi(value);
    else if (name == "--reuse")
      keep = value == "yes";
    else if (name == "--margins" || name == "--ef-search") {
      margins.clear();
      for (std::size_t at = 0; at < value.size();) {
        const std::size_t end = std::min(value.find(',', at), value.size());
        const std::string item = value.substr(at, end - at);
        if (name == "--margins")
          margins.push_back(std::stof(item));
        else
          beams.push_back(std::stoul(item));
        at = end + 1;
      }
    } else
      Fail("no such option: " + name);
  }
  if (corpus_path.empty() || query_path.empty() || folder.empty())
    Fail("--corpus FILE --queries FILE --folder FOLDER are needed");
  auto corpus = MatrixFile::Open(corpus_path);
  auto query_file = MatrixFile::Open(query_path);
  if (!corpus) Fail(corpus.error().ToString());
  if (!query_file) Fail(query_file.error().ToString());
  const std::vector<float> values = AsFloats(query_file->view());
  const MatrixView<float> queries(values.data(), query_file->view().rows(),
                                  query_file->view().cols());
  options.metric = metric == "l2"       ? Metric::kL2
                   : metric == "cosine" ? Metric::kCosine
                                        : Metric::kInnerProduct;
  options.storage = StorageOf(storage);
  std::filesystem::create_directories(folder);
  const std::string vectors = folder + "/vectors", graph = folder + "/graph";
  Json out;
  auto start = Clock::now();
  if (!keep || !std::filesystem::exists(graph)) {
    const auto status = BuildVectorIndex(corpus->view(), options, vectors, graph);
    if (!status.ok()) Fail(status.ToString());
    out["build_seconds"] = Seconds(start);
  }
  start = Clock::now();
  auto index = VectorIndex::Open(vectors, graph);
  if (!index) Fail(index.error().ToString());
  out["open_ms"] = 1e3 * Seconds(start);

  std::vector<std::vector<std::uint32_t>> truth(queries.rows);
  equipoise::ParallelFor(queries.rows, equipoise::AvailableThreads(),
                         [&](std::size_t begin, std::size_t end, int) {
                           for (std::size_t i = begin; i < end; ++i) {
                             auto found = index->Search(queries.row_span(i), {.exact = true});
                             if (!found) Fail(found.error().ToString());
                             for (const Scored& hit : *found) truth[i].push_back(hit.id);
                           }
                         });
  const auto bytes = index->bytes();
  out["rows"] = index->rows();
  out["dim"] = index->dim();
  out["storage"] = storage;
  out["simd"] = std::string(equipoise::SimdLevelName(*equipoise::DefaultSimdLevel()));
  out["bytes_per_vector"] = {{"rows", bytes.rows / index->rows()},
                             {"codes", bytes.codes / index->rows()},
                             {"links", bytes.links / index->rows()},
                             {"sketches", bytes.sketches / index->rows()}};
  for (const auto& point : index->recall_points())
    out["calibration"].push_back({{"target", point.target},
                                  {"margin", point.margin},
                                  {"recall", point.recall},
                                  {"lower_bound", point.lower_bound},
                                  {"reached", point.reached != 0}});
  const auto add = [&](const char* name, double setting, const VectorIndex::SearchParams& params) {
    const Answer one = Measure(*index, queries, params, search_threads, rounds, &truth);
    out["sweep"].push_back({{name, setting},
                            {"recall", one.recall},
                            {"qps", one.qps},
                            {"p50_us", one.p50_us},
                            {"p99_us", one.p99_us}});
  };
  for (const float margin : margins) add("margin", margin, {.margin = margin});
  for (const std::size_t ef : beams) add("ef_search", static_cast<double>(ef), {.ef_search = ef});
  std::printf("%s\n", out.dump(2).c_str());
  return 0;
}
