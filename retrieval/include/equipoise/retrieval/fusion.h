/// From two ranked lists to one: score = α · lexical + β · vector, β = 1 − α, over normalized
/// scores, or reciprocal rank fusion for comparison.
///
/// What holds here, each line a test, because the engines people use break nearly every one:
///  - a document without a query term is no lexical hit: at α = 1 the result is the lexical list,
///    in its order, possibly shorter than k; at α < 1 such a document may appear
///  - α = 0 ranks exactly as the vectors do
///  - lists with none, one or equal scores are defined: every normalized score is in [0, 1], no raw
///    score leaks through, and a single hit gets 1, not 0
///  - both scores are true ones for every candidate of either list; none is imputed
///  - the order of the input does not matter, and asking for more results, up to the depth of the
///    lists, does not change the ones before
///  - ties are broken by document order
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/topk.h>

namespace equipoise {

/// How the scores of a path are mapped to [0, 1] before they are added. An α found with one of them
/// means something else with another, so an α is stored together with its method.
enum class FusionMethod : std::uint8_t {
  kMinMax,       ///< lowest and highest score of the path's own top `depth`, clamped
  kMinMaxUnion,  ///< lowest and highest score among the candidates of both paths
  kTheoretical,  ///< lowest possible score (0 for BM25, −1 for a cosine) and highest observed
  kRrf,          ///< α / (60 + lexical rank) + β / (60 + vector rank), ranks 1-based
};

/// Rank constant of reciprocal rank fusion (Cormack, Clarke, Büttcher 2009).
inline constexpr float kRrfConstant = 60.0f;

/// "minmax", "minmax_union", "theoretical", "rrf".
EQUIPOISE_API std::string_view FusionName(FusionMethod method);
/// Errors   kInvalidArgument listing the names
EQUIPOISE_API Result<FusionMethod> ParseFusion(std::string_view name);

/// The weight of the lexical path and the normalization it was found with; one means nothing
/// without the other.
/// Source   the default method: over seven judged sets it is level with minmax at α = 0.5 and
///          better, by an interval that excludes 0, once α is chosen for each set
///          (`./dev bench offline`)
struct FusionWeights {
  double alpha = 0.5;  ///< in [0, 1]; the vector path has 1 − alpha
  FusionMethod method = FusionMethod::kMinMaxUnion;

  friend bool operator==(const FusionWeights&, const FusionWeights&) = default;
};

/// Of a document that a path cannot score: below every score.
inline constexpr float kNoScore = -std::numeric_limits<float>::infinity();

/// The scale of one path for one query: which score becomes 0 and which 1. The default is that of a
/// path that found nothing: everything becomes 0.
struct ScoreFrame {
  float low = std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();

  /// Maps a score into [0, 1]: linear, clamped; where low == high, 1 from there on and 0 below.
  /// NaN gives 0; seen from an infinite `low` every score is as far up as `high`.
  float Normalize(float score) const {
    if (score >= high) return 1.0f;
    if (!(score > low)) return 0.0f;
    if (low == kNoScore) return 1.0f;
    // In double, since the difference of two floats can overflow.
    return static_cast<float>((double{score} - double{low}) / (double{high} - double{low}));
  }
};

/// A document found by at least one path. Ranks are 1-based; 0 where the path's list, which is as
/// deep as the search made it, does not hold the document.
struct Candidate {
  std::uint32_t doc = 0;
  float lexical = 0;  ///< BM25; 0 without a query term
  float vector = 0;   ///< similarity, higher is better
  std::uint32_t lexical_rank = 0;
  std::uint32_t vector_rank = 0;
  float lexical_normalized = 0;  ///< set by Fuse; 1 / (60 + rank) with kRrf
  float vector_normalized = 0;   ///< likewise
  float score = 0;               ///< set by Fuse
};

/// Frame of the lexical path.
/// Shapes   list: hits best first, score > 0; the first min(depth, size) count
/// Range    depth >= 1; documents: size of the collection
/// Note     documents that do not match have the BM25 score 0. They belong to the path's top
///          `depth` where fewer than that many match, and the lowest score is then 0.
EQUIPOISE_API ScoreFrame LexicalFrame(FusionMethod method, std::span<const Scored> list,
                                      std::size_t depth, std::size_t documents);

/// Frame of the vector path; `lowest_possible` is −1 for a cosine.
EQUIPOISE_API ScoreFrame VectorFrame(FusionMethod method, std::span<const Scored> list,
                                     std::size_t depth, float lowest_possible);

/// What Fuse needs besides the candidates.
struct FusionScale {
  FusionMethod method = FusionMethod::kMinMax;
  double alpha = 0.5;  ///< in [0, 1]: the weight of the lexical path
  // kMinMaxUnion: frames span the candidates within this rank of the path.
  std::size_t lexical_depth = 100;
  std::size_t vector_depth = 100;
  ScoreFrame lexical{};  ///< unused by kMinMaxUnion (found from the candidates) and kRrf
  ScoreFrame vector{};
};

/// Sets normalized scores and `score`, and leaves the candidates as they are otherwise.
/// Shapes   candidates: each document once, any order
/// Threads  no shared state
EQUIPOISE_API void NormalizeScores(const FusionScale& scale, std::span<Candidate> candidates);

/// Scores the candidates, sorts them and keeps the best k.
/// Shapes   candidates: each document once, any order; at most k remain
/// Order    score descending, ties by ascending doc. At α = 1 only candidates with a lexical score
///          > 0 remain, in the order of that score; at α = 0 the order is that of the vector score
///          (beyond the frame many normalized scores are equal: the raw ones still rank).
/// Threads  no shared state
/// Source   Bruch, Gai, Ingber 2023, arXiv 2210.11934 (convex combination over the union with both
///          scores computed); Cormack, Clarke, Büttcher, SIGIR 2009 (reciprocal rank fusion)
EQUIPOISE_API void Fuse(const FusionScale& scale, std::size_t k,
                        std::vector<Candidate>* candidates);

}  // namespace equipoise
