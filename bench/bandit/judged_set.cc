#include "judged_set.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise::bench {
namespace {

constexpr std::size_t kDepth = 100;

double MedianUs(const Engine& engine, const std::vector<SearchRequest>& requests, double alpha) {
  std::vector<double> times;
  for (int round = 0; round < 3; ++round)
    for (SearchRequest request : requests) {
      request.alpha = alpha;
      request.exact = false;
      const auto start = std::chrono::steady_clock::now();
      const auto found = engine.Search(request);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - start;
      if (found.ok() && round > 0) times.push_back(took.count());
    }
  if (times.empty()) return 0;
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

}  // namespace

Result<JudgedSet> LoadJudgedSet(const std::string& folder, const std::string& name,
                                const std::string& scratch) {
  const std::string from = folder + "/" + name, index = scratch + "/" + name;
  auto built = Engine::BuildFromFiles(
      index, {.corpus = from + "/corpus.jsonl", .embeddings = from + "/corpus.f16.npy"});
  if (!built) return built.error();
  EQUIPOISE_ASSIGN_OR_RETURN(const Engine engine, Engine::Open(index));
  EQUIPOISE_ASSIGN_OR_RETURN(const Queries queries, Queries::Read(from + "/queries.jsonl"));
  EQUIPOISE_ASSIGN_OR_RETURN(const Judgments judgments, Judgments::Read(from + "/qrels/test.tsv"));
  EQUIPOISE_ASSIGN_OR_RETURN(const MatrixFile rows, MatrixFile::Open(from + "/queries.f16.npy"));
  if (!rows.view().is_f16() || rows.rows() != queries.size())
    return Status(Code::kInvalidArgument, "queries.f16.npy does not belong to queries.jsonl",
                  {.file = from});

  JudgedSet out;
  out.name = name;
  std::vector<std::vector<float>> embeddings(queries.size());
  std::vector<SearchRequest> requests;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const Judgments::OfQuery* judged = judgments.Find(queries.items()[i].id);
    if (judged == nullptr || judged->relevant == 0) continue;
    embeddings[i].resize(rows.cols());
    HalfToFloat(rows.view().f16.row(i), embeddings[i].data(), rows.cols());
    const SearchRequest request{.text = queries.items()[i].text,
                                .embedding = embeddings[i],
                                .k = 10,
                                .fusion = FusionMethod::kMinMax,
                                .depth = kDepth,
                                .exact = true};
    requests.push_back(request);
    EQUIPOISE_ASSIGN_OR_RETURN(JudgedQuery query, simulation::JudgeQuery(engine, request, *judged));
    out.queries.push_back(std::move(query));
  }
  if (out.queries.empty())
    return Status(Code::kInvalidArgument, "no query has a relevant document", {.file = from});
  simulation::SetMeans(&out);
  out.both_us = MedianUs(engine, requests, 0.5);
  out.vector_us = MedianUs(engine, requests, 0);
  out.lexical_us = MedianUs(engine, requests, 1);
  return out;
}

}  // namespace equipoise::bench
