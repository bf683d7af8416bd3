#include "pagmo_peer.h"

#ifdef EQUIPOISE_BENCH_PAGMO
#include <pagmo/algorithm.hpp>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/config.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>
#include <pagmo/utils/hypervolume.hpp>
#include <pagmo/utils/multi_objective.hpp>

namespace equipoise::bench {
namespace {

// As pagmo wants a problem.
struct Adapter {
  TestProblem problem;

  pagmo::vector_double fitness(const pagmo::vector_double& x) const {
    pagmo::vector_double out(problem.objectives);
    problem.Evaluate(x, out);
    return out;
  }
  std::pair<pagmo::vector_double, pagmo::vector_double> get_bounds() const {
    return {pagmo::vector_double(problem.variables, 0), pagmo::vector_double(problem.variables, 1)};
  }
  pagmo::vector_double::size_type get_nobj() const { return problem.objectives; }
  template <typename Archive>
  void serialize(Archive&, unsigned) {}
};

std::vector<pagmo::vector_double> Rows(const MatrixView<double>& points) {
  std::vector<pagmo::vector_double> out;
  for (std::size_t i = 0; i < points.rows; ++i)
    out.emplace_back(points.row(i), points.row(i) + points.cols);
  return out;
}

}  // namespace

bool HasPagmo() { return true; }

std::string PagmoVersion() {
  return std::to_string(PAGMO_VERSION_MAJOR) + "." + std::to_string(PAGMO_VERSION_MINOR);
}

std::vector<double> RunPagmo(const TestProblem& problem, unsigned seed) {
  const pagmo::algorithm algorithm{pagmo::nsga2(250, 0.95, 10., 0.01, 50., seed)};
  pagmo::population population{pagmo::problem{Adapter{problem}}, 100, seed};
  population = algorithm.evolve(population);
  std::vector<double> out;
  for (const auto& f : population.get_f()) out.insert(out.end(), f.begin(), f.end());
  return out;
}

void SortPagmo(const MatrixView<double>& points) {
  pagmo::fast_non_dominated_sorting(Rows(points));
}

double VolumePagmo(const MatrixView<double>& points, double reference) {
  return pagmo::hypervolume(Rows(points)).compute(pagmo::vector_double(points.cols, reference));
}

}  // namespace equipoise::bench

#else

#include <stdexcept>

namespace equipoise::bench {

bool HasPagmo() { return false; }
std::string PagmoVersion() { return {}; }
std::vector<double> RunPagmo(const TestProblem&, unsigned) { throw std::logic_error("no pagmo"); }
void SortPagmo(const MatrixView<double>&) {}
double VolumePagmo(const MatrixView<double>&, double) { return 0; }

}  // namespace equipoise::bench

#endif
