// What the paths of a search have found, together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/stop_check.h>
#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/search_result.h>

#include "search_paths.h"

namespace equipoise {

// The documents of both lists with their ranks; by the vectors, scores of what the terms alone have
// found are still missing.
std::vector<Candidate> Union(const PathLists& lists);

// Fills SearchResult::candidates. Before Fuse: at α = 1 it takes out what has no lexical score.
void KeepScores(const FusionScale& scale, std::vector<Candidate>* candidates, SearchResult* result);

// Asks request.decide for α: what recall says of the query goes to it.
// Errors   kInvalidArgument: it gave what is no α
Status DecideByFeatures(const SearchRequest& request, const Analyzer& analyzer,
                        const LexicalIndex& lexical, const PathLists& lists,
                        std::span<const Candidate> candidates, PathDepths depths,
                        SearchResult* result);

// rows [docs, d] of unit length, or zero; fewer where it has stopped.
Status ReadUnitRows(const VectorIndex& vectors, std::span<const std::uint32_t> docs,
                    StopCheck* stop, std::vector<float>* rows);

}  // namespace equipoise
