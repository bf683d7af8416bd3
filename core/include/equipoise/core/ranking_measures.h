/// How good one ranking is, given what people judged relevant: nDCG, recall, precision, reciprocal
/// rank, average precision.
///
/// All functions take grades, not documents. `ranked` holds the grade of the document at each rank,
/// best rank first, 0 for a document that nobody judged; every document is there at most once.
/// `judged` holds the grades of all documents that were judged for the query, retrieved or not, in
/// any order. A document is relevant when its grade is at least 1; a negative grade counts as 0.
/// The numbers agree with trec_eval (checked by tests/quality/check_measures.py through
/// pytrec_eval) when it is given 2^grade - 1 as relevance.
///
/// A query without a relevant document has no meaningful value: all functions return 0 for it, and
/// whoever averages leaves it out (engine/ranking_evaluation.h does).
#pragma once

#include <cstddef>
#include <span>

#include <equipoise/core/export.h>

namespace equipoise {

/// The grade from which on a document counts as relevant.
inline constexpr int kRelevantGrade = 1;

/// The number of grades that are relevant.
EQUIPOISE_API std::size_t CountRelevant(std::span<const int> grades);

/// Normalized discounted cumulative gain of the first k ranks: DCG / DCG of the best possible
/// ranking of all judged documents, DCG = sum over ranks r <= k of (2^grade - 1) / log2(r + 1).
/// Shapes   ranked [n]; judged [m]
/// Range    result in [0, 1]; k any (beyond n the missing ranks gain nothing; 0 gives 0); grades
///          any int: large ones do not overflow
/// Threads  pure, no allocation; O(min(n, k) + m min(k, number of different grades))
/// Source   discount and normalization: Järvelin & Kekäläinen 2002, doi:10.1145/582415.582418, with
///          the discount log2(r + 1) from the first rank on, as trec_eval's ndcg_cut; gain: Burges
///          et al. 2005, doi:10.1145/1102351.1102363
EQUIPOISE_API double NdcgAt(std::span<const int> ranked, std::span<const int> judged,
                            std::size_t k);

/// Relevant documents among the first k ranks / all judged relevant.
/// Range    result in [0, 1]; k any
/// Threads  pure, no allocation
/// Source   trec_eval's recall_k
EQUIPOISE_API double RecallAt(std::span<const int> ranked, std::span<const int> judged,
                              std::size_t k);

/// Relevant documents among the first k ranks / k, also where fewer than k were retrieved.
/// Range    result in [0, 1]; k any (0 gives 0)
/// Threads  pure, no allocation
/// Source   trec_eval's P_k
EQUIPOISE_API double PrecisionAt(std::span<const int> ranked, std::size_t k);

/// 1 / rank of the first relevant document if that rank is at most k, else 0. Its mean over queries
/// is MRR@k.
/// Range    result in [0, 1]; k any
/// Threads  pure, no allocation
/// Source   Voorhees 1999 (TREC-8 question answering); trec_eval's recip_rank of a ranking cut at k
EQUIPOISE_API double ReciprocalRankAt(std::span<const int> ranked, std::size_t k);

/// Precision at the rank of each relevant document retrieved, summed, / all judged relevant: those
/// that were not retrieved add 0. Its mean over queries is MAP.
/// Range    result in [0, 1]; the depth is that of `ranked`
/// Threads  pure, no allocation
/// Source   Buckley & Voorhees 2000, doi:10.1145/345508.345543; trec_eval's map
EQUIPOISE_API double AveragePrecision(std::span<const int> ranked, std::span<const int> judged);

}  // namespace equipoise
