// From one search and its judgments to the rewards of every α.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <equipoise/core/check.h>
#include <equipoise/engine/simulation.h>

namespace equipoise::simulation {
namespace {

double GainOf(int grade) { return grade > 0 ? std::exp2(std::min(grade, 60)) - 1 : 0; }

// All candidates, with both scores; sets the features.
Result<std::vector<RewardCandidate>> CandidatesOf(const Engine& engine, const SearchRequest& asked,
                                                  const Judgments::OfQuery& judged,
                                                  std::vector<float>* features) {
  QueryFeatures seen;
  const std::function<double(const QueryFeatures&)> look = [&](const QueryFeatures& recalled) {
    seen = recalled;
    return 0.5;
  };
  SearchRequest request = asked;
  request.k = 1;
  request.mmr.reset();  // rewards of every α are those of fused scores
  request.alpha = 0.5;
  request.decide = &look;
  request.keep_candidates = true;
  EQUIPOISE_ASSIGN_OR_RETURN(SearchResult found, engine.Search(request));
  if (!found.lexical_searched || !found.vector_searched)
    return Status(Code::kInvalidArgument,
                  "JudgeQuery: a query needs a text and an embedding, and the index both");
  const auto values = seen.Values();
  features->assign(values.begin(), values.end());
  std::vector<CandidateScores>& scores = found.candidates;
  if (scores.size() > std::numeric_limits<std::uint16_t>::max())
    return Status(Code::kInvalidArgument, "JudgeQuery: too many candidates; lower depth",
                  {.field = "depth"});
  std::sort(scores.begin(), scores.end(),
            [](const CandidateScores& a, const CandidateScores& b) { return a.doc < b.doc; });
  std::vector<RewardCandidate> out;
  out.reserve(scores.size());
  for (const CandidateScores& s : scores)
    out.push_back(
        {.lexical = s.lexical,
         .vector = s.vector,
         .gain = static_cast<float>(GainOf(judged.GradeOf(engine.collection().Get(s.doc).id)))});
  return out;
}

Status FillCurves(JudgedQuery* query) {
  for (const bool recall : {false, true}) {
    const RewardCurveOptions options = {
        .measure = recall ? RewardMeasure::kRecall : RewardMeasure::kNdcg,
        .k = kShown,
        .grid = kGrid,
        .ideal = recall ? query->relevant : query->ideal_dcg};
    std::vector<RewardCandidate> candidates = query->candidates;
    if (recall)
      for (RewardCandidate& c : candidates) c.gain = c.gain > 0 ? 1.0f : 0.0f;
    EQUIPOISE_ASSIGN_OR_RETURN(const RewardCurve curve, ComputeRewardCurve(candidates, options));
    std::copy(curve.values.begin(), curve.values.end(),
              (recall ? query->recall : query->ndcg).begin());
  }
  return {};
}

void FillShown(JudgedQuery* query) {
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
    order.resize(std::min(order.size(), kShown));
    query->shown_count[i] = static_cast<std::uint8_t>(order.size());
    std::copy(order.begin(), order.end(), query->shown[i].begin());
  }
}

}  // namespace

Result<JudgedQuery> JudgeQuery(const Engine& engine, const SearchRequest& request,
                               const Judgments::OfQuery& judged) try {
  if (judged.relevant == 0)
    return Status(Code::kInvalidArgument,
                  fmt::format("JudgeQuery: query \"{}\" has no relevant document", judged.query));
  JudgedQuery out;
  EQUIPOISE_ASSIGN_OR_RETURN(out.candidates, CandidatesOf(engine, request, judged, &out.features));
  std::vector<double> gains;
  for (const int grade : judged.grades) gains.push_back(GainOf(grade));
  std::sort(gains.begin(), gains.end(), std::greater<>());
  for (std::size_t rank = 0; rank < std::min(kShown, gains.size()); ++rank)
    out.ideal_dcg += gains[rank] / std::log2(static_cast<double>(rank) + 2);
  out.relevant = static_cast<double>(judged.relevant);
  EQUIPOISE_RETURN_IF_ERROR(FillCurves(&out));
  FillShown(&out);
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "JudgeQuery: not enough memory");
}

void SetMeans(JudgedSet* set) {
  set->mean = {};
  set->mean_recall = {};
  const auto n = static_cast<double>(std::max<std::size_t>(1, set->queries.size()));
  for (const JudgedQuery& query : set->queries)
    for (std::size_t k = 0; k < kGrid; ++k) {
      set->mean[k] += query.ndcg[k] / n;
      set->mean_recall[k] += query.recall[k] / n;
    }
}

std::size_t BestOf(const Curve& curve) {
  std::size_t best = kGrid / 2;
  for (std::size_t i = 0; i < kGrid; ++i)
    if (curve[i] > curve[best]) best = i;
  return best;
}

}  // namespace equipoise::simulation
