#include "judged_set.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise::bench {
namespace {

constexpr std::size_t kDepth = 100;

double Median(std::vector<double> times) {
  if (times.empty()) return 0;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// `learning` decides α itself. The four take turns over all queries, so that what slows the machine
/// slows all of them, and none finds a query's data warm from another.
SearchTimes Time(const Engine& engine, const Engine& learning,
                 const std::vector<SearchRequest>& requests) {
  const std::array<std::optional<double>, 4> alphas = {0.5, 0.0, 1.0, {}};
  std::array<std::vector<double>, 4> times;
  for (int round = 0; round < 6; ++round)
    for (std::size_t i = 0; i < alphas.size(); ++i)
      for (SearchRequest request : requests) {
        request.exact = false;
        request.alpha = alphas[i];
        const auto start = std::chrono::steady_clock::now();
        const auto found = (alphas[i] ? engine : learning).Search(request);
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - start;
        if (found.ok() && round > 0) times[i].push_back(took.count());
      }
  return {.both_us = Median(times[0]),
          .vector_us = Median(times[1]),
          .lexical_us = Median(times[2]),
          .learning_us = Median(times[3])};
}

Features FeaturesOf(const std::string& text, const JudgedQuery& query) {
  constexpr std::size_t kTop = 10;
  const auto& candidates = query.candidates;
  const auto by = [&](float RewardCandidate::*score) {
    std::vector<const RewardCandidate*> order;
    for (const RewardCandidate& c : candidates) order.push_back(&c);
    std::stable_sort(order.begin(), order.end(),
                     [&](const auto* a, const auto* b) { return a->*score > b->*score; });
    return order;
  };
  Features out{};
  out[0] = std::log1p(static_cast<double>(std::count(text.begin(), text.end(), ' ') + 1));
  if (candidates.size() < kTop) return out;
  const auto lexical = by(&RewardCandidate::lexical), vector = by(&RewardCandidate::vector);
  out[1] = double{lexical[0]->lexical} - double{lexical[1]->lexical};
  out[3] = double{vector[0]->vector} - double{vector[1]->vector};
  for (std::size_t i = 0; i < kTop; ++i) {
    out[2] += double{lexical[i]->lexical} / kTop;
    out[4] += double{vector[i]->vector} / kTop;
    out[6] += std::count(vector.begin(), vector.begin() + kTop, lexical[i]) > 0 ? 1.0 / kTop : 0;
  }
  for (const RewardCandidate& c : candidates)
    out[5] += c.lexical > 0 ? 1 / static_cast<double>(candidates.size()) : 0;
  out[7] = 2 - static_cast<double>(candidates.size()) / kDepth;
  out[8] = double{lexical[0]->vector};
  out[9] = double{vector[0]->lexical};
  return out;
}

}  // namespace

Result<JudgedSet> LoadJudgedSet(const std::string& folder, const std::string& name,
                                const std::string& scratch, SearchTimes* times,
                                std::vector<Features>* features) {
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
    features->push_back(FeaturesOf(queries.items()[i].text, query));
    out.queries.push_back(std::move(query));
  }
  if (out.queries.empty())
    return Status(Code::kInvalidArgument, "no query has a relevant document", {.file = from});
  simulation::SetMeans(&out);
  EQUIPOISE_ASSIGN_OR_RETURN(Engine learning, Engine::Open(index));
  EQUIPOISE_ASSIGN_OR_RETURN(std::unique_ptr<WeightPolicy> policy,
                             CurvePolicy::Create({.both_paths_share = 1}));
  EQUIPOISE_RETURN_IF_ERROR(
      learning.UsePolicy(std::move(policy), {.fusion = FusionMethod::kMinMax}));
  *times = Time(engine, learning, requests);
  return out;
}

}  // namespace equipoise::bench
