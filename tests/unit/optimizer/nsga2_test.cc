// NSGA-II on problems whose fronts are known.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/front_quality.h>
#include <equipoise/optimizer/nsga2.h>

namespace equipoise {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Zdt1 {
  std::vector<Variable> Variables() const { return std::vector<Variable>(30); }
  std::size_t Objectives() const { return 2; }
  void Evaluate(std::span<const double> x, std::span<double> f) const {
    double sum = 0;
    for (std::size_t j = 1; j < x.size(); ++j) sum += x[j];
    const double g = 1 + 9 * sum / static_cast<double>(x.size() - 1);
    f[0] = x[0];
    f[1] = g * (1 - std::sqrt(x[0] / g));
  }
};

// Binh and Korn 1997: two constraints, both of which cut into the box.
struct Bnh {
  std::vector<Variable> Variables() const { return {{0, 5}, {0, 3}}; }
  std::size_t Objectives() const { return 2; }
  std::size_t Constraints() const { return 2; }
  void Evaluate(std::span<const double> x, std::span<double> f, std::span<double> g) const {
    f[0] = 4 * x[0] * x[0] + 4 * x[1] * x[1];
    f[1] = std::pow(x[0] - 5, 2) + std::pow(x[1] - 5, 2);
    g[0] = std::pow(x[0] - 5, 2) + x[1] * x[1] - 25;
    g[1] = 7.7 - std::pow(x[0] - 8, 2) - std::pow(x[1] + 3, 2);
  }
};

// One whole number: the front is 0 to 40.
struct Alone {
  VariableKind kind = VariableKind::kInteger;
  std::vector<Variable> Variables() const { return {{0, 100, kind}}; }
  std::size_t Objectives() const { return 2; }
  void Evaluate(std::span<const double> x, std::span<double> f) const {
    f[0] = x[0];
    f[1] = std::fabs(x[0] - 40);
  }
};

TEST(Nsga2, ReachesTheFrontOfZdt1) {
  const auto found = Minimize(Zdt1(), {.seed = 3});
  ASSERT_TRUE(found.ok());
  EXPECT_GT(*Hypervolume(found->f_view(), std::vector<double>{1.1, 1.1}), 0.865);
  for (std::size_t i = 0; i < found->size(); ++i)
    for (const double x : found->x_view().row_span(i)) EXPECT_TRUE(x >= 0 && x <= 1);
}

TEST(Nsga2, TheSameSeedGivesTheSameBitsAtAnyNumberOfThreads) {
  const auto run = [](int threads, std::uint64_t seed) {
    return *Minimize(Zdt1(), {.generations = 30, .seed = seed, .threads = threads});
  };
  const Population one = run(1, 5);
  for (const int threads : {2, 5}) {
    EXPECT_EQ(run(threads, 5).x, one.x);
    EXPECT_EQ(run(threads, 5).f, one.f);
  }
  EXPECT_NE(run(1, 6).x, one.x);
}

// Sums and differences alone, which no compiler may round otherwise. The numbers are those of an x86-64.
TEST(Nsga2, TheSameSeedGivesTheSameBitsOnEveryMachine) {
  struct Sums {
    std::vector<Variable> Variables() const {
      return {{0, 1}, {-3, 5}, {0, 9, VariableKind::kInteger}, {0, 2, VariableKind::kCategorical}};
    }
    std::size_t Objectives() const { return 3; }
    void Evaluate(std::span<const double> x, std::span<double> f) const {
      f[0] = x[0] + std::fabs(x[1]);
      f[1] = std::fabs(x[0] - 0.75) + std::fabs(x[1] - 1) + x[2];
      f[2] = std::fabs(x[2] - 7) + x[3];
    }
  };
  const auto found = Minimize(Sums(), {.population = 40, .generations = 60, .seed = 11});
  ASSERT_TRUE(found.ok());
  std::uint64_t sum = 0;
  for (const double x : found->x) sum = sum * 1099511628211u + std::bit_cast<std::uint64_t>(x);
  EXPECT_EQ(sum, 16931218945929368461u);
}

TEST(Nsga2, ContinuesBitForBit) {
  const Nsga2Options options{.population = 20, .seed = 9};
  const Zdt1 problem;
  const auto advance = [&](Nsga2* solver, std::size_t to) {
    std::vector<double> f(20 * 2);
    while (solver->generation() < to) {
      const auto x = *solver->Ask();
      for (std::size_t i = 0; i < x.rows; ++i)
        problem.Evaluate(x.row_span(i), std::span<double>(f.data() + 2 * i, 2));
      ASSERT_TRUE(solver->Tell({f.data(), 20, 2}).ok());
    }
  };
  auto whole = *Nsga2::Create(problem.Variables(), 2, options);
  advance(&whole, 10);
  const Population middle = whole.population();
  advance(&whole, 25);
  auto later = *Nsga2::Create(problem.Variables(), 2, options);
  ASSERT_TRUE(later.Resume(middle, 10).ok());
  advance(&later, 25);
  EXPECT_EQ(later.population().x, whole.population().x);
  Population wrong = middle;
  wrong.x[3] = 7;
  EXPECT_EQ(later.Resume(wrong, 10).code(), Code::kInvalidArgument);
  wrong.x.pop_back();
  EXPECT_EQ(later.Resume(wrong, 10).code(), Code::kInvalidArgument);
}

TEST(Nsga2, EveryPointOfAFrontOfOneVariableIsFound) {
  for (const VariableKind kind : {VariableKind::kInteger, VariableKind::kCategorical}) {
    const auto found = Minimize(Alone{kind}, {.population = 64, .generations = 60, .seed = 2});
    ASSERT_TRUE(found.ok());
    std::set<double> front;
    for (std::size_t i = 0; i < found->size(); ++i)
      if (found->rank[i] == 0) front.insert(found->x[i]);
    EXPECT_EQ(front.size(), 41u);
    EXPECT_EQ(*front.begin(), 0);
    EXPECT_EQ(*front.rbegin(), 40);
  }
}

TEST(Nsga2, EndsWithFeasiblePointsAndAFrontThatIsOne) {
  const auto found = Minimize(Bnh(), {.population = 60, .generations = 80, .seed = 4});
  ASSERT_TRUE(found.ok());
  for (std::size_t i = 0; i < found->size(); ++i) {
    EXPECT_EQ(found->violations[i], 0);
    for (std::size_t j = 0; j < found->size(); ++j)
      EXPECT_FALSE(found->rank[i] == 0 &&
                   Dominates(found->f_view().row_span(j), found->f_view().row_span(i)));
  }
  // The ends of the front: x = (0, 0) and x = (5, 3).
  std::vector<std::uint32_t> all(found->size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint32_t>(i);
  const auto ideal = *IdealPoint(found->f_view(), all);
  EXPECT_NEAR(ideal[0], 0, 0.5);
  EXPECT_NEAR(ideal[1], 4, 0.5);
}

// Objectives and constraints of a generation, told of candidates that were asked.
Population Told(Nsga2* solver, const std::vector<double>& f, const std::vector<double>& g) {
  const auto x = solver->Ask();
  EXPECT_TRUE(x.ok());
  const std::size_t n = x->rows;
  EXPECT_TRUE(solver->Tell({f.data(), n, f.size() / n}, {g.data(), n, g.size() / n}).ok());
  return solver->population();
}

TEST(Nsga2, ConstraintsOfOtherScalesCountAlikeAndNanAndInfinityMost) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  auto solver = *Nsga2::Create({{0, 1}}, 1, {.population = 8, .seed = 1});
  // The best objective has the worst constraint: it is feasibility that ranks.
  const std::vector<double> f = {7, 6, 5, 4, 3, 2, 1, 0};
  const std::vector<double> g = {-1,   -1e6,    //
                                 0,    0,       //
                                 1,    -5,      // all of the first one's scale: 1
                                 -2,   0.5e6,   // half of the second one's: 0.5
                                 0.25, 0.25e6,  // 0.25 + 0.25, as the one before: by objective
                                 0.5,  1e6,     // 0.5 + 1
                                 kNan, -1,      //
                                 -1,   kInfinity};
  const Population found = Told(&solver, f, g);
  // In ascending order of rank: what is broken, and the objective of who breaks it.
  ASSERT_EQ(found.size(), 8u);
  EXPECT_EQ(found.violations, (std::vector<double>{0, 0, 0.5, 0.5, 1, 1.5, kInfinity, kInfinity}));
  EXPECT_EQ(found.f[0], 6);
  EXPECT_EQ(found.f[1], 7);
  EXPECT_EQ(std::set<double>(found.f.begin() + 2, found.f.begin() + 4), (std::set<double>{3, 4}));
  EXPECT_EQ(found.f[4], 5);
  EXPECT_EQ(found.f[5], 2);
  EXPECT_EQ(std::set<double>(found.f.begin() + 6, found.f.end()), (std::set<double>{0, 1}));
  EXPECT_TRUE(std::is_sorted(found.rank.begin(), found.rank.end()));
  EXPECT_LT(found.rank[3], found.rank[4]);
  EXPECT_EQ(solver.not_a_number(), 1u);
}

TEST(Nsga2, AScaleIsThatOfParentsAndChildrenTogether) {
  auto solver = *Nsga2::Create({{0, 1}}, 1, {.population = 4, .seed = 1});
  Told(&solver, {0, 0, 0, 0}, {1, 2, 3, 4});
  EXPECT_EQ(solver.population().violations, (std::vector<double>{0.25, 0.5, 0.75, 1}));
  // Against a child of 8 the parents break half as much; three of them and one child are the least.
  Told(&solver, {0, 0, 0, 0}, {8, 8, 0.5, 8});
  EXPECT_EQ(solver.population().violations, (std::vector<double>{0.0625, 0.125, 0.25, 0.375}));
}

// Without crossover and mutation the candidates are the winners of tournaments, of which there are two rounds.
TEST(Nsga2, TheBetterRankWinsAndOfEqualRanksTheOneWithMoreRoom) {
  constexpr std::size_t kPopulation = 64;
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    auto solver = *Nsga2::Create(
        {{0, 1}}, 2, {.population = kPopulation, .seed = seed, .crossover = 0, .mutation = 0});
    Random random(seed);
    std::vector<double> f;
    const bool front = seed > 2;  // all of one rank: room alone decides
    for (std::size_t i = 0; i < kPopulation; ++i) {
      f.push_back(random.Uniform());
      f.push_back(front ? 1 - f.back() : random.Uniform());
    }
    const Population parents = Told(&solver, f, {});
    const std::uint32_t ranks = *std::max_element(parents.rank.begin(), parents.rank.end());
    ASSERT_TRUE(front ? ranks == 0 : ranks > 2) << ranks;
    const auto better = [&](std::size_t a, std::size_t b) {
      return parents.rank[a] != parents.rank[b] ? parents.rank[a] < parents.rank[b]
                                                : parents.crowding[a] > parents.crowding[b];
    };
    std::vector<std::size_t> order(kPopulation);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), better);
    const auto children = *solver.Ask();
    for (const std::size_t first : {std::size_t{0}, kPopulation / 2}) {
      std::set<double> winners;
      for (std::size_t i = 0; i < kPopulation / 2; ++i) winners.insert(children.row(first + i)[0]);
      ASSERT_EQ(winners.size(), kPopulation / 2);  // everyone met one other
      // Who lost did so to one that is as good: from the best on there are never more losers than winners.
      std::size_t won = 0, lost = 0;
      for (std::size_t i = 0; i < kPopulation; ++i) {
        (winners.count(parents.x[order[i]]) > 0 ? won : lost) += 1;
        if (i + 1 == kPopulation || better(order[i], order[i + 1])) {
          EXPECT_GE(won, lost);
        }
      }
      EXPECT_EQ(won, lost);
    }
  }
}

TEST(Nsga2, FixedVariablesStayAndCandidatesOfNanComeLast) {
  struct Odd {
    std::vector<Variable> Variables() const {
      return {{0, 1}, {3, 3}, {-2, 2, VariableKind::kInteger}};
    }
    std::size_t Objectives() const { return 2; }
    void Evaluate(std::span<const double> x, std::span<double> f) const {
      f[0] = x[2] < 0 ? kNan : x[0];
      f[1] = 1 - x[0] + x[2];
    }
  };
  const Odd problem;
  auto solver = *Nsga2::Create(problem.Variables(), 2, {.population = 20, .seed = 1});
  std::vector<double> f(40);
  while (solver.generation() < 20) {
    const auto x = *solver.Ask();
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(x.row(i)[1], 3);
      EXPECT_EQ(x.row(i)[2], std::round(x.row(i)[2]));
      problem.Evaluate(x.row_span(i), std::span<double>(f.data() + 2 * i, 2));
    }
    ASSERT_TRUE(solver.Tell({f.data(), 20, 2}).ok());
  }
  EXPECT_GT(solver.not_a_number(), 0u);
  for (const double value : solver.population().f) EXPECT_FALSE(std::isnan(value));
}

TEST(Nsga2, BeginsWithTheCandidatesThatAreGiven) {
  const std::vector<Variable> variables = {{0, 1}, {0, 9, VariableKind::kInteger}};
  auto solver = Nsga2::Create(variables, 1, {.population = 6, .initial = {0.25, 3, 1, 9}});
  ASSERT_TRUE(solver.ok()) << solver.error().ToString();
  const auto x = *solver->Ask();
  EXPECT_EQ(std::vector<double>(x.row(0), x.row(0) + 4), (std::vector<double>{0.25, 3, 1, 9}));
  std::set<double> others;
  for (std::size_t i = 2; i < 6; ++i) others.insert(x.row(i)[0]);
  EXPECT_EQ(others.size(), 4u);
  const auto code = [&](std::vector<double> initial) {
    return Nsga2::Create(variables, 1, {.population = 4, .initial = std::move(initial)})
        .error()
        .code();
  };
  EXPECT_EQ(code({0.5}), Code::kInvalidArgument);
  EXPECT_EQ(code({0.5, 2.5}), Code::kInvalidArgument);
  EXPECT_EQ(code({1.5, 2}), Code::kInvalidArgument);
  EXPECT_EQ(code({kNan, 2}), Code::kInvalidArgument);
  EXPECT_EQ(code(std::vector<double>(10, 0)), Code::kInvalidArgument);
}

TEST(Nsga2, RefusesWhatItCannotDo) {
  const auto code = [](std::vector<Variable> variables, std::size_t objectives,
                       const Nsga2Options& options) {
    return Nsga2::Create(std::move(variables), objectives, options).error().code();
  };
  const std::vector<Variable> good = {{0, 1}};
  EXPECT_EQ(code({}, 2, {}), Code::kInvalidArgument);
  EXPECT_EQ(code({{1, 0}}, 2, {}), Code::kInvalidArgument);
  EXPECT_EQ(code({{0, kNan}}, 2, {}), Code::kInvalidArgument);
  EXPECT_EQ(code({{0, 1.5, VariableKind::kInteger}}, 2, {}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 0, {}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 17, {}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 2, {.population = 0}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 2, {.population = 7}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 2, {.generations = 0}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 2, {.crossover = 1.5}), Code::kInvalidArgument);
  EXPECT_EQ(code(good, 2, {.mutation_eta = -1}), Code::kInvalidArgument);
  auto solver = *Nsga2::Create(good, 2, {.population = 4});
  const std::vector<double> f(8);
  EXPECT_EQ(solver.Tell({f.data(), 4, 2}).code(), Code::kInvalidArgument);
  ASSERT_TRUE(solver.Ask().ok());
  EXPECT_EQ(solver.Tell({f.data(), 2, 2}).code(), Code::kInvalidArgument);
  EXPECT_EQ(solver.Tell({f.data(), 4, 1}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(solver.Tell({f.data(), 4, 2}).ok());
}

}  // namespace
}  // namespace equipoise
