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

double GainOf(int grade) { return grade > 0 ? std::exp2(grade) - 1 : 0; }

// All candidates within kDepth of a path, with the frames of that depth.
Result<std::vector<RewardCandidate>> CandidatesOf(const Engine& engine, const SearchRequest& asked,
                                                  const Judgments::OfQuery& judged) {
  SearchRequest request = asked;
  request.k = std::max<std::size_t>(1, engine.collection().documents());
  request.alpha = 0.5;
  EQUIPOISE_ASSIGN_OR_RETURN(SearchResult found, engine.Search(request));
  std::vector<Hit> hits = std::move(found.hits);
  std::erase_if(hits, [](const Hit& hit) {
    return (hit.lexical_rank == 0 || hit.lexical_rank > kDepth) &&
           (hit.vector_rank == 0 || hit.vector_rank > kDepth);
  });
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.doc < b.doc; });
  std::vector<RewardCandidate> out;
  out.reserve(hits.size());
  for (const Hit& hit : hits)
    out.push_back({.lexical = hit.lexical_normalized,
                   .vector = hit.vector_normalized,
                   .gain = static_cast<float>(GainOf(judged.GradeOf(hit.id)))});
  return out;
}

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

Status Fill(JudgedQuery* query) {
  for (const bool recall : {false, true}) {
    const RewardCurveOptions options = {
        .measure = recall ? RewardMeasure::kRecall : RewardMeasure::kNdcg,
        .grid = kGrid,
        .ideal = recall ? query->relevant : query->ideal_dcg};
    std::vector<RewardCandidate> candidates = query->candidates;
    if (recall)
      for (RewardCandidate& c : candidates) c.gain = c.gain > 0 ? 1.0f : 0.0f;
    EQUIPOISE_ASSIGN_OR_RETURN(const RewardCurve curve, ComputeRewardCurve(candidates, options));
    std::copy(curve.values.begin(), curve.values.end(),
              (recall ? query->recall : query->ndcg).begin());
  }
  // What is shown at each α, by a full sort: the truth that the curves are checked against below.
  for (std::size_t i = 0; i < kGrid; ++i) {
    std::vector<std::uint16_t> order;
    const auto a = static_cast<float>(AlphaOf(i)), b = static_cast<float>(1 - AlphaOf(i));
    for (std::size_t c = 0; c < query->candidates.size(); ++c)
      if (i + 1 < kGrid || query->candidates[c].lexical > 0)
        order.push_back(static_cast<std::uint16_t>(c));
    const auto score = [&](std::uint16_t c) {
      return a * query->candidates[c].lexical + b * query->candidates[c].vector;
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint16_t x, std::uint16_t y) { return score(x) > score(y); });
    order.resize(std::min<std::size_t>(order.size(), 10));
    query->shown_count[i] = static_cast<std::uint8_t>(order.size());
    double dcg = 0;
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      query->shown[i][rank] = order[rank];
      dcg += double{query->candidates[order[rank]].gain} / std::log2(static_cast<double>(rank) + 2);
    }
    if (std::abs(dcg / query->ideal_dcg - query->ndcg[i]) > 1e-6)
      return Status(Code::kInternal, "a reward curve differs from a full sort");
  }
  return {};
}

}  // namespace

std::size_t BestOf(const Curve& curve) {
  std::size_t best = kGrid / 2;
  for (std::size_t i = 0; i < kGrid; ++i)
    if (curve[i] > curve[best]) best = i;
  return best;
}

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
    JudgedQuery query;
    EQUIPOISE_ASSIGN_OR_RETURN(query.candidates, CandidatesOf(engine, request, *judged));
    std::vector<double> gains;
    for (const int grade : judged->grades) gains.push_back(GainOf(grade));
    std::sort(gains.begin(), gains.end(), std::greater<>());
    for (std::size_t rank = 0; rank < std::min<std::size_t>(10, gains.size()); ++rank)
      query.ideal_dcg += gains[rank] / std::log2(static_cast<double>(rank) + 2);
    query.relevant = static_cast<double>(judged->relevant);
    EQUIPOISE_RETURN_IF_ERROR(Fill(&query));
    for (std::size_t k = 0; k < kGrid; ++k) {
      out.mean[k] += query.ndcg[k];
      out.mean_recall[k] += query.recall[k];
    }
    out.queries.push_back(std::move(query));
  }
  if (out.queries.empty())
    return Status(Code::kInvalidArgument, "no query has a relevant document", {.file = from});
  for (std::size_t k = 0; k < kGrid; ++k) {
    out.mean[k] /= static_cast<double>(out.queries.size());
    out.mean_recall[k] /= static_cast<double>(out.queries.size());
  }
  out.both_us = MedianUs(engine, requests, 0.5);
  out.vector_us = MedianUs(engine, requests, 0);
  out.lexical_us = MedianUs(engine, requests, 1);
  return out;
}

}  // namespace equipoise::bench
