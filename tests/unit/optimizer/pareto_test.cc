// Ranks, room and volume of points with several objectives, against their definitions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/front_quality.h>
#include <equipoise/optimizer/pareto.h>

namespace equipoise {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Points {
  std::size_t m;
  std::vector<double> values;
  MatrixView<double> view() const { return {values.data(), values.size() / m, m}; }
};

// With few different values there are many ties and duplicates.
Points Sample(Random* random, std::size_t n, std::size_t m, std::uint64_t values) {
  Points out{m, {}};
  for (std::size_t i = 0; i < n * m; ++i)
    out.values.push_back(values == 0 ? random->Uniform()
                                     : static_cast<double>(random->Below(values)));
  return out;
}

std::vector<std::uint32_t> All(const Points& points) {
  std::vector<std::uint32_t> out(points.values.size() / points.m);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint32_t>(i);
  return out;
}

// Ranks by definition: those that nothing left dominates, again and again.
std::vector<std::uint32_t> Peeled(const MatrixView<double>& points) {
  std::vector<std::uint32_t> rank(points.rows, ~0u);
  std::size_t done = 0;
  for (std::uint32_t r = 0; done < points.rows; ++r) {
    std::vector<std::size_t> front;
    for (std::size_t i = 0; i < points.rows; ++i) {
      if (rank[i] != ~0u) continue;
      bool dominated = false;
      for (std::size_t j = 0; j < points.rows && !dominated; ++j)
        dominated = rank[j] == ~0u && Dominates(points.row_span(j), points.row_span(i));
      if (!dominated) front.push_back(i);
    }
    for (const std::size_t i : front) rank[i] = r;
    done += front.size();
  }
  return rank;
}

TEST(Dominance, NeedsSomethingBetterAndNothingWorse) {
  const auto dominates = [](std::vector<double> a, std::vector<double> b) {
    return Dominates(a, b);
  };
  EXPECT_TRUE(dominates({1, 2}, {1, 3}));
  EXPECT_FALSE(dominates({1, 2}, {1, 2}));
  EXPECT_FALSE(dominates({0, 3}, {1, 2}));
  EXPECT_TRUE(dominates({-kInfinity, 0}, {0, 0}));
  EXPECT_FALSE(dominates({kNan, 0}, {1, 1}));
  EXPECT_FALSE(dominates({0, 0}, {kNan, 1}));
}

TEST(NonDominatedSort, AgreesWithPeelingFrontAfterFront) {
  Random random(1);
  for (int round = 0; round < 400; ++round) {
    const std::size_t m = 1 + random.Below(5), n = random.Below(80);
    Points points = Sample(&random, n, m, random.Chance(0.6) ? 1 + random.Below(6) : 0);
    for (double& value : points.values)
      if (random.Chance(0.02)) value = random.Chance(0.5) ? kInfinity : -kInfinity;
    const auto sorting = NonDominatedSort(points.view());
    ASSERT_TRUE(sorting.ok());
    EXPECT_EQ(sorting->rank, Peeled(points.view())) << n << " × " << m;
    std::size_t seen = 0;
    for (std::size_t r = 0; r < sorting->ranks(); ++r)
      for (const std::uint32_t i : sorting->front(r)) {
        EXPECT_EQ(sorting->rank[i], r);
        ++seen;
      }
    EXPECT_EQ(seen, n);
  }
}

TEST(NonDominatedSort, InfeasiblePointsComeByTheirViolationAndNanLast) {
  const Points points{2, {5, 5, 0, 0, 0, 0, kNan, 0, 6, 6, 1, 1}};
  const auto sorting = NonDominatedSort(points.view(), std::vector<double>{0, 2, 1, 0, 0, 2});
  ASSERT_TRUE(sorting.ok());
  EXPECT_EQ(sorting->rank, (std::vector<std::uint32_t>{0, 3, 2, 4, 1, 3}));
  EXPECT_EQ(sorting->not_a_number, 1u);
  EXPECT_EQ(NonDominatedSort(points.view(), std::vector<double>{0, 1}).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(NonDominatedSort(points.view(), std::vector<double>{0, -1, 0, 0, 0, 0}).error().code(),
            Code::kInvalidArgument);
}

TEST(CrowdingDistance, OfPointsWorkedOutByHand) {
  const Points points{2, {1, 1, 1, 1, 0.5, 1.5, 0, 2}};
  // (1, 1) and (0, 2) are the ends; the second (1, 1) adds nothing; (0.5, 1.5) has both whole ranges.
  EXPECT_EQ(*CrowdingDistance(points.view(), All(points)),
            (std::vector<double>{kInfinity, 0, 2, kInfinity}));
  const std::vector<std::uint32_t> turned = {3, 1, 2, 0};
  EXPECT_EQ(*CrowdingDistance(points.view(), turned),
            (std::vector<double>{kInfinity, kInfinity, 2, 0}));
}

TEST(CrowdingDistance, AFlatObjectiveSaysNothing) {
  const Points points{3, {0, 7, 4, 1, 7, 3, 3, 7, 2, 4, 7, 0}};
  const auto distance = *CrowdingDistance(points.view(), All(points));
  EXPECT_EQ(distance[0], kInfinity);
  EXPECT_EQ(distance[3], kInfinity);
  EXPECT_DOUBLE_EQ(distance[1], 3.0 / 4 + 2.0 / 4);
  EXPECT_DOUBLE_EQ(distance[2], 3.0 / 4 + 3.0 / 4);
}

TEST(CrowdingDistance, OfOneTwoEqualAndUnusualPoints) {
  const Points one{2, {1, 2}};
  EXPECT_EQ(*CrowdingDistance(one.view(), All(one)), std::vector<double>{kInfinity});
  EXPECT_TRUE(CrowdingDistance(one.view(), {})->empty());
  const Points two{2, {1, 2, 2, 1}};
  EXPECT_EQ(*CrowdingDistance(two.view(), All(two)), (std::vector<double>{kInfinity, kInfinity}));
  const Points equal{2, {1, 2, 1, 2, 1, 2}};
  EXPECT_EQ(*CrowdingDistance(equal.view(), All(equal)), (std::vector<double>{kInfinity, 0, 0}));
  const Points odd{2, {kNan, 1, 0, 3, 1, 2, kInfinity, 1}};
  const auto distance = *CrowdingDistance(odd.view(), All(odd));
  EXPECT_EQ(distance[0], 0);
  EXPECT_EQ(distance[2], kInfinity);  // an end is infinitely far
  EXPECT_EQ(CrowdingDistance(odd.view(), std::vector<std::uint32_t>{4}).error().code(),
            Code::kInvalidArgument);
}

TEST(CrowdingDistance, DoesNotDependOnTheOrderOfDifferentPoints) {
  Random random(4);
  for (int round = 0; round < 50; ++round) {
    const Points points = Sample(&random, 30, 1 + random.Below(4), 0);
    std::vector<std::uint32_t> members = All(points);
    const auto before = *CrowdingDistance(points.view(), members);
    random.Shuffle(std::span<std::uint32_t>(members));
    const auto after = *CrowdingDistance(points.view(), members);
    for (std::size_t i = 0; i < members.size(); ++i) EXPECT_DOUBLE_EQ(after[i], before[members[i]]);
  }
}

TEST(Prune, LeavesWhatTakingTheLeastCrowdedAgainAndAgainLeaves) {
  Random random(12);
  for (int round = 0; round < 400; ++round) {
    const std::size_t n = 1 + random.Below(60), m = 1 + random.Below(4);
    Points points = Sample(&random, n, m, round % 4 == 0 ? 0 : 2 + random.Below(12));
    if (round % 5 == 0) points.values[random.Below(n * m)] = kNan;
    if (round % 7 == 0) points.values[random.Below(n * m)] = kInfinity;
    std::vector<std::uint32_t> members = All(points);
    random.Shuffle(std::span<std::uint32_t>(members));
    const std::size_t keep = 1 + random.Below(n);
    const auto pruned = Prune(points.view(), members, keep);
    ASSERT_TRUE(pruned.ok());
    std::vector<std::uint32_t> left = members, places = All(points);
    std::vector<double> crowding = *CrowdingDistance(points.view(), left);
    while (left.size() > keep) {
      std::ptrdiff_t least = 0;
      for (std::ptrdiff_t i = 1; i < static_cast<std::ptrdiff_t>(left.size()); ++i)
        if (crowding[static_cast<std::size_t>(i)] <= crowding[static_cast<std::size_t>(least)])
          least = i;
      left.erase(left.begin() + least);
      places.erase(places.begin() + least);
      crowding = *CrowdingDistance(points.view(), left);
    }
    ASSERT_EQ(pruned->places, places) << "round " << round;
    ASSERT_EQ(pruned->crowding, crowding) << "round " << round;
  }
  const Points points{2, {0, 1, 1, 0}};
  EXPECT_EQ(Prune(points.view(), All(points), 0).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(Prune(points.view(), All(points), 3).error().code(), Code::kInvalidArgument);
}

// Two close together have the least room, and both taken away at once would leave a hole.
TEST(Prune, LeavesOneOfTwoThatCrowdEachOther) {
  const Points points{2, {0, 1, 0.3, 0.7, 0.305, 0.695, 0.5, 0.5, 0.7, 0.3, 1, 0}};
  EXPECT_EQ(Prune(points.view(), All(points), 4)->places, (std::vector<std::uint32_t>{0, 1, 4, 5}));
}

TEST(ParetoPoints, IdealNadirAndKnee) {
  const Points points{2, {0, 10, 1, 3, 4, 2, 10, 0}};
  EXPECT_EQ(*IdealPoint(points.view(), All(points)), (std::vector<double>{0, 0}));
  EXPECT_EQ(*NadirPoint(points.view(), All(points)), (std::vector<double>{10, 10}));
  EXPECT_EQ(*Knee(points.view(), All(points)), 1u);
  EXPECT_EQ(IdealPoint(points.view(), {}).error().code(), Code::kInvalidArgument);
  const Points infinite{2, {0, kInfinity, 1, 1}};
  EXPECT_EQ(Knee(infinite.view(), All(infinite)).error().code(), Code::kInvalidArgument);
}

// The volume of unit cells, for points at whole coordinates.
double Cells(const Points& points, std::size_t side) {
  std::size_t all = 1;
  for (std::size_t j = 0; j < points.m; ++j) all *= side;
  double sum = 0;
  for (std::size_t cell = 0; cell < all; ++cell) {
    bool covered = false;
    for (std::size_t i = 0; i < points.view().rows && !covered; ++i) {
      covered = true;
      for (std::size_t j = 0, rest = cell; j < points.m; ++j, rest /= side)
        covered &= points.view().row(i)[j] <= static_cast<double>(rest % side);
    }
    sum += covered ? 1 : 0;
  }
  return sum;
}

TEST(Hypervolume, CountsTheCellsThatPointsDominate) {
  Random random(2);
  for (int round = 0; round < 200; ++round) {
    const std::size_t m = 1 + random.Below(5), side = m > 3 ? 4 : 6;
    const Points points = Sample(&random, random.Below(25), m, side + 2);
    const std::vector<double> reference(m, static_cast<double>(side));
    const auto volume = Hypervolume(points.view(), reference);
    ASSERT_TRUE(volume.ok());
    EXPECT_NEAR(*volume, Cells(points, side), 1e-9) << m;
  }
}

TEST(Hypervolume, OfKnownFronts) {
  // Published for reference (1.1, ...): the limit for a front that is whole.
  Points zdt1{2, {}}, zdt2{2, {}}, zdt3{2, {}}, zdt6{2, {}};
  constexpr int kSteps = 200'000;
  double least = 1;
  for (int i = 0; i <= kSteps; ++i) {
    const double x = static_cast<double>(i) / kSteps;
    zdt1.values.insert(zdt1.values.end(), {x, 1 - std::sqrt(x)});
    zdt2.values.insert(zdt2.values.end(), {x, 1 - x * x});
    // With what of these curves is dominated, which adds no volume.
    zdt3.values.insert(zdt3.values.end(), {x, 1 - std::sqrt(x) - x * std::sin(10 * M_PI * x)});
    least = std::min(least, 1 - std::exp(-4 * x) * std::pow(std::sin(6 * M_PI * x), 6));
  }
  // ZDT6 by its first objective: its variable would leave holes where that is steep.
  for (int i = 0; i <= kSteps; ++i) {
    const double f = least + (1 - least) * i / kSteps;
    zdt6.values.insert(zdt6.values.end(), {f, 1 - f * f});
  }
  const std::vector<double> two(2, 1.1);
  EXPECT_NEAR(*Hypervolume(zdt1.view(), two), 0.876667, 1e-5);
  EXPECT_NEAR(*Hypervolume(zdt2.view(), two), 0.543333, 1e-5);
  EXPECT_NEAR(*Hypervolume(zdt3.view(), two), 1.331763, 1e-5);
  EXPECT_NEAR(*Hypervolume(zdt6.view(), two), 0.507878, 1e-5);
}

// DTLZ2: 1.1³ less an eighth of the unit ball. A grid of n × n points of its sphere lacks a part of that which
// falls as 1/n: two grids tell how much.
TEST(Hypervolume, OfASphereIsThatOfItsClosedForm) {
  const auto volume = [](int n) {
    Points sphere{3, {}};
    for (int i = 0; i <= n; ++i)
      for (int j = 0; j <= n; ++j) {
        const double a = M_PI / 2 * i / n, b = M_PI / 2 * j / n;
        sphere.values.insert(sphere.values.end(),
                             {std::cos(a) * std::cos(b), std::cos(a) * std::sin(b), std::sin(a)});
      }
    return *Hypervolume(sphere.view(), std::vector<double>(3, 1.1));
  };
  const double coarse = volume(400), fine = volume(800), whole = 1.1 * 1.1 * 1.1 - M_PI / 6;
  EXPECT_NEAR(whole, 0.807401, 1e-6);
  EXPECT_LT(coarse, fine);
  EXPECT_LT(fine, whole);
  EXPECT_NEAR(2 * fine - coarse, whole, 1e-5);
}

TEST(Hypervolume, RefusesWhatHasNoVolume) {
  const Points points{2, {0, 0, kNan, 0, 5, 5}};
  EXPECT_EQ(*Hypervolume(points.view(), std::vector<double>{1, 1}), 1);
  EXPECT_EQ(*Hypervolume({}, std::vector<double>{1, 1}), 0);
  EXPECT_EQ(Hypervolume(points.view(), std::vector<double>{1}).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(Hypervolume(points.view(), std::vector<double>{1, kInfinity}).error().code(),
            Code::kInvalidArgument);
  const Points endless{2, {-kInfinity, 0}};
  EXPECT_EQ(Hypervolume(endless.view(), std::vector<double>{1, 1}).error().code(),
            Code::kInvalidArgument);
}

TEST(IgdPlus, IsZeroOnlyWhereNothingOfTheReferenceIsBetter) {
  const Points reference{2, {0, 1, 1, 0}};
  EXPECT_EQ(*IgdPlus(reference.view(), reference.view()), 0);
  const Points better{2, {-1, -1}}, worse{2, {1, 1}};
  EXPECT_EQ(*IgdPlus(better.view(), reference.view()), 0);
  EXPECT_DOUBLE_EQ(*IgdPlus(worse.view(), reference.view()), 1);
  EXPECT_EQ(IgdPlus({}, reference.view()).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace equipoise
