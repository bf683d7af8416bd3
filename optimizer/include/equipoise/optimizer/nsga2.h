/// NSGA-II: a population that moves towards the Pareto front of a problem with several objectives.
///
///   struct Zdt1 {                                        // any type with these three
///     std::vector<Variable> Variables() const { return std::vector<Variable>(30); }
///     std::size_t Objectives() const { return 2; }
///     void Evaluate(std::span<const double> x, std::span<double> f) const;
///   };
///   auto found = Minimize(Zdt1(), {.population = 100, .generations = 250, .seed = 1});
///   found->f_view();                                     // rows of rank 0 are its front
///
/// Or step by step, where evaluating is somebody else's, takes long, or is to be stopped and continued:
///
///   auto solver = Nsga2::Create(variables, 2, options);
///   while (solver->generation() < 250) {
///     MatrixView<double> x = *solver->Ask();             // candidates
///     ... objectives [x.rows, 2] ...
///     solver->Tell(objectives, {});
///   }
///
/// Source   Deb et al. 2002, doi:10.1109/4235.996017
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/parallel.h>
#include <equipoise/core/status.h>
#include <equipoise/optimizer/pareto.h>

namespace equipoise {

enum class VariableKind : std::uint8_t {
  kReal,
  kInteger,      ///< bounds are whole numbers; crossed and mutated as a real one, then rounded
  kCategorical,  ///< whole numbers without an order: crossed by exchange, mutated to any other
};

struct Variable {
  double low = 0;
  double high = 1;  ///< >= low; equal: the variable is fixed
  VariableKind kind = VariableKind::kReal;
};

struct Nsga2Options {
  std::size_t population = 100;   ///< in [4, 2^20], even
  std::size_t generations = 250;  ///< of Minimize, >= 1
  std::uint64_t seed = 1;
  // Simulated binary crossover of a pair, and of each of its variables; how near children stay. Deb et al.
  // have an eta of 20 and 1 / n for mutation. With 31 (15 and 31 are also the fastest) and 0.8 / n the
  // hypervolumes of ZDT are no worse, and those of DTLZ2, which mutation harms, better: `./dev bench pareto`,
  // which runs both.
  double crossover = 0.9;           ///< in [0, 1]
  double crossover_variable = 0.5;  ///< in [0, 1]
  double crossover_eta = 31;        ///< >= 0
  // Polynomial mutation of each variable.
  double mutation = -1;      ///< in [0, 1]; below 0: 0.8 / number of variables
  double mutation_eta = 20;  ///< >= 0
  /// [rows, variables] the first candidates, at most `population` rows, where something is known of good
  /// ones or of the ends of the front; the others are random.
  std::vector<double> initial{};
  int threads = 1;  ///< of Minimize: candidates evaluated at once
  /// Called by Minimize after each generation; false stops, and the population so far is the result.
  std::function<bool(std::size_t generation, const MatrixView<double>& objectives)> progress{};
};

/// Points with what they are worth.
struct Population {
  std::size_t variables = 0, objectives = 0, constraints = 0;
  std::vector<double> x{};            ///< [n, variables]
  std::vector<double> f{};            ///< [n, objectives]
  std::vector<double> g{};            ///< [n, constraints], or empty
  std::vector<double> violations{};   ///< [n] 0: feasible
  std::vector<std::uint32_t> rank{};  ///< [n] 0: nothing dominates it
  std::vector<double> crowding{};     ///< [n] CrowdingDistance within its rank

  std::size_t size() const { return rank.size(); }
  MatrixView<double> x_view() const { return {x.data(), size(), variables}; }
  MatrixView<double> f_view() const { return {f.data(), size(), objectives}; }
};

/// The algorithm, a generation at a time: Ask, evaluate, Tell.
/// Threads  a value type, one thread at a time. The same seed gives the same populations bit for bit,
///          whoever evaluates in whichever order, and with the same objectives on every machine: what makes
///          and selects candidates uses only operations that IEEE 754 rounds exactly, and no mathematical
///          library
class EQUIPOISE_API Nsga2 {
 public:
  /// Errors   kInvalidArgument: no variable, bounds that are reversed or not finite, those of an integer or
  ///          a category that are not whole, objectives outside [1, kMaxObjectives], an option out of range,
  ///          initial candidates of another shape or out of bounds;
  ///          kOutOfMemory
  static Result<Nsga2> Create(std::vector<Variable> variables, std::size_t objectives,
                              const Nsga2Options& options = {});

  /// Candidates of the next generation, `population` of them: at first random ones, then children.
  /// Shapes   [population, variables]; valid until Tell
  /// Errors   kOutOfMemory
  Result<MatrixView<double>> Ask();

  /// What the candidates are worth.
  /// Shapes   objectives [population, m]; constraints [population, c] or empty: satisfied where <= 0
  /// Range    NaN: the candidate is ranked last, and counted
  /// Errors   kInvalidArgument: another shape, or nothing was asked; kOutOfMemory. Then nothing has changed
  /// Source   Deb et al. 2002, sections III and VI, but of the last rank that has a place those stay that Prune
  ///          (pareto.h) leaves; a violation is the sum over constraints of how far each is broken,
  ///          as a share of the most that it is broken in parents and children together
  Status Tell(const MatrixView<double>& objectives, const MatrixView<double>& constraints = {});

  /// The best `population` of all generations so far, by rank; in one rank by objectives.
  const Population& population() const { return population_; }
  std::size_t generation() const { return generation_; }  ///< told so far
  std::size_t evaluations() const { return generation_ * options_.population; }
  std::size_t not_a_number() const { return not_a_number_; }  ///< candidates with NaN, so far

  /// Continues from a population that another run of the same problem has reached, bit for bit as that one
  /// would have.
  /// Errors   kInvalidArgument: another shape, or x out of bounds
  Status Resume(Population population, std::size_t generation);

 private:
  Nsga2(std::vector<Variable> variables, std::size_t objectives, const Nsga2Options& options);
  std::vector<Variable> variables_;
  std::size_t objectives_;
  Nsga2Options options_;
  double mutation_;
  std::size_t generation_ = 0, not_a_number_ = 0;
  Population population_;
  std::vector<double> asked_;  // [population, variables]; empty: nothing is asked
};

/// A problem: bounds, how many objectives, and what a point is worth. Evaluate is called from several threads
/// at once where options.threads says so.
template <typename T>
concept Problem = requires(const T& problem, std::span<const double> x, std::span<double> f) {
  { problem.Variables() } -> std::convertible_to<std::vector<Variable>>;
  { problem.Objectives() } -> std::convertible_to<std::size_t>;
  problem.Evaluate(x, f);
};
/// One with constraints too, each satisfied where it is <= 0.
template <typename T>
concept ConstrainedProblem = requires(const T& problem, std::span<const double> x,
                                      std::span<double> f, std::span<double> g) {
  { problem.Variables() } -> std::convertible_to<std::vector<Variable>>;
  { problem.Objectives() } -> std::convertible_to<std::size_t>;
  { problem.Constraints() } -> std::convertible_to<std::size_t>;
  problem.Evaluate(x, f, g);
};

/// Runs options.generations generations.
/// Errors   as Nsga2::Create and Tell
/// Threads  options.threads; the result does not depend on them
template <typename T>
requires Problem<T> || ConstrainedProblem<T> Result<Population> Minimize(
    const T& problem, const Nsga2Options& options = {})
try {
  const std::size_t m = problem.Objectives();
  std::size_t c = 0;
  if constexpr (ConstrainedProblem<T>) c = problem.Constraints();
  auto solver = Nsga2::Create(problem.Variables(), m, options);
  if (!solver) return solver.error();
  std::vector<double> f(options.population * m), g(options.population * c);
  while (solver->generation() < options.generations) {
    const auto x = solver->Ask();
    if (!x) return x.error();
    const auto evaluate = [&](std::size_t begin, std::size_t end, int) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::span<double> to(f.data() + i * m, m);
        if constexpr (ConstrainedProblem<T>)
          problem.Evaluate(x->row_span(i), to, std::span<double>(g.data() + i * c, c));
        else
          problem.Evaluate(x->row_span(i), to);
      }
    };
    if (options.threads > 1)
      ParallelFor(x->rows, options.threads, evaluate);
    else
      evaluate(0, x->rows, 0);
    const Status told =
        solver->Tell({f.data(), options.population, m}, {g.data(), options.population, c});
    if (!told.ok()) return told;
    if (options.progress && !options.progress(solver->generation(), solver->population().f_view()))
      break;
  }
  return solver->population();
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Minimize: not enough memory for the population");
}

}  // namespace equipoise
