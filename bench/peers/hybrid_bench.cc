// Hybrid search as a contestant of hybrid_report.py, and its two paths alone.
//
//   equipoise_hybrid_bench --index FOLDER --queries FILE.jsonl --embeddings FILE.npy --alpha A
//
// reads lines on stdin and answers each by one line of JSON on stdout:
//
//   build                  opens the index; what share of the 100 nearest rows its searches find
//   search WAY PASSES OUT  PASSES times over all queries, one call a query, from the text, analysis
//                          included, 100 candidates of each path, ten hits. WAY: one (one thread),
//                          two (parallel_paths). The ten ids of each query, one query a line, go to OUT
//                          unless it is "-"
//   paths PASSES           p50 of the lexical path alone, the vector path alone and both, on one and on
//                          two threads, in microseconds. They take turns query by query, each with
//                          another query than the others, so that a busy moment of the machine meets all
//                          and none finds in the cache what another has just read
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <equipoise/core/matrix_file.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/collection.h>

namespace equipoise {
namespace {

constexpr std::size_t kTop = 10;
constexpr std::size_t kCandidates = 100;

using Clock = std::chrono::steady_clock;

double MicrosecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double Quantile(std::vector<double>* values, double q) {
  std::sort(values->begin(), values->end());
  return (*values)[static_cast<std::size_t>(q * static_cast<double>(values->size() - 1))];
}

void Require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

class Contestant {
 public:
  std::string folder, queries, embeddings;
  double alpha = 0.5;

  nlohmann::json Answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb, way, out;
    int passes = 1;
    words >> verb;
    if (verb == "build") return Open();
    if (verb == "search") {
      words >> way >> passes >> out;
      return Search(way == "two", passes, out);
    }
    if (verb == "paths") {
      words >> passes;
      return Paths(passes);
    }
    throw std::runtime_error("unknown: " + line);
  }

 private:
  nlohmann::json Open() {
    auto opened = Collection::Open(folder);
    Require(opened.error());
    collection_ = *std::move(opened);
    std::ifstream in(queries);
    for (std::string line; std::getline(in, line);)
      texts_.push_back(nlohmann::json::parse(line).at("text").get<std::string>());
    const auto file = MatrixFile::Open(embeddings);
    Require(file.error());
    if (file->rows() != texts_.size()) throw std::runtime_error("another number of embeddings");
    dim_ = file->cols();
    const EmbeddingsView view = file->view();
    values_.resize(texts_.size() * dim_);
    for (std::size_t i = 0; i < texts_.size(); ++i)
      if (view.is_f16())
        HalfToFloat(view.f16.row(i), values_.data() + i * dim_, dim_);
      else
        std::copy_n(view.f32.row(i), dim_, values_.data() + i * dim_);
    return {{"documents", collection_->documents()},
            {"queries", texts_.size()},
            {"recall", Recall()},
            {"simd", SimdLevelName(*DefaultSimdLevel())}};
  }

  double Recall() const {
    std::size_t found = 0, wanted = 0;
    for (std::size_t q = 0; q < texts_.size(); ++q) {
      const auto query = std::span(values_).subspan(q * dim_, dim_);
      SearchRequest request{.embedding = query, .k = kCandidates, .alpha = 0.0};
      const auto near = collection_->Search(request);
      request.exact = true;
      const auto truth = collection_->Search(request);
      Require(near.error());
      Require(truth.error());
      for (const Hit& hit : truth->hits)
        found += static_cast<std::size_t>(
            std::count_if(near->hits.begin(), near->hits.end(),
                          [&](const Hit& other) { return other.doc == hit.doc; }));
      wanted += truth->hits.size();
    }
    return static_cast<double>(found) / static_cast<double>(wanted);
  }

  SearchRequest RequestOf(std::size_t q, double weight, bool parallel) const {
    SearchRequest request{.text = texts_[q],
                          .embedding = std::span(values_).subspan(q * dim_, dim_),
                          .k = kTop,
                          .alpha = weight,
                          .depth = kCandidates};
    request.parallel_paths = parallel;
    return request;
  }

  nlohmann::json Search(bool parallel, int passes, const std::string& out) const {
    std::vector<std::vector<std::string>> ids(texts_.size());
    std::vector<double> seconds, us;
    for (int pass = 0; pass < passes; ++pass) {
      std::vector<double> each;
      const auto start = Clock::now();
      for (std::size_t q = 0; q < texts_.size(); ++q) {
        const auto before = Clock::now();
        auto found = collection_->Search(RequestOf(q, alpha, parallel));
        each.push_back(MicrosecondsSince(before));
        Require(found.error());
        if (out == "-" || pass > 0) continue;
        for (const Hit& hit : found->hits) ids[q].push_back(hit.id);
      }
      seconds.push_back(1e-6 * MicrosecondsSince(start));
      if (seconds.back() == *std::min_element(seconds.begin(), seconds.end())) us = each;
    }
    if (out != "-") {
      std::ofstream file(out);
      for (const auto& list : ids) {
        for (const std::string& id : list) file << id << ' ';
        file << '\n';
      }
    }
    return {{"seconds", seconds}, {"p50_us", Quantile(&us, 0.5)}, {"p99_us", Quantile(&us, 0.99)}};
  }

  nlohmann::json Paths(int passes) const {
    struct Way {
      const char* name;
      double weight;
      bool parallel;
      std::vector<double> us{};
    };
    Way ways[] = {{"lexical", 1, false},
                  {"vector", 0, false},
                  {"hybrid", alpha, false},
                  {"parallel", alpha, true}};
    const std::size_t n = texts_.size();
    for (int pass = 0; pass <= passes; ++pass)
      for (std::size_t q = 0; q < n; ++q)
        for (std::size_t w = 0; w < std::size(ways); ++w) {
          const auto request =
              RequestOf((q + w * n / std::size(ways)) % n, ways[w].weight, ways[w].parallel);
          const auto start = Clock::now();
          const auto found = collection_->Search(request);
          const double us = MicrosecondsSince(start);
          Require(found.error());
          if (pass > 0) ways[w].us.push_back(us);  // the first reads the files
        }
    nlohmann::json answer;
    for (Way& way : ways) answer[way.name] = Quantile(&way.us, 0.5);
    return answer;
  }

  std::optional<Collection> collection_;
  std::vector<std::string> texts_;
  std::vector<float> values_;
  std::size_t dim_ = 0;
};

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) {
  CLI::App app("Hybrid search as a contestant of hybrid_report.py");
  equipoise::Contestant contestant;
  app.add_option("--index", contestant.folder)->required();
  app.add_option("--queries", contestant.queries)->required();
  app.add_option("--embeddings", contestant.embeddings)->required();
  app.add_option("--alpha", contestant.alpha);
  CLI11_PARSE(app, argc, argv);
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::json answer;
    try {
      answer = contestant.Answer(line);
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}
