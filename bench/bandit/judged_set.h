// Judged collections for the bandit's benchmark.
#pragma once

#include <string>

#include <equipoise/engine/simulation.h>

namespace equipoise::bench {

using simulation::AlphaOf;
using simulation::BestOf;
using simulation::Curve;
using simulation::JudgedQuery;
using simulation::JudgedSet;
using simulation::kGrid;

/// Median times of a search with the index's defaults, in this thread: with both paths, with one, and
/// with both where a policy decides α and what feedback needs is kept.
struct SearchTimes {
  double both_us = 0, vector_us = 0, lexical_us = 0, learning_us = 0;
};

/// Builds an index of folder/name in `scratch` and searches it, exactly and with minmax.
Result<JudgedSet> LoadJudgedSet(const std::string& folder, const std::string& name,
                                const std::string& scratch, SearchTimes* times);

}  // namespace equipoise::bench
