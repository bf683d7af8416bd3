/// Diversity among hits: maximal marginal relevance, which prefers what is relevant and unlike the
/// hits above it.
///
///   next hit = argmax over those left of  λ · relevance − (1 − λ) · max over hits above of cosine
///
/// Source   Carbonell & Goldstein 1998, doi:10.1145/290941.291025
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/stop_check.h>

namespace equipoise {

/// One choice.
struct DiversePick {
  std::size_t position = 0;  ///< of the candidate
  float similarity = 0;      ///< its cosine with the most similar pick before; 0 for the first
};

/// The best k by maximal marginal relevance, in the order in which they are chosen. Nothing is like the
/// first pick: it is the most relevant one.
/// Shapes   relevance [m]; rows [m, d], of unit length or zero (similar to nothing, cosine 0)
/// Range    relevance in [0, 1], so that λ weighs like with like; lambda in [0, 1]: 1 sorts by relevance,
///          0 looks at similarity alone after the first; k any; result min(k, m)
/// Order    ties by position; once `stop` says so, which is asked about every 256 cosines, those left
///          follow by position, with their similarity to the picks that they were compared with. Null: never
/// Threads  no shared state; O(k m d) time, O(m) memory
/// Exact    cosines up to the rounding of float32 on different instruction sets
/// Source   DiversityTest compares it with the formula, written plainly in double
EQUIPOISE_API std::vector<DiversePick> PickDiverse(std::span<const float> relevance,
                                                   const MatrixView<float>& rows, double lambda,
                                                   std::size_t k, StopCheck* stop = nullptr);

/// The same with cosines that the caller knows, or keeps: of a pick and a candidate that is left, at most one
/// call for each pair.
EQUIPOISE_API std::vector<DiversePick> PickDiverseBy(
    std::span<const float> relevance,
    const std::function<float(std::size_t picked, std::size_t left)>& cosine, double lambda,
    std::size_t k, StopCheck* stop = nullptr);

/// The first k that are no near-duplicate of one before, ascending. Once `stop` says so, which is asked about
/// every 256 cosines, no more are compared, and all that are left count as none. Null: never.
/// Shapes   rows [m, d], best first, of unit length or zero (similar to nothing)
/// Range    threshold in (0, 1]: a cosine of at least that makes two rows near-duplicates; k any
/// Threads  no shared state; O(k m d) time
/// Exact    cosines up to the rounding of float32 on different instruction sets: a row counts as its own
///          copy at 1 less 1e-6
EQUIPOISE_API std::vector<std::size_t> WithoutNearDuplicates(const MatrixView<float>& rows,
                                                             double threshold, std::size_t k,
                                                             StopCheck* stop = nullptr);

}  // namespace equipoise
