// Maximal marginal relevance against its formula, written plainly.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/retrieval/diversity.h>

namespace equipoise {
namespace {

constexpr std::size_t kDim = 12;

struct Candidates {
  std::vector<float> relevance;
  std::vector<float> rows;
  MatrixView<float> view() const { return {rows.data(), relevance.size(), kDim}; }
};

// Some rows are much alike, relevance is descending.
Candidates Randomly(std::size_t m, std::mt19937* random) {
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0, 1);
  Candidates out;
  for (std::size_t i = 0; i < m; ++i) {
    out.relevance.push_back(uniform(*random));
    std::vector<float> row(kDim);
    const bool like = i > 0 && (*random)() % 2 == 0;
    const std::size_t other = like ? (*random)() % i : 0;
    double norm = 0;
    for (std::size_t j = 0; j < kDim; ++j) {
      row[j] = like ? out.rows[other * kDim + j] + 0.1f * normal(*random) : normal(*random);
      norm += double{row[j]} * row[j];
    }
    for (const float x : row) out.rows.push_back(static_cast<float>(x / std::sqrt(norm)));
  }
  std::sort(out.relevance.rbegin(), out.relevance.rend());
  return out;
}

// The formula over all that is left, every cosine computed again each time.
std::vector<std::size_t> ByFormula(const Candidates& c, double lambda, std::size_t k) {
  std::vector<std::size_t> picks;
  const std::size_t m = c.relevance.size();
  while (picks.size() < std::min(k, m)) {
    std::size_t best = m;
    double best_value = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < m; ++i) {
      if (std::find(picks.begin(), picks.end(), i) != picks.end()) continue;
      double most = picks.empty() ? 0 : -1;
      for (const std::size_t pick : picks) {
        double cosine = 0;
        for (std::size_t j = 0; j < kDim; ++j)
          cosine += double{c.rows[i * kDim + j]} * c.rows[pick * kDim + j];
        most = std::max(most, cosine);
      }
      const double value = lambda * c.relevance[i] - (1 - lambda) * most;
      if (value > best_value + 1e-12) {
        best_value = value;
        best = i;
      }
    }
    picks.push_back(best);
  }
  return picks;
}

std::vector<std::size_t> Positions(const std::vector<DiversePick>& picks) {
  std::vector<std::size_t> out;
  for (const DiversePick& pick : picks) out.push_back(pick.position);
  return out;
}

TEST(Diversity, ChoosesWhatTheFormulaChooses) {
  std::mt19937 random(3);
  for (const std::size_t m : {1, 2, 7, 60}) {
    const Candidates c = Randomly(m, &random);
    for (const double lambda : {0.0, 0.3, 0.7, 0.95, 1.0})
      for (const std::size_t k : {std::size_t{1}, std::size_t{5}, m, m + 3})
        EXPECT_EQ(Positions(PickDiverse(c.relevance, c.view(), lambda, k)), ByFormula(c, lambda, k))
            << m << " candidates, lambda " << lambda << ", k " << k;
  }
}

TEST(Diversity, LambdaOneKeepsTheOrderEvenOfEqualScores) {
  std::mt19937 random(4);
  Candidates c = Randomly(40, &random);
  for (std::size_t i = 10; i < 20; ++i) c.relevance[i] = c.relevance[10];
  const auto picks = PickDiverse(c.relevance, c.view(), 1.0, 40);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(picks[i].position, i);
}

TEST(Diversity, SimilarityIsTheLargestCosineWithAPickBefore) {
  std::mt19937 random(5);
  const Candidates c = Randomly(30, &random);
  const auto picks = PickDiverse(c.relevance, c.view(), 0.5, 30);
  EXPECT_EQ(picks[0].similarity, 0.0f);
  for (std::size_t p = 1; p < picks.size(); ++p) {
    double most = -1;
    for (std::size_t q = 0; q < p; ++q) {
      double cosine = 0;
      for (std::size_t j = 0; j < kDim; ++j)
        cosine +=
            double{c.rows[picks[p].position * kDim + j]} * c.rows[picks[q].position * kDim + j];
      most = std::max(most, cosine);
    }
    EXPECT_NEAR(picks[p].similarity, most, 1e-5);
  }
}

TEST(Diversity, GivenCosinesChooseTheSameAndAreAskedForOnceAPair) {
  std::mt19937 random(6);
  const Candidates c = Randomly(40, &random);
  std::set<std::pair<std::size_t, std::size_t>> asked;
  const auto cosine = [&](std::size_t a, std::size_t b) {
    EXPECT_TRUE(asked.insert(std::minmax(a, b)).second) << a << " " << b;
    const auto rows = c.view();
    return Dot(rows.row(a), rows.row(b), kDim);
  };
  EXPECT_EQ(Positions(PickDiverseBy(c.relevance, cosine, 0.4, 20)),
            Positions(PickDiverse(c.relevance, c.view(), 0.4, 20)));
  EXPECT_TRUE(PickDiverseBy({}, {}, 0.5, 3).empty());
}

TEST(Diversity, CopiesComeLastWhereOnlySimilarityCounts) {
  Candidates c;
  c.relevance = {1.0f, 0.9f, 0.8f, 0.1f};
  c.rows.assign(4 * kDim, 0.0f);
  c.rows[0] = c.rows[kDim] = c.rows[2 * kDim] = 1;  // three copies and a row that is zero
  EXPECT_EQ(Positions(PickDiverse(c.relevance, c.view(), 0.0, 4)),
            (std::vector<std::size_t>{0, 3, 1, 2}));
  EXPECT_EQ(Positions(PickDiverse(c.relevance, c.view(), 0.9, 4)),
            (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_TRUE(PickDiverse({}, {}, 0.5, 3).empty());
  EXPECT_TRUE(PickDiverse(c.relevance, c.view(), 0.5, 0).empty());
}

}  // namespace
}  // namespace equipoise
