#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/interleaving.h>

namespace equipoise {
namespace {

using Ranking = std::vector<std::uint32_t>;

TEST(TeamDraft, ALotOfDraftsAreFairAndKeepTheOrderOfEachTeam) {
  const Ranking first = {1, 2, 3, 4, 5, 6}, second = {1, 4, 7, 2, 8, 9};
  Random random(1);
  double lead = 0;
  constexpr int kDrafts = 4000;
  for (int i = 0; i < kDrafts; ++i) {
    const auto draft = TeamDraft(first, second, 5, random.Next());
    ASSERT_TRUE(draft.ok());
    ASSERT_EQ(draft->items.size(), 5u);
    EXPECT_EQ(draft->items[0], 1u);
    EXPECT_EQ(draft->teams[0], DraftTeam::kBoth);
    Ranking sorted = draft->items;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
    // Each team has had its best that was left: its items come in the order of its ranking.
    for (const auto& [team, ranking] :
         {std::pair(DraftTeam::kFirst, first), std::pair(DraftTeam::kSecond, second)}) {
      auto at = ranking.begin();
      for (std::size_t k = 0; k < 5; ++k) {
        if (draft->teams[k] != team) continue;
        const auto found = std::find(ranking.begin(), ranking.end(), draft->items[k]);
        ASSERT_NE(found, ranking.end());
        EXPECT_GE(found, at);
        at = found;
      }
    }
    int balance = 0;
    for (const DraftTeam team : draft->teams)
      balance += team == DraftTeam::kFirst ? 1 : team == DraftTeam::kSecond ? -1 : 0;
    EXPECT_EQ(balance, 0);  // two rounds of two
    lead += draft->teams[1] == DraftTeam::kFirst ? 1.0 / kDrafts : 0;
  }
  EXPECT_NEAR(lead, 0.5, 0.04);
}

TEST(TeamDraft, EqualRankingsAreShownAsTheyAreAndSayNothing) {
  const Ranking ranking = {5, 3, 9};
  const auto draft = TeamDraft(ranking, ranking, 10, 4);
  ASSERT_TRUE(draft.ok());
  EXPECT_EQ(draft->items, ranking);
  EXPECT_EQ(DraftOutcome(*draft, std::vector<double>{1, 1, 1}), 0);
}

TEST(TeamDraft, OneEmptyRankingLeavesTheOther) {
  const auto draft = TeamDraft({}, Ranking{2, 1}, 10, 4);
  ASSERT_TRUE(draft.ok());
  EXPECT_EQ(draft->items, (Ranking{2, 1}));
  EXPECT_EQ(TeamDraft({}, {}, 10, 4)->items.size(), 0u);
  EXPECT_EQ(TeamDraft(Ranking{1}, Ranking{2}, 0, 4)->items.size(), 0u);
}

TEST(TeamDraft, ADocumentTwiceInARankingIsRefused) {
  const auto refused = TeamDraft(Ranking{1, 2}, Ranking{3, 4, 3}, 10, 4);
  EXPECT_EQ(refused.error().where().field, "second");
  EXPECT_EQ(refused.error().where().row, 2);
}

TEST(TeamDraft, RatingsThatDoNotDependOnTheTeamSayNothingOnAverage) {
  Random random(2);
  double sum = 0;
  constexpr int kDrafts = 20'000;
  for (int i = 0; i < kDrafts; ++i) {
    Ranking first(12), second(12);
    std::iota(first.begin(), first.end(), 0u);
    std::iota(second.begin(), second.end(), 0u);
    random.Shuffle(std::span<std::uint32_t>(first));
    random.Shuffle(std::span<std::uint32_t>(second));
    const auto draft = TeamDraft(first, second, 10, random.Next());
    std::vector<double> ratings;
    // Readers look at what is above more often.
    for (std::size_t k = 0; k < 10; ++k)
      ratings.push_back(random.Chance(1 / (1.0 + static_cast<double>(k))) ? 1 : 0);
    sum += DraftOutcome(*draft, ratings);
  }
  EXPECT_NEAR(sum / kDrafts, 0, 0.03);
}

TEST(TeamDraft, CreditsAreTheDifferenceOfDiscountsAndAReaderOfRanksSaysNothing) {
  const Ranking first = {1, 2, 3, 4}, second = {1, 3, 5, 6};
  const auto draft = TeamDraft(first, second, 4, 9);
  ASSERT_TRUE(draft.ok());
  const auto discount = [](double rank) { return 1 / std::log2(rank + 2); };
  double seen = 0;
  std::vector<double> credits(7);
  for (std::size_t i = 0; i < draft->items.size(); ++i) {
    seen += discount(static_cast<double>(i)) * draft->credits[i];
    credits[draft->items[i]] = draft->credits[i];
  }
  EXPECT_NEAR(seen, 0, 1e-12);
  // 3 is second of the second ranking and third of the first; 1 is the top of both.
  EXPECT_NEAR(credits[3] - credits[1], discount(1) - discount(2), 1e-12);
  EXPECT_NEAR(credits[2] - credits[1], -discount(1), 1e-12);
}

TEST(InterleavingComparison, ItsIntervalIsThatOfTheMean) {
  InterleavingComparison comparison;
  EXPECT_EQ(comparison.Verdict(), 0);
  std::vector<double> values;
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    values.push_back(random.Uniform() - 0.3);
    comparison.Add(values.back());
    if (i < 6) {
      EXPECT_EQ(comparison.Verdict(), 0);
    }
  }
  const MeanInterval mean = MeanOf(values);
  EXPECT_EQ(comparison.queries(), 200u);
  EXPECT_NEAR(comparison.Mean().mean, mean.mean, 1e-12);
  EXPECT_NEAR(comparison.Mean().low, mean.low, 1e-9);
  EXPECT_EQ(comparison.Verdict(), 1);
  for (int i = 0; i < 400; ++i) comparison.Add(-0.5);
  EXPECT_EQ(comparison.Verdict(), -1);
}

}  // namespace
}  // namespace equipoise
