// Parts of the page of `equipoise report` that show searches: results, time of each layer, single queries.
#pragma once

#include <equipoise/engine/search_study.h>

#include "page.h"

namespace equipoise::cli {

/// Each way to search with its intervals, and α as it was learned beside them.
PagePart ResultsPart(const SearchStudy& study, const LearningStudy& learning);
PagePart DomainsPart(const LearningStudy& learning);
PagePart LayersPart(const SearchStudy& study);
/// The sample's queries: both rankings, the fused one between them, and a slider that ranks again in the page.
/// `#query=3&alpha=0.7` behind the page's address opens it so.
PagePart LookPart(const SearchStudy& study);

}  // namespace equipoise::cli
