// pagmo's NSGA-II and tools, where the benchmark was built with it (libpagmo-dev).
#pragma once

#include <string>
#include <vector>

#include "problems.h"

namespace equipoise::bench {

bool HasPagmo();
std::string PagmoVersion();  // empty: none
/// 100 × 250, its own default settings otherwise. The last population's objectives, row after row.
std::vector<double> RunPagmo(const TestProblem& problem, unsigned seed);
void SortPagmo(const MatrixView<double>& points);
double VolumePagmo(const MatrixView<double>& points, double reference);

}  // namespace equipoise::bench
