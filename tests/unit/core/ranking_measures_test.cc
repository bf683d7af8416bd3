#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/core/ranking_measures.h>

namespace equipoise {
namespace {

using Grades = std::vector<int>;

// The formula written down once more, with a sorted copy and powers, as a truth for the tests.
double NdcgByTheFormula(const Grades& ranked, Grades judged, std::size_t k) {
  std::sort(judged.rbegin(), judged.rend());
  const auto dcg = [k](const Grades& grades) {
    double sum = 0;
    for (std::size_t r = 1; r <= std::min(k, grades.size()); ++r)
      sum += (std::pow(2.0, std::max(0, grades[r - 1])) - 1) /
             (std::log(static_cast<double>(r + 1)) / std::log(2.0));
    return sum;
  };
  const double ideal = dcg(judged);
  return ideal == 0 ? 0 : dcg(ranked) / ideal;
}

struct Sample {
  Grades ranked;
  Grades judged;
};

// Some of the judged documents are retrieved, in random order, with unjudged ones between them.
Sample RandomSample(Random& random) {
  Sample out;
  const std::size_t judged = 1 + random.Below(30);
  for (std::size_t i = 0; i < judged; ++i) {
    out.judged.push_back(static_cast<int>(random.Below(7)) - 2);
    if (random.Chance(0.6)) out.ranked.push_back(out.judged.back());
  }
  const std::size_t unjudged = random.Below(20);
  out.ranked.insert(out.ranked.end(), unjudged, 0);
  random.Shuffle(std::span<int>(out.ranked));
  return out;
}

TEST(RankingMeasures, NdcgIsTheHandComputedNumber) {
  // Gains 2^rel - 1: 7 3 7 0 1 3, discounts 1, 1/log2 3, 1/2, 1/log2 5, 1/log2 6, 1/log2 7:
  // 7 + 1.892789 + 3.5 + 0 + 0.386853 + 1.068621 = 13.848264. Ideal 7 7 7 3 3 3:
  // 7 + 4.416508 + 3.5 + 1.292030 + 1.160558 + 1.068621 = 18.437717.
  EXPECT_NEAR(NdcgAt(Grades{3, 2, 3, 0, 1, 2}, Grades{3, 2, 3, 0, 1, 2, 3, 2}, 6),
              13.848264 / 18.437717, 1e-6);
  // One relevant document at rank 2 of two judged relevant: (1/log2 3) / (1 + 1/log2 3).
  EXPECT_NEAR(NdcgAt(Grades{0, 1}, Grades{1, 1}, 10), 0.63092975 / 1.63092975, 1e-8);
}

TEST(RankingMeasures, NdcgIdealCountsJudgedDocumentsThatWereNotRetrieved) {
  EXPECT_DOUBLE_EQ(NdcgAt(Grades{1}, Grades{1}, 10), 1.0);
  EXPECT_NEAR(NdcgAt(Grades{1}, Grades{1, 3}, 10), 1 / (7 + 1 / std::log2(3.0)), 1e-15);
}

// Croft, Metzler & Strohman, Search Engines: Information Retrieval in Practice, figure 8.3: relevant
// at ranks 1 3 6 9 10 of 5 relevant: 0.62; at ranks 2 5 7 of 3 relevant: 0.44.
TEST(RankingMeasures, AveragePrecisionIsThatOfTheTextbook) {
  const Grades first = {1, 0, 1, 0, 0, 1, 0, 0, 1, 1};
  const Grades second = {0, 1, 0, 0, 1, 0, 1, 0, 0, 0};
  EXPECT_NEAR(AveragePrecision(first, Grades{1, 1, 1, 1, 1}), 0.62, 0.005);
  EXPECT_NEAR(AveragePrecision(second, Grades{1, 1, 1}), 0.44, 0.005);
  EXPECT_DOUBLE_EQ(AveragePrecision(first, Grades{1, 1, 1, 1, 1}),
                   (1.0 + 2.0 / 3 + 3.0 / 6 + 4.0 / 9 + 5.0 / 10) / 5);
  EXPECT_DOUBLE_EQ(AveragePrecision(second, Grades{1, 1, 1}), (1.0 / 2 + 2.0 / 5 + 3.0 / 7) / 3);
  // The relevant document that was not found adds 0.
  EXPECT_DOUBLE_EQ(AveragePrecision(Grades{1}, Grades{1, 1}), 0.5);
}

TEST(RankingMeasures, RecallPrecisionAndReciprocalRankAreTheHandComputedNumbers) {
  const Grades ranked = {0, 0, 2, 0, 1};
  const Grades judged = {2, 1, 1, 0, -1};
  EXPECT_DOUBLE_EQ(RecallAt(ranked, judged, 10), 2.0 / 3);
  EXPECT_DOUBLE_EQ(RecallAt(ranked, judged, 3), 1.0 / 3);
  EXPECT_DOUBLE_EQ(RecallAt(ranked, judged, 2), 0.0);
  EXPECT_DOUBLE_EQ(PrecisionAt(ranked, 5), 0.4);
  EXPECT_DOUBLE_EQ(PrecisionAt(ranked, 10), 0.2);
  EXPECT_DOUBLE_EQ(ReciprocalRankAt(ranked, 10), 1.0 / 3);
  EXPECT_DOUBLE_EQ(ReciprocalRankAt(ranked, 3), 1.0 / 3);
  EXPECT_DOUBLE_EQ(ReciprocalRankAt(ranked, 2), 0.0);
  EXPECT_EQ(CountRelevant(judged), 3u);
}

TEST(RankingMeasures, NegativeGradesCountAsZero) {
  const Grades with = {-2, 3, -1, 1};
  const Grades without = {0, 3, 0, 1};
  EXPECT_DOUBLE_EQ(NdcgAt(with, with, 10), NdcgAt(without, without, 10));
  EXPECT_DOUBLE_EQ(RecallAt(with, with, 2), 0.5);
  EXPECT_DOUBLE_EQ(AveragePrecision(with, with), (1.0 / 2 + 2.0 / 4) / 2);
}

TEST(RankingMeasures, NothingRelevantNothingRetrievedAndKZeroGiveZero) {
  for (const Sample& sample : {Sample{{0, 0}, {0, -1}}, Sample{{}, {1, 2}}, Sample{{}, {}}}) {
    EXPECT_EQ(NdcgAt(sample.ranked, sample.judged, 10), 0.0);
    EXPECT_EQ(RecallAt(sample.ranked, sample.judged, 10), 0.0);
    EXPECT_EQ(PrecisionAt(sample.ranked, 10), 0.0);
    EXPECT_EQ(ReciprocalRankAt(sample.ranked, 10), 0.0);
    EXPECT_EQ(AveragePrecision(sample.ranked, sample.judged), 0.0);
  }
  const Grades one = {1};
  EXPECT_EQ(NdcgAt(one, one, 0), 0.0);
  EXPECT_EQ(RecallAt(one, one, 0), 0.0);
  EXPECT_EQ(PrecisionAt(one, 0), 0.0);
  EXPECT_EQ(ReciprocalRankAt(one, 0), 0.0);
}

TEST(RankingMeasures, HugeGradesDoNotOverflow) {
  constexpr int kMost = std::numeric_limits<int>::max();
  constexpr int kLeast = std::numeric_limits<int>::min();
  EXPECT_DOUBLE_EQ(NdcgAt(Grades{kMost, kLeast}, Grades{kMost, kLeast}, 10), 1.0);
  EXPECT_NEAR(NdcgAt(Grades{0, 5000}, Grades{5000, 1}, 10), 1 / std::log2(3.0), 1e-12);
}

TEST(RankingMeasures, NdcgAgreesWithTheFormulaOnRandomRankings) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    const Sample sample = RandomSample(random);
    for (std::size_t k : {1u, 2u, 5u, 10u, 100u})
      ASSERT_NEAR(NdcgAt(sample.ranked, sample.judged, k),
                  NdcgByTheFormula(sample.ranked, sample.judged, k), 1e-12);
  }
}

TEST(RankingMeasures, EveryMeasureStaysInTheUnitInterval) {
  Random random(2);
  for (int round = 0; round < 2000; ++round) {
    const Sample sample = RandomSample(random);
    const std::size_t k = random.Below(40);
    for (double value :
         {NdcgAt(sample.ranked, sample.judged, k), RecallAt(sample.ranked, sample.judged, k),
          PrecisionAt(sample.ranked, k), ReciprocalRankAt(sample.ranked, k),
          AveragePrecision(sample.ranked, sample.judged)}) {
      ASSERT_GE(value, 0.0);
      ASSERT_LE(value, 1.0 + 1e-12);
    }
  }
}

TEST(RankingMeasures, APerfectRankingIsOneAndTheOrderOfTheJudgedDoesNotMatter) {
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    Sample sample = RandomSample(random);
    if (CountRelevant(sample.judged) == 0) continue;
    Grades perfect = sample.judged;
    std::sort(perfect.rbegin(), perfect.rend());
    for (std::size_t k : {1u, 3u, 10u, 100u})
      ASSERT_DOUBLE_EQ(NdcgAt(perfect, sample.judged, k), 1);
    ASSERT_DOUBLE_EQ(AveragePrecision(perfect, sample.judged), 1);
    ASSERT_DOUBLE_EQ(ReciprocalRankAt(perfect, 1), 1);
    const double before = NdcgAt(sample.ranked, sample.judged, 10);
    random.Shuffle(std::span<int>(sample.judged));
    ASSERT_EQ(NdcgAt(sample.ranked, sample.judged, 10), before);
  }
}

TEST(RankingMeasures, SwappingABetterDocumentUpNeverLowersAMeasure) {
  Random random(4);
  for (int round = 0; round < 2000; ++round) {
    const Sample sample = RandomSample(random);
    if (sample.ranked.size() < 2) continue;
    const std::size_t low = 1 + random.Below(sample.ranked.size() - 1);
    const std::size_t high = random.Below(low);
    if (sample.ranked[low] <= sample.ranked[high]) continue;
    Grades better = sample.ranked;
    std::swap(better[low], better[high]);
    for (std::size_t k : {1u, 3u, 10u}) {
      ASSERT_GE(NdcgAt(better, sample.judged, k) + 1e-12, NdcgAt(sample.ranked, sample.judged, k));
      ASSERT_GE(RecallAt(better, sample.judged, k), RecallAt(sample.ranked, sample.judged, k));
      ASSERT_GE(ReciprocalRankAt(better, k), ReciprocalRankAt(sample.ranked, k));
    }
    ASSERT_GE(AveragePrecision(better, sample.judged) + 1e-12,
              AveragePrecision(sample.ranked, sample.judged));
  }
}

}  // namespace
}  // namespace equipoise
