// The units of the cost model, by fitting real searches.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "tuning_evaluator.h"

namespace equipoise {

/// Least squares with coefficients >= 0.
/// Shapes   rows [n, m] row-major; y [n]; the result [m]
/// Source   coordinate descent on the normal equations: Franc et al. 2005,
///          doi:10.1007/11556121_50
std::vector<double> FitNonNegative(std::span<const double> rows, std::size_t m,
                                   std::span<const double> y);

/// Searches for real, some queries with some configurations, several times each; a part's unit is what makes
/// the counts add up to the median times best. `more` is asked again and again whether to go on.
/// Errors   as Engine::Search; kCancelled: `more` said no
Result<CostUnits> Calibrate(const std::vector<JudgedSource>& sources, std::size_t longest,
                            const std::function<bool(std::size_t done, std::size_t total)>& more,
                            TuningEvaluator* evaluator);

}  // namespace equipoise
