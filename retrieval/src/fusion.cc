#include <algorithm>
#include <limits>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/fusion.h>

namespace equipoise {
namespace {

ScoreFrame Spanning(std::span<const Scored> list, std::size_t depth) {
  const std::size_t n = std::min(depth, list.size());
  if (n == 0) return {};
  return {list[n - 1].score, list[0].score};
}

/// The frame over all candidates within its depth of either path (kMinMaxUnion).
ScoreFrame UnionFrame(std::span<const Candidate> candidates, const FusionScale& scale,
                      float Candidate::*score) {
  float low = std::numeric_limits<float>::infinity();
  float high = kNoScore;
  for (const Candidate& c : candidates) {
    const bool counts = (c.lexical_rank > 0 && c.lexical_rank <= scale.lexical_depth) ||
                        (c.vector_rank > 0 && c.vector_rank <= scale.vector_depth);
    if (!counts || !(c.*score > kNoScore)) continue;
    low = std::min(low, c.*score);
    high = std::max(high, c.*score);
  }
  return low > high ? ScoreFrame{} : ScoreFrame{low, high};
}

float ReciprocalRank(std::uint32_t rank) {
  return rank == 0 ? 0.0f : 1.0f / (kRrfConstant + static_cast<float>(rank));
}

}  // namespace

std::string_view FusionName(FusionMethod method) {
  switch (method) {
    case FusionMethod::kMinMax:
      return "minmax";
    case FusionMethod::kMinMaxUnion:
      return "minmax_union";
    case FusionMethod::kTheoretical:
      return "theoretical";
    case FusionMethod::kRrf:
      return "rrf";
  }
  return "minmax";
}

Result<FusionMethod> ParseFusion(std::string_view name) {
  for (FusionMethod method : {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion,
                              FusionMethod::kTheoretical, FusionMethod::kRrf})
    if (name == FusionName(method)) return method;
  return Status(
      Code::kInvalidArgument,
      fmt::format("unknown fusion \"{}\"; there are minmax, minmax_union, theoretical, rrf", name),
      {.field = "fusion"});
}

ScoreFrame LexicalFrame(FusionMethod method, std::span<const Scored> list, std::size_t depth,
                        std::size_t documents) {
  ScoreFrame frame = Spanning(list, depth);
  if (list.empty()) return frame;
  if (method == FusionMethod::kTheoretical || list.size() < std::min(depth, documents))
    frame.low = 0;
  return frame;
}

ScoreFrame VectorFrame(FusionMethod method, std::span<const Scored> list, std::size_t depth,
                       float lowest_possible) {
  ScoreFrame frame = Spanning(list, depth);
  if (method == FusionMethod::kTheoretical && !list.empty())
    frame.low = std::min(lowest_possible, frame.high);
  return frame;
}

void NormalizeScores(const FusionScale& scale, std::span<Candidate> candidates) {
  const float alpha = static_cast<float>(scale.alpha);
  const float beta = static_cast<float>(1.0 - scale.alpha);
  ScoreFrame lexical = scale.lexical;
  ScoreFrame vector = scale.vector;
  if (scale.method == FusionMethod::kMinMaxUnion) {
    lexical = UnionFrame(candidates, scale, &Candidate::lexical);
    vector = UnionFrame(candidates, scale, &Candidate::vector);
    if (lexical.high == 0) lexical = {};  // no candidate matched a term
  }
  for (Candidate& c : candidates) {
    if (c.vector != c.vector) c.vector = kNoScore;  // NaN, which no order can hold
    if (scale.method == FusionMethod::kRrf) {
      c.lexical_normalized = ReciprocalRank(c.lexical_rank);
      c.vector_normalized = ReciprocalRank(c.vector_rank);
    } else {
      c.lexical_normalized = lexical.Normalize(c.lexical);
      c.vector_normalized = vector.Normalize(c.vector);
    }
    c.score = alpha * c.lexical_normalized + beta * c.vector_normalized;
  }
}

void Fuse(const FusionScale& scale, std::size_t k, std::vector<Candidate>* candidates) {
  const bool lexical_only = scale.alpha >= 1.0;
  const bool vector_only = scale.alpha <= 0.0;
  if (lexical_only) std::erase_if(*candidates, [](const Candidate& c) { return !(c.lexical > 0); });
  NormalizeScores(scale, *candidates);

  auto before = [&](const Candidate& a, const Candidate& b) {
    if (lexical_only && a.lexical != b.lexical) return a.lexical > b.lexical;
    if (vector_only && a.vector != b.vector) return a.vector > b.vector;
    return a.score > b.score || (a.score == b.score && a.doc < b.doc);
  };
  const std::size_t kept = std::min(k, candidates->size());
  std::partial_sort(candidates->begin(), candidates->begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates->end(), before);
  candidates->resize(kept);
}

}  // namespace equipoise
