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

/// Builds an index of folder/name in `scratch` and searches it, exactly and with minmax. The times are
/// those of the index's defaults, in this thread.
Result<JudgedSet> LoadJudgedSet(const std::string& folder, const std::string& name,
                                const std::string& scratch);

}  // namespace equipoise::bench
