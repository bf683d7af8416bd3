#include <algorithm>
#include <cmath>
#include <vector>

#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/query_features.h>

namespace equipoise {
namespace {

constexpr std::size_t kGapRank = 10;
constexpr double kTermsScale =
    8;  // log2 of the number of terms from which on more make no difference

float InUnit(double value) {
  return std::isfinite(value) ? static_cast<float>(std::clamp(value, 0.0, 1.0)) : 0.0f;
}

struct Shape {
  float gap = 0, spread = 0;
};

Shape ShapeOf(std::span<const Scored> list, const ScoreFrame& frame) {
  if (list.empty()) return {};
  double sum = 0, squares = 0;
  for (const Scored& hit : list) {
    const double score = double{frame.Normalize(hit.score)};
    sum += score;
    squares += score * score;
  }
  const auto n = static_cast<double>(list.size());
  const double tenth =
      list.size() >= kGapRank ? double{frame.Normalize(list[kGapRank - 1].score)} : 0;
  return {.gap = InUnit(double{frame.Normalize(list[0].score)} - tenth),
          .spread = InUnit(std::sqrt(std::max(0.0, squares / n - sum / n * sum / n)))};
}

float Overlap(std::span<const Scored> a, std::span<const Scored> b, std::size_t depth) {
  a = a.first(std::min(a.size(), depth));
  b = b.first(std::min(b.size(), depth));
  if (a.empty() || b.empty()) return 0;
  std::vector<std::uint32_t> ids;
  for (const Scored& hit : a) ids.push_back(hit.id);
  std::sort(ids.begin(), ids.end());
  const auto both = std::count_if(b.begin(), b.end(), [&](const Scored& hit) {
    return std::binary_search(ids.begin(), ids.end(), hit.id);
  });
  return InUnit(static_cast<double>(both) / static_cast<double>(std::min(a.size(), b.size())));
}

}  // namespace

QueryFeatures FeaturesOf(const RecalledQuery& query) {
  QueryFeatures out;
  const auto n = static_cast<double>(query.documents);
  const double most = std::log(2 * n + 2);  // of a term that no document has
  double sum = 0, highest = 0, lowest = 1;
  for (const std::size_t frequency : query.document_frequencies) {
    const double df = static_cast<double>(std::min(frequency, query.documents));
    const double idf = std::log1p((n - df + 0.5) / (df + 0.5)) / most;
    sum += idf;
    highest = std::max(highest, idf);
    lowest = std::min(lowest, idf);
  }
  if (const std::size_t terms = query.document_frequencies.size(); terms > 0) {
    out.terms = InUnit(std::log2(1 + static_cast<double>(terms)) / kTermsScale);
    out.idf_mean = InUnit(sum / static_cast<double>(terms));
    out.idf_highest = InUnit(highest);
    out.idf_lowest = InUnit(lowest);
  }

  const auto lexical = query.lexical.first(std::min(query.lexical.size(), query.lexical_depth));
  const auto vector = query.vector.first(std::min(query.vector.size(), query.vector_depth));
  const ScoreFrame lexical_frame =
      LexicalFrame(FusionMethod::kMinMax, lexical, query.lexical_depth, query.documents);
  const ScoreFrame vector_frame =
      VectorFrame(FusionMethod::kMinMax, vector, query.vector_depth, -1);
  const Shape by_terms = ShapeOf(lexical, lexical_frame),
              by_vectors = ShapeOf(vector, vector_frame);
  out.lexical_gap = by_terms.gap;
  out.lexical_spread = by_terms.spread;
  out.lexical_found = InUnit(static_cast<double>(lexical.size()) /
                             static_cast<double>(std::max<std::size_t>(1, query.lexical_depth)));
  out.vector_gap = by_vectors.gap;
  out.vector_spread = by_vectors.spread;
  out.overlap_10 = Overlap(lexical, vector, 10);
  out.overlap_100 = Overlap(lexical, vector, 100);
  if (!vector.empty() && !lexical.empty()) {
    out.lexical_of_first = InUnit(double{lexical_frame.Normalize(query.lexical_of_first)});
    out.vector_of_first = InUnit(double{vector_frame.Normalize(query.vector_of_first)});
  }
  return out;
}

}  // namespace equipoise
