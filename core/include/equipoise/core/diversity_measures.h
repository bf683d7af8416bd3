/// How well one ranking serves the different meanings of a query: α-nDCG over judged subtopics.
///
///   AlphaDcgAt(ranked, k) / IdealAlphaDcgAt(judged, k)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>

namespace equipoise {

/// The subtopics for which a document is relevant: numbers from 0, each once. Empty: for none.
using SubtopicsOfDocument = std::vector<std::uint32_t>;

/// Discounted gain of the first k ranks, where a document's gain is Σ over its subtopics of (1 − redundancy)
/// to the power of how many documents above it have the subtopic: sum over ranks r <= k of gain / log2(r + 1).
/// Shapes   ranked [n], best rank first
/// Range    redundancy (α in the source) in [0, 1]: how sure one document is to settle a subtopic; k any
/// Threads  pure
/// Source   Clarke et al. 2008, doi:10.1145/1390334.1390446, with the judge's α as `redundancy`
EQUIPOISE_API double AlphaDcgAt(std::span<const SubtopicsOfDocument> ranked, std::size_t k,
                                double redundancy = 0.5);

/// That of the ideal ranking of all judged documents, put together greedily, as the source and ndeval do (the
/// best of all is NP-complete to find): a ranking can in theory reach more, so whoever divides cuts at 1.
/// Order    of documents that gain the same the first; another order can give another ideal
EQUIPOISE_API double IdealAlphaDcgAt(std::span<const SubtopicsOfDocument> judged, std::size_t k,
                                     double redundancy = 0.5);

}  // namespace equipoise
