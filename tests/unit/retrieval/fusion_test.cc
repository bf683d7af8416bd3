#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/fusion.h>

namespace equipoise {
namespace {

/// A query's two paths with the true score of every document: the independent truth.
struct Paths {
  std::vector<float> lexical;  // 0: no query term
  std::vector<float> vector;
};

std::vector<Scored> ListOf(const std::vector<float>& scores, std::size_t depth, bool hits_only) {
  std::vector<Scored> all;
  for (std::uint32_t d = 0; d < scores.size(); ++d)
    if (!hits_only || scores[d] > 0) all.push_back({d, scores[d]});
  std::sort(all.begin(), all.end(), Better);
  if (all.size() > depth) all.resize(depth);
  return all;
}

std::vector<Candidate> FuseAll(const Paths& paths, FusionMethod method, double alpha, std::size_t k,
                               std::size_t depth = 100, unsigned shuffle = 0) {
  const auto lexical = ListOf(paths.lexical, std::max(depth, k), true);
  const auto vector = ListOf(paths.vector, std::max(depth, k), false);
  std::vector<Candidate> candidates(paths.lexical.size());
  for (std::uint32_t d = 0; d < candidates.size(); ++d)
    candidates[d] = {.doc = d, .lexical = paths.lexical[d], .vector = paths.vector[d]};
  for (std::uint32_t r = 0; r < lexical.size(); ++r) candidates[lexical[r].id].lexical_rank = r + 1;
  for (std::uint32_t r = 0; r < vector.size(); ++r) candidates[vector[r].id].vector_rank = r + 1;
  std::erase_if(candidates,
                [](const Candidate& c) { return c.lexical_rank == 0 && c.vector_rank == 0; });
  std::shuffle(candidates.begin(), candidates.end(), std::mt19937(shuffle));
  FusionScale scale{.method = method,
                    .alpha = alpha,
                    .lexical_depth = depth,
                    .vector_depth = depth,
                    .lexical = LexicalFrame(method, lexical, depth, paths.lexical.size()),
                    .vector = VectorFrame(method, vector, depth, -1.0f)};
  Fuse(scale, k, &candidates);
  return candidates;
}

std::vector<std::uint32_t> Docs(const std::vector<Candidate>& list) {
  std::vector<std::uint32_t> docs;
  for (const Candidate& c : list) docs.push_back(c.doc);
  return docs;
}

Paths RandomPaths(unsigned seed, std::size_t n) {
  std::mt19937 random(seed);
  // Few distinct values on purpose, so that ties are common.
  std::uniform_int_distribution<int> value(0, seed % 2 ? 1000000 : 5);
  const int match = std::uniform_int_distribution<int>(0, 100)(random);
  Paths paths{std::vector<float>(n), std::vector<float>(n)};
  for (std::size_t d = 0; d < n; ++d) {
    const bool matches = std::uniform_int_distribution<int>(0, 99)(random) < match;
    paths.lexical[d] = matches ? 0.5f + static_cast<float>(value(random)) * 1e-3f : 0.0f;
    paths.vector[d] = static_cast<float>(value(random)) / 1e6f - 0.5f;
  }
  return paths;
}

constexpr FusionMethod kAll[] = {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion,
                                 FusionMethod::kTheoretical, FusionMethod::kRrf};

class FusionProperty : public ::testing::TestWithParam<FusionMethod> {};

TEST_P(FusionProperty, AlphaOneIsExactlyTheLexicalList) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const Paths paths = RandomPaths(seed, 1 + seed * 5);
    for (std::size_t k : {1, 10, 100, 250}) {
      std::vector<std::uint32_t> expected;
      for (const Scored& s : ListOf(paths.lexical, k, true)) expected.push_back(s.id);
      EXPECT_EQ(Docs(FuseAll(paths, GetParam(), 1.0, k)), expected) << seed << " " << k;
    }
  }
}

TEST_P(FusionProperty, AlphaZeroRanksExactlyAsTheVectors) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const Paths paths = RandomPaths(seed, 1 + seed * 5);
    for (std::size_t k : {1, 10, 100, 250}) {
      std::vector<std::uint32_t> expected;
      for (const Scored& s : ListOf(paths.vector, k, false)) expected.push_back(s.id);
      const auto list = FuseAll(paths, GetParam(), 0.0, k);
      std::vector<std::uint32_t> got = Docs(list);
      EXPECT_EQ(got, expected) << seed << " " << k;
    }
  }
}

TEST_P(FusionProperty, LargerKDoesNotChangeThePrefix) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    const Paths paths = RandomPaths(seed, 3 + seed * 7);
    for (double alpha : {0.0, 0.3, 0.5, 1.0}) {
      const auto longest = Docs(FuseAll(paths, GetParam(), alpha, 100));
      for (std::size_t k : {1, 2, 10, 99}) {
        auto prefix = longest;
        prefix.resize(std::min(k, prefix.size()));
        EXPECT_EQ(Docs(FuseAll(paths, GetParam(), alpha, k)), prefix) << seed << " " << alpha;
      }
    }
  }
}

TEST_P(FusionProperty, OrderOfTheInputDoesNotMatter) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const Paths paths = RandomPaths(seed, 150);
    for (double alpha : {0.0, 0.4, 1.0}) {
      const auto first = Docs(FuseAll(paths, GetParam(), alpha, 50, 100, 1));
      EXPECT_EQ(Docs(FuseAll(paths, GetParam(), alpha, 50, 100, 2)), first);
    }
  }
}

TEST_P(FusionProperty, ScoresAreBoundedFallAndTiesGoByDocument) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    for (double alpha : {0.0, 0.3, 1.0}) {
      const auto list = FuseAll(RandomPaths(seed, 1 + seed * 3), GetParam(), alpha, 100);
      for (std::size_t i = 0; i < list.size(); ++i) {
        for (float s : {list[i].score, list[i].lexical_normalized, list[i].vector_normalized}) {
          EXPECT_GE(s, 0.0f);
          EXPECT_LE(s, 1.0f);
        }
        if (i == 0) continue;
        EXPECT_LE(list[i].score, list[i - 1].score);
        if (alpha > 0 && alpha < 1 && list[i].score == list[i - 1].score) {
          EXPECT_LT(list[i - 1].doc, list[i].doc);
        }
      }
    }
  }
}

TEST_P(FusionProperty, EmptyListsAreFine) {
  const Paths nothing{{0, 0, 0}, {0.1f, 0.2f, 0.3f}};
  EXPECT_TRUE(FuseAll(nothing, GetParam(), 1.0, 10).empty());
  EXPECT_EQ(Docs(FuseAll(nothing, GetParam(), 0.5, 10)), (std::vector<std::uint32_t>{2, 1, 0}));
  for (const Candidate& c : FuseAll(nothing, GetParam(), 0.5, 10))
    EXPECT_EQ(c.lexical_normalized, 0);
  std::vector<Candidate> none;
  Fuse({.method = GetParam()}, 10, &none);
  EXPECT_TRUE(none.empty());
}

TEST_P(FusionProperty, NotANumberComesLast) {
  std::vector<Candidate> candidates = {
      {.doc = 0, .lexical = 1, .vector = NAN, .lexical_rank = 1, .vector_rank = 0},
      {.doc = 1, .lexical = 1, .vector = 0.5f, .lexical_rank = 2, .vector_rank = 1}};
  Fuse({.method = GetParam(), .alpha = 0.0, .lexical = {0, 1}, .vector = {0, 1}}, 2, &candidates);
  EXPECT_EQ(candidates[0].doc, 1u);
  EXPECT_EQ(candidates[1].score, 0.0f);
}

INSTANTIATE_TEST_SUITE_P(Methods, FusionProperty, ::testing::ValuesIn(kAll),
                         [](const auto& p) { return std::string(FusionName(p.param)); });

TEST(Fusion, SingleLexicalHitGetsOneNotZero) {
  const Paths paths{{0, 3.5f, 0}, {0.3f, 0.1f, 0.2f}};
  for (FusionMethod method :
       {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion, FusionMethod::kTheoretical}) {
    const auto list = FuseAll(paths, method, 1.0, 10);
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0].lexical_normalized, 1.0f) << FusionName(method);
  }
}

TEST(Fusion, EqualScoresAllGetOne) {
  const Paths paths{{2, 2, 2}, {0.5f, 0.5f, 0.5f}};
  for (FusionMethod method : {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion}) {
    const auto list = FuseAll(paths, method, 0.5, 10);
    EXPECT_EQ(Docs(list), (std::vector<std::uint32_t>{0, 1, 2}));
    for (const Candidate& c : list) EXPECT_EQ(c.score, 1.0f) << FusionName(method);
  }
}

TEST(Fusion, MinMaxTakesTheLowestOfThePathsOwnTopList) {
  // Depth 2: lexical frame [3, 5], vector frame [0.4, 0.9].
  const Paths paths{{5, 3, 1}, {0.4f, 0.1f, 0.9f}};
  const auto list = FuseAll(paths, FusionMethod::kMinMax, 0.5, 2, 2);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].doc, 0u);
  EXPECT_FLOAT_EQ(list[0].score, 0.5f);  // 1 and 0
  EXPECT_EQ(list[1].doc, 2u);
  EXPECT_FLOAT_EQ(list[1].score, 0.5f);  // clamped 0 and 1: a tie, by document order
}

TEST(Fusion, TheoreticalUsesMinusOneForACosine) {
  const Paths paths{{4, 2, 0}, {0.5f, 0.0f, -1.0f}};
  const auto list = FuseAll(paths, FusionMethod::kTheoretical, 0.25, 3);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_FLOAT_EQ(list[1].lexical_normalized, 0.5f);
  EXPECT_FLOAT_EQ(list[1].vector_normalized, 1.0f / 1.5f);
  EXPECT_FLOAT_EQ(list[2].score, 0.0f);
}

TEST(Fusion, AnInfinitelyFarDocumentMakesNoScoreNotANumber) {
  const ScoreFrame frame{kNoScore, -2.0f};
  EXPECT_EQ(frame.Normalize(-1.0f), 1.0f);
  EXPECT_EQ(frame.Normalize(-5.0f), 1.0f);
  EXPECT_EQ(frame.Normalize(kNoScore), 0.0f);
}

TEST(Fusion, RrfIsOneBasedWithSixty) {
  const Paths paths{{2, 1, 0}, {0.1f, 0.2f, 0.3f}};
  const auto list = FuseAll(paths, FusionMethod::kRrf, 0.5, 3);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].doc, 0u);
  EXPECT_FLOAT_EQ(list[0].score, 0.5f / 61 + 0.5f / 63);
  EXPECT_FLOAT_EQ(list[2].score, 0.5f / 61);  // doc 2: only the vector path, rank 1
}

TEST(Fusion, NamesRoundTripAndUnknownOnesListTheKnown) {
  for (FusionMethod method : kAll) EXPECT_EQ(*ParseFusion(FusionName(method)), method);
  const Status status = ParseFusion("zscore").error();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("minmax_union"), std::string::npos);
}

}  // namespace
}  // namespace equipoise
