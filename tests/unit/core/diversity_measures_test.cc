// α-nDCG by hand and against ndeval.
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/diversity_measures.h>

namespace equipoise {
namespace {

using Documents = std::vector<SubtopicsOfDocument>;

TEST(AlphaDcg, OfARankingWorkedOutByHand) {
  const Documents ranked = {{1, 3}, {1}, {1}, {}, {0, 5}, {0}, {2}, {1}, {}, {}};
  const std::vector<double> gains = {2, 0.5, 0.25, 0, 2, 0.5, 1, 0.125, 0, 0};
  double sum = 0;
  for (std::size_t k = 1; k <= gains.size(); ++k) {
    sum += gains[k - 1] / std::log2(static_cast<double>(k) + 1);
    EXPECT_NEAR(AlphaDcgAt(ranked, k, 0.5), sum, 1e-12) << k;
  }
  const Documents ideal = {ranked[0], ranked[4], ranked[6], ranked[1],
                           ranked[5], ranked[2], ranked[7]};
  for (std::size_t k = 0; k <= ideal.size() + 3; ++k)
    EXPECT_NEAR(IdealAlphaDcgAt(ranked, k, 0.5), AlphaDcgAt(ideal, k, 0.5), 1e-12) << k;
}

// Random judgments and rankings, with the values of NIST's ndeval (pyndeval 0.0.8 from PyPI).
TEST(AlphaDcg, AgreesWithNdeval) {
  struct Case {
    Documents judged;
    std::vector<std::size_t> ranked;
    double at5, at10;
  };
  const std::vector<Case> cases = {
      {{{2, 4}, {0, 1, 4}, {}, {0, 1, 4}, {3}, {}, {4}, {}, {0, 1}, {1, 3, 4}, {}, {1}, {}, {}},
       {9, 13, 7, 2, 10, 0, 8, 1, 6, 5, 4, 3},
       0.549739727,
       0.779116561},
      {{{1}, {1, 4}, {1, 3, 4}, {}, {3}, {}, {}, {0}, {2}, {0, 4}, {0, 2}, {2}, {3}, {1, 2, 3}},
       {7, 11, 2, 0, 4, 10, 5, 6, 3, 8, 13, 1},
       0.628055005,
       0.665690996},
      {{{4}, {}, {0}, {0, 1, 4}, {}, {2}, {2, 4}, {0}, {2, 4}, {}, {0}, {}, {4}, {1, 2}},
       {5, 4, 11, 8, 1, 12, 13, 2, 9, 0, 7, 6},
       0.339023857,
       0.517321980},
      {{{0, 2, 3},
        {0, 2, 4},
        {0, 3},
        {},
        {1, 2, 4},
        {3},
        {},
        {},
        {0, 1, 3},
        {},
        {},
        {1, 2, 4},
        {0},
        {}},
       {6, 5, 2, 0, 13, 4, 11, 3, 8, 1, 9, 12},
       0.355781766,
       0.609302660},
      {{{1, 2, 3}, {3}, {1}, {}, {4}, {}, {0, 2, 3}, {}, {2}, {2, 4}, {}, {4}, {0, 1, 2}, {2, 3}},
       {4, 12, 11, 13, 5, 2, 0, 3, 10, 8, 9, 6},
       0.680852163,
       0.736855354},
      {{{3},
        {4},
        {1, 2, 4},
        {1, 2, 3},
        {},
        {1, 2, 3},
        {1, 4},
        {},
        {3},
        {0},
        {1, 2, 3},
        {3, 4},
        {4},
        {0, 2}},
       {3, 2, 9, 7, 11, 12, 13, 6, 5, 1, 0, 4},
       0.926140819,
       0.962924832}};
  for (const Case& one : cases) {
    Documents ranked;
    for (const std::size_t document : one.ranked) ranked.push_back(one.judged[document]);
    EXPECT_NEAR(AlphaDcgAt(ranked, 5) / IdealAlphaDcgAt(one.judged, 5), one.at5, 1e-8);
    EXPECT_NEAR(AlphaDcgAt(ranked, 10) / IdealAlphaDcgAt(one.judged, 10), one.at10, 1e-8);
  }
}

TEST(AlphaDcg, WithoutRedundancyIsDcgAndWithAllOfItCountsTheFirstOnly) {
  const Documents ranked = {{0}, {0, 1}, {2}, {0, 2}};
  EXPECT_NEAR(AlphaDcgAt(ranked, 9, 0),
              1 + 2 / std::log2(3.0) + 1 / std::log2(4.0) + 2 / std::log2(5.0), 1e-12);
  EXPECT_NEAR(AlphaDcgAt(ranked, 9, 1), 1 + 1 / std::log2(3.0) + 1 / std::log2(4.0), 1e-12);
  EXPECT_EQ(AlphaDcgAt({}, 5), 0);
  EXPECT_EQ(IdealAlphaDcgAt(Documents{{}, {}}, 5), 0);
}

}  // namespace
}  // namespace equipoise
