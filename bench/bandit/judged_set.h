// Judged collections for the bandit's benchmark.
#pragma once

#include <array>
#include <string>
#include <vector>

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

/// What a query looks like before α is decided: words; of both paths the gap between the first two
/// normalized scores and the mean of the first ten; how many match a word; how many of both first ten,
/// and of both lists, are the same; each path's score of what the other one likes best.
using Features = std::array<double, 10>;

/// Builds an index of folder/name in `scratch` and searches it, exactly and with minmax.
/// features: of each query of the set.
Result<JudgedSet> LoadJudgedSet(const std::string& folder, const std::string& name,
                                const std::string& scratch, SearchTimes* times,
                                std::vector<Features>* features);

}  // namespace equipoise::bench
