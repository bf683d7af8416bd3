#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/optimizer/nsga2.h>

#include "variation.h"

namespace equipoise {
namespace {

constexpr double kMutations = 0.8;  // of a candidate, on average: see nsga2.h
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Status CheckVariables(std::span<const Variable> variables) {
  const auto refuse = [](std::size_t i, const char* why) {
    return Status(Code::kInvalidArgument, fmt::format("Nsga2: variable {} {}", i, why),
                  {.field = "variables"});
  };
  if (variables.empty())
    return Status(Code::kInvalidArgument, "Nsga2: there is no variable", {.field = "variables"});
  for (std::size_t i = 0; i < variables.size(); ++i) {
    const Variable& v = variables[i];
    if (!std::isfinite(v.low) || !std::isfinite(v.high) || !std::isfinite(v.high - v.low))
      return refuse(i, "has bounds that are not finite");
    if (v.low > v.high) return refuse(i, "has bounds the wrong way round");
    constexpr double kMost = 0x1.0p53;
    if (v.kind != VariableKind::kReal &&
        (v.low != std::floor(v.low) || v.high != std::floor(v.high) || std::fabs(v.low) > kMost ||
         std::fabs(v.high) > kMost))
      return refuse(i, "is an integer or a category, and its bounds are not whole");
  }
  return {};
}

// Columns of both, one under the other.
template <typename T>
void Append(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

// How far each point breaks its constraints.
void SetViolations(std::size_t n, Population* p) {
  const std::size_t c = p->constraints;
  p->violations.assign(n, 0);
  for (std::size_t j = 0; j < c; ++j) {
    double most = 0;
    for (std::size_t i = 0; i < n; ++i)
      if (std::isfinite(p->g[i * c + j])) most = std::max(most, p->g[i * c + j]);
    for (std::size_t i = 0; i < n; ++i) {
      const double value = p->g[i * c + j];
      if (value <= 0) continue;
      p->violations[i] += std::isfinite(value) ? value / most : kInfinity;
    }
  }
}

void AppendRow(const double* from, std::size_t i, std::size_t width, std::vector<double>* to) {
  to->insert(to->end(), from + i * width, from + (i + 1) * width);
}

// The best `keep` of all: whole ranks, and of the last one those that are pruned last. `all` is
// without x: those of the parents, which come first, and of their children are where they are.
Result<Population> Select(const Population& all, const std::vector<double>& parents_x,
                          const std::vector<double>& children_x, std::size_t keep) {
  const std::size_t n = all.violations.size(), parents = parents_x.size() / all.variables;
  const double *first = parents_x.data(), *second = children_x.data();
  const MatrixView<double> f(all.f.data(), n, all.objectives);
  EQUIPOISE_ASSIGN_OR_RETURN(const NonDominatedSorting sorting,
                             NonDominatedSort(f, all.violations));
  Population out{
      .variables = all.variables, .objectives = all.objectives, .constraints = all.constraints};
  out.x.reserve(keep * all.variables);
  out.f.reserve(keep * all.objectives);
  for (std::size_t r = 0; r < sorting.ranks() && out.rank.size() < keep; ++r) {
    const auto front = sorting.front(r);
    const std::size_t room = keep - out.rank.size();
    const auto add = [&](std::uint32_t i, double crowding) {
      AppendRow(i < parents ? first : second, i < parents ? i : i - parents, all.variables, &out.x);
      AppendRow(all.f.data(), i, all.objectives, &out.f);
      AppendRow(all.g.data(), i, all.constraints, &out.g);
      out.violations.push_back(all.violations[i]);
      out.rank.push_back(static_cast<std::uint32_t>(r));
      out.crowding.push_back(crowding);
    };
    if (front.size() > room) {
      EQUIPOISE_ASSIGN_OR_RETURN(const LeastCrowded kept, Prune(f, front, room));
      for (std::size_t i = 0; i < room; ++i) add(front[kept.places[i]], kept.crowding[i]);
    } else {
      EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<double> crowding, CrowdingDistance(f, front));
      for (std::size_t i = 0; i < front.size(); ++i) add(front[i], crowding[i]);
    }
  }
  return out;
}

// The crowded-comparison operator; of equals the first.
std::uint32_t Better(const Population& p, std::uint32_t a, std::uint32_t b) {
  if (p.rank[a] != p.rank[b]) return p.rank[a] < p.rank[b] ? a : b;
  return p.crowding[b] > p.crowding[a] ? b : a;
}

}  // namespace

Nsga2::Nsga2(std::vector<Variable> variables, std::size_t objectives, const Nsga2Options& options)
    : variables_(std::move(variables)),
      objectives_(objectives),
      options_(options),
      mutation_(options.mutation < 0 ? kMutations / static_cast<double>(variables_.size())
                                     : options.mutation) {}

Result<Nsga2> Nsga2::Create(std::vector<Variable> variables, std::size_t objectives,
                            const Nsga2Options& options) try {
  constexpr const char* kWhere = "Nsga2";
  constexpr double kMostEta = 1e6;
  EQUIPOISE_RETURN_IF_ERROR(CheckVariables(variables));
  EQUIPOISE_CHECK_RANGE(kWhere, objectives, std::size_t{1}, kMaxObjectives);
  EQUIPOISE_CHECK_RANGE(kWhere, options.population, std::size_t{4}, std::size_t{1} << 20);
  if (options.population % 2 != 0)
    return Status(
        Code::kInvalidArgument,
        fmt::format("Nsga2: population = {} is odd; children come in pairs", options.population),
        {.field = "options.population"});
  EQUIPOISE_CHECK_RANGE(kWhere, options.generations, std::size_t{1}, std::size_t{1} << 40);
  EQUIPOISE_CHECK_RANGE(kWhere, options.crossover, 0, 1);
  EQUIPOISE_CHECK_RANGE(kWhere, options.crossover_variable, 0, 1);
  EQUIPOISE_CHECK_RANGE(kWhere, options.crossover_eta, 0, kMostEta);
  EQUIPOISE_CHECK_RANGE(kWhere, options.mutation, -kInfinity, 1);
  EQUIPOISE_CHECK_RANGE(kWhere, options.mutation_eta, 0, kMostEta);
  EQUIPOISE_CHECK_RANGE(kWhere, options.threads, 1, 1024);
  const std::size_t d = variables.size(), rows = options.initial.size() / d;
  EQUIPOISE_CHECK_EQUAL(kWhere, options.initial.size(), rows * d);
  if (rows > options.population)
    return Status(Code::kInvalidArgument,
                  fmt::format("Nsga2: {} initial candidates are more than population = {}", rows,
                              options.population),
                  {.field = "options.initial"});
  for (std::size_t i = 0; i < rows * d; ++i)
    if (const Variable& v = variables[i % d]; Fitted(v, options.initial[i]) != options.initial[i])
      return Status(Code::kInvalidArgument,
                    fmt::format("Nsga2: variable {} of initial candidate {} is {}, which is no "
                                "value of it in [{}, {}]",
                                i % d, i / d, options.initial[i], v.low, v.high),
                    {.field = "options.initial"});
  return Nsga2(std::move(variables), objectives, options);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Nsga2: not enough memory");
}

Result<MatrixView<double>> Nsga2::Ask() try {
  const std::size_t n = options_.population, d = variables_.size();
  const MatrixView<double> out(asked_.data(), n, d);
  if (!asked_.empty()) return out;
  // Of seed and generation alone: a run can be continued, and nothing else has a part in it.
  Random random = Random::Stream(options_.seed, generation_);
  std::vector<double> made;
  made.reserve(n * d);
  if (generation_ == 0) {
    made = options_.initial;
    for (std::size_t i = made.size() / d; i < n; ++i)
      for (const Variable& v : variables_) made.push_back(RandomValue(v, &random));
  } else {
    const Population& p = population_;
    // Everyone meets two others: as many tournaments as parents are needed.
    std::vector<std::uint32_t> parents;
    parents.reserve(n);
    std::vector<std::uint32_t> turn(n);
    std::iota(turn.begin(), turn.end(), std::uint32_t{0});
    for (int round = 0; round < 2; ++round) {
      random.Shuffle(std::span<std::uint32_t>(turn));
      for (std::size_t i = 0; i + 1 < n; i += 2) parents.push_back(Better(p, turn[i], turn[i + 1]));
    }
    for (const std::uint32_t parent : parents) {
      const double* row = p.x.data() + parent * d;
      made.insert(made.end(), row, row + d);
    }
    Variation(variables_, options_, mutation_).Apply(made.data(), n, &random);
  }
  asked_ = std::move(made);
  return MatrixView<double>(asked_.data(), n, d);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Ask: not enough memory for the candidates");
}

Status Nsga2::Tell(const MatrixView<double>& objectives,
                   const MatrixView<double>& constraints) try {
  constexpr const char* kWhere = "Tell";
  if (asked_.empty())
    return Status(Code::kInvalidArgument, "Tell: nothing was asked; call Ask first");
  const std::size_t n = options_.population;
  EQUIPOISE_CHECK_EQUAL(kWhere, objectives.rows, n);
  EQUIPOISE_CHECK_EQUAL(kWhere, objectives.cols, objectives_);
  const std::size_t c = constraints.empty() ? 0 : constraints.cols;
  if (c > 0) EQUIPOISE_CHECK_EQUAL(kWhere, constraints.rows, n);
  if (generation_ > 0) EQUIPOISE_CHECK_EQUAL(kWhere, c, population_.constraints);
  Population all{.variables = variables_.size(), .objectives = objectives_, .constraints = c};
  // Parents first: of equals those that are there stay.
  Append(population_.f, &all.f);
  Append(population_.g, &all.g);
  std::size_t not_a_number = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto f = objectives.row_span(i);
    all.f.insert(all.f.end(), f.begin(), f.end());
    bool nan = std::any_of(f.begin(), f.end(), [](double v) { return std::isnan(v); });
    for (std::size_t j = 0; j < c; ++j) {
      const double value = constraints.row(i)[j];
      nan |= std::isnan(value);
      all.g.push_back(std::isnan(value) ? kInfinity : value);
    }
    not_a_number += nan ? 1 : 0;
  }
  SetViolations(population_.size() + n, &all);
  EQUIPOISE_ASSIGN_OR_RETURN(Population kept, Select(all, population_.x, asked_, n));
  population_ = std::move(kept);
  not_a_number_ += not_a_number;
  ++generation_;
  asked_.clear();
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Tell: not enough memory for parents and children");
}

Status Nsga2::Resume(Population population, std::size_t generation) {
  constexpr const char* kWhere = "Resume";
  const std::size_t n = options_.population, d = variables_.size();
  EQUIPOISE_CHECK_RANGE(kWhere, generation, std::size_t{1}, std::size_t{1} << 40);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.variables, d);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.objectives, objectives_);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.x.size(), n * d);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.f.size(), n * objectives_);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.g.size(), n * population.constraints);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.violations.size(), n);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.rank.size(), n);
  EQUIPOISE_CHECK_EQUAL(kWhere, population.crowding.size(), n);
  for (std::size_t i = 0; i < n * d; ++i) {
    const Variable& v = variables_[i % d];
    if (!(population.x[i] >= v.low && population.x[i] <= v.high))
      return Status(Code::kInvalidArgument,
                    fmt::format("Resume: variable {} of point {} is {}, outside [{}, {}]", i % d,
                                i / d, population.x[i], v.low, v.high),
                    {.field = "population.x"});
  }
  population_ = std::move(population);
  generation_ = generation;
  asked_.clear();
  return {};
}

}  // namespace equipoise
