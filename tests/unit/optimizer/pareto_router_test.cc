// What a preference picks, against every point tried, and while tables are exchanged.
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/pareto_router.h>

namespace equipoise {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Points {
  std::size_t m = 2;
  std::vector<double> values{};
  MatrixView<double> view() const { return {values.data(), values.size() / m, m}; }
};

Points Sample(std::uint64_t seed, std::size_t n, std::size_t m, std::uint64_t different = 0) {
  Random random(seed);
  Points out{m, {}};
  for (std::size_t i = 0; i < n * m; ++i)
    out.values.push_back(different == 0 ? random.Uniform() * 100
                                        : static_cast<double>(random.Below(different)));
  return out;
}

// The score by its definition; infinite where the point is dominated or beyond a limit.
std::vector<double> Scores(const Points& points, const Preference& preference) {
  const auto view = points.view();
  std::vector<bool> out(view.rows);
  for (std::size_t i = 0; i < view.rows; ++i)
    for (std::size_t j = 0; j < view.rows; ++j)
      out[i] = out[i] || Dominates(view.row_span(j), view.row_span(i));
  std::vector<double> ideal(points.m, kInfinity), nadir(points.m, -kInfinity);
  for (std::size_t i = 0; i < view.rows; ++i)
    for (std::size_t j = 0; j < points.m && !out[i]; ++j) {
      ideal[j] = std::min(ideal[j], view.row(i)[j]);
      nadir[j] = std::max(nadir[j], view.row(i)[j]);
    }
  double sum = 0;
  for (const double w : preference.weights) sum += w;
  std::vector<double> scores(view.rows, kInfinity);
  for (std::size_t i = 0; i < view.rows; ++i) {
    if (out[i]) continue;
    double squares = 0, most = 0, total = 0;
    bool within = true;
    for (std::size_t j = 0; j < points.m; ++j) {
      const double range = nadir[j] - ideal[j];
      const double z = range > 0 ? (view.row(i)[j] - ideal[j]) / range : 0;
      const double value = preference.weights[j] / sum * z;
      squares += value * value;
      total += value;
      most = std::max(most, value);
      within = within && (preference.limits.empty() || view.row(i)[j] <= preference.limits[j]);
    }
    if (within)
      scores[i] = preference.method == PickMethod::kAsf ? most + 1e-4 * total : std::sqrt(squares);
  }
  return scores;
}

TEST(PreferenceTable, PicksWhatTryingEveryPointPicks) {
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    const std::size_t m = 1 + random.Below(4), n = 1 + random.Below(70);
    const Points points = Sample(random.Next(), n, m, round % 3 == 0 ? 4 : 0);
    Preference preference{.method = random.Chance(0.5) ? PickMethod::kIdeal : PickMethod::kAsf};
    for (std::size_t j = 0; j < m; ++j)
      preference.weights.push_back(random.Chance(0.2) ? 0.0 : random.Uniform());
    preference.weights[random.Below(m)] = 0.5;
    if (random.Chance(0.5))
      for (std::size_t j = 0; j < m; ++j)
        preference.limits.push_back(random.Chance(0.5) ? kInfinity : random.Uniform() * 100);
    const auto table = PreferenceTable::Create(points.view());
    ASSERT_TRUE(table.ok());
    const auto scores = Scores(points, preference);
    const double best = *std::min_element(scores.begin(), scores.end());
    const auto picked = table->Pick(preference);
    if (!std::isfinite(best)) {
      EXPECT_EQ(picked.error().code(), Code::kNotFound);
      continue;
    }
    ASSERT_TRUE(picked.ok()) << picked.error().ToString();
    // Scores are compared as floats.
    EXPECT_NEAR(scores[*picked], best, 2e-6) << round;
    const auto explained = table->Explain(preference);
    ASSERT_TRUE(explained.ok());
    EXPECT_EQ(explained->point, *picked);
    auto others = scores;
    others[*picked] = kInfinity;
    const double second = *std::min_element(others.begin(), others.end());
    EXPECT_EQ(explained->runner_up.has_value(), std::isfinite(second));
    if (!explained->runner_up) continue;
    EXPECT_NEAR(scores[*explained->runner_up], second, 2e-6);
    EXPECT_NEAR(*explained->margin, std::max(0.0, second - best), 4e-6);
  }
}

TEST(PreferenceTable, NeverPicksAPointThatAnotherOneDominates) {
  Random random(4);
  std::size_t picked = 0;
  for (int round = 0; round < 200; ++round) {
    const std::size_t m = 2 + random.Below(3);
    const Points points = Sample(random.Next(), 120, m, 3 + random.Below(5));
    const auto view = points.view();
    const auto table = PreferenceTable::Create(view);
    for (int i = 0; i < 30; ++i) {
      Preference preference;
      for (std::size_t j = 0; j < m; ++j)
        preference.weights.push_back(random.Chance(0.3) ? 0.0 : random.Uniform());
      preference.weights[0] += 1e-3;
      preference.method = static_cast<PickMethod>(random.Below(3));
      if (random.Chance(0.3)) preference.limits.assign(m, 1 + static_cast<double>(random.Below(6)));
      const auto point = table->Pick(preference);
      if (!point) continue;
      ++picked;
      for (std::size_t j = 0; j < view.rows; ++j)
        ASSERT_FALSE(Dominates(view.row_span(j), view.row_span(*point)));
    }
  }
  EXPECT_GT(picked, 3000u);
}

TEST(PreferenceTable, PicksTheBestOfManyThousandPointsToo) {
  Random random(6);
  Points points{3, {}};
  for (int i = 0; i < 6000; ++i) {
    const double a = random.Uniform() * M_PI / 2, b = random.Uniform() * M_PI / 2;
    points.values.insert(points.values.end(),
                         {-std::cos(a) * std::cos(b), -std::cos(a) * std::sin(b), -std::sin(a)});
  }
  const auto table = PreferenceTable::Create(points.view());
  ASSERT_EQ(table->members().size(), 6000u);  // of a sphere none dominates another
  // Ideal and nadir are about -1 and 0 in each.
  for (int round = 0; round < 50; ++round) {
    const std::vector<double> w = {random.Uniform(), random.Uniform(), random.Uniform()};
    const auto score = [&](std::size_t i) {
      double out = 0;
      for (std::size_t j = 0; j < 3; ++j) out += std::pow(w[j] * (points.values[3 * i + j] + 1), 2);
      return std::sqrt(out) / (w[0] + w[1] + w[2]);
    };
    double best = kInfinity;
    for (std::size_t i = 0; i < 6000; ++i) best = std::min(best, score(i));
    EXPECT_NEAR(score(*table->Pick({.weights = w})), best, 1e-3);
  }
}

TEST(PreferenceTable, AllTheWeightOnOneObjectivePicksItsBestPoint) {
  const Points points = {2, {1, 9, 3, 5, 6, 4, 9, 1}};
  const auto table = PreferenceTable::Create(points.view());
  for (const PickMethod method : {PickMethod::kIdeal, PickMethod::kAsf}) {
    EXPECT_EQ(*table->Pick({.weights = {1, 0}, .method = method}), 0u);
    EXPECT_EQ(*table->Pick({.weights = {0, 7}, .method = method}), 3u);
  }
  EXPECT_EQ(*table->Pick({.weights = {1, 0}, .limits = {kInfinity, 4}}), 2u);
  EXPECT_EQ(*table->Pick({.method = PickMethod::kKnee}), 1u);
  EXPECT_EQ(*table->Pick({.limits = {kInfinity, 4}, .method = PickMethod::kKnee}), 2u);
  EXPECT_EQ(table->Explain({.weights = {1, 0}})->distance, 0);
}

TEST(PreferenceTable, PointsThatAreNotFiniteAreNeverPicked) {
  const Points points = {2, {NAN, 0, 0, -kInfinity, 5, kInfinity, 2, 3}};
  const auto table = PreferenceTable::Create(points.view());
  ASSERT_FALSE(table.ok());  // the one at minus infinity dominates the finite one
  const Points some = {2, {NAN, 0, 0, kInfinity, 2, 3}};
  const auto left = PreferenceTable::Create(some.view());
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(*left->Pick({.weights = {1, 1}}), 2u);
  EXPECT_EQ(PreferenceTable::Create({}).error().code(), Code::kInvalidArgument);
}

TEST(PreferenceTable, RefusesWeightsThatAreNone) {
  const auto table = PreferenceTable::Create(Sample(1, 20, 2).view());
  for (const std::vector<double>& weights :
       {std::vector<double>{}, {1}, {0, 0}, {1, -0.1}, {1, NAN}, {kInfinity, 1}, {1, 1, 1}}) {
    EXPECT_EQ(table->Pick({.weights = weights}).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(table->Explain({.weights = weights}).error().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(table->Pick({.weights = {1, 1}, .limits = {NAN, 1}}).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(table->Pick({.weights = {1, 1}, .limits = {-1, -1}}).error().code(), Code::kNotFound);
  EXPECT_FALSE(ParsePickMethod("best").ok());
  for (const PickMethod method : {PickMethod::kIdeal, PickMethod::kAsf, PickMethod::kKnee})
    EXPECT_EQ(*ParsePickMethod(PickMethodName(method)), method);
}

TEST(ParetoRouter, SeesOneFrontOrTheOtherWhileTheyAreExchanged) {
  ParetoRouter router;
  EXPECT_EQ(router.Pick({.weights = {1, 1}}).error().code(), Code::kUnavailable);
  // Of the first table the best is 7, of the second 90.
  const auto make = [](std::size_t n, std::size_t best) {
    Points points{2, std::vector<double>(2 * n, 1.0)};
    points.values[2 * best] = points.values[2 * best + 1] = 0;
    return std::make_shared<const PreferenceTable>(*PreferenceTable::Create(points.view()));
  };
  const auto one = make(10, 7), two = make(100, 90);
  router.Use(one);
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> wrong = 0, seen = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!stop) {
        const auto route = router.Pick({.weights = {0.5, 0.5}});
        const bool right = route.ok() && ((route->table == one && route->point == 7) ||
                                          (route->table == two && route->point == 90));
        wrong += right ? 0 : 1;
        ++seen;
      }
    });
  for (int i = 0; i < 20'000 || seen < 1000; ++i) router.Use(i % 2 == 0 ? two : one);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  router.Use(nullptr);
  EXPECT_EQ(router.Pick({.weights = {1, 1}}).error().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace equipoise
