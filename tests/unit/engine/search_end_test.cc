// Searches that end early, by a deadline or a token, what they take, and near-duplicates.
#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "learning_data.h"

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::Made;

using Clock = std::chrono::steady_clock;

/// So many documents that a search takes a while.
class SearchEnd : public LearningTest {
 protected:
  static constexpr std::size_t kMany = 5'000, kWide = 32;
  void SetUp() override {
    Random random(3);
    std::vector<Document> documents;
    std::vector<float> rows;
    for (std::size_t i = 0; i < kMany; ++i) {
      std::string text;
      for (int w = 0; w < 12; ++w) text += Word(random.Below(20)) + " ";
      documents.push_back({.id = "d" + std::to_string(i), .title = "", .text = text});
      for (std::size_t j = 0; j < kWide; ++j)
        rows.push_back(static_cast<float>(random.Uniform() - 0.5));
    }
    ASSERT_TRUE(Engine::Build(folder_.path("index"), documents,
                              MatrixView<float>(rows.data(), kMany, kWide))
                    .ok());
    for (int i = 0; i < 12; ++i) text_ += Word(static_cast<std::uint64_t>(i)) + " ";
    for (std::size_t j = 0; j < kWide; ++j)
      embedding_.push_back(static_cast<float>(random.Uniform() - 0.5));
  }
  SearchRequest Asked() const { return {.text = text_, .embedding = embedding_}; }

  /// Every score is the document's own.
  void ExpectTrueScores(const Engine& engine, const SearchResult& found) const {
    const Collection& collection = engine.collection();
    for (const Hit& hit : found.hits) {
      const std::array doc = {hit.doc};
      std::array<float, 1> score = {};
      if (found.lexical_searched) {
        collection.ScoreLexical(text_, doc, score);
        EXPECT_EQ(hit.lexical, score[0]);
      }
      if (found.vector_searched) {
        ASSERT_TRUE(collection.vectors()->Score(embedding_, doc, score).ok());
        EXPECT_EQ(hit.vector, score[0]);
      }
    }
  }

  std::string text_;
  std::vector<float> embedding_;
};

TEST_F(SearchEnd, ADeadlineThatIsOverGivesNothingAndSaysSo) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  SearchRequest request = Asked();
  request.deadline = Clock::now() - std::chrono::seconds(1);
  for (const bool parallel : {false, true}) {
    request.parallel_paths = parallel;
    const auto found = engine.Search(request);
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    EXPECT_TRUE(found->hits.empty());
    EXPECT_TRUE(found->partial);
    EXPECT_EQ(found->cut, SearchLayer::kVector);
    EXPECT_FALSE(found->lexical_searched || found->vector_searched);
    EXPECT_THAT(std::string(found->note), ::testing::HasSubstr("deadline"));
    EXPECT_FALSE(found->context->decision.by_policy);
    EXPECT_TRUE(SearchContext::Parse(found->context->Serialize()).ok());
  }
  request.embedding = {};
  EXPECT_EQ(engine.Search(request)->cut, SearchLayer::kLexical);
}

TEST_F(SearchEnd, WhateverTheDeadlineWhatIsFoundHasItsTrueScores) {
  const Engine engine = Open();
  for (const bool exact : {false, true}) {
    for (const bool parallel : {false, true}) {
      SearchRequest request = Asked();
      request.exact = exact;
      request.parallel_paths = parallel;
      const auto whole = engine.Search(request);
      ASSERT_FALSE(whole->partial);
      // The first one is slow.
      std::chrono::nanoseconds took(whole->times.total_ns);
      for (int i = 0; i < 10; ++i)
        took = std::min(took, std::chrono::nanoseconds(engine.Search(request)->times.total_ns));
      std::map<SearchLayer, int> cut;
      Random random(5);
      for (int i = 0; i < 150; ++i) {
        request.deadline =
            Clock::now() +
            std::chrono::nanoseconds(random.Below(2 * static_cast<std::uint64_t>(took.count())));
        const auto found = engine.Search(request);
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        ++cut[found->cut];
        EXPECT_EQ(found->partial, found->cut != SearchLayer::kNone);
        ExpectTrueScores(engine, *found);
        std::set<std::uint32_t> docs;
        for (const Hit& hit : found->hits) EXPECT_TRUE(docs.insert(hit.doc).second);
        if (found->partial) continue;
        ASSERT_EQ(found->hits.size(), whole->hits.size());
        for (std::size_t r = 0; r < whole->hits.size(); ++r)
          EXPECT_EQ(found->hits[r].id, whole->hits[r].id);
      }
      EXPECT_GT(cut[SearchLayer::kVector] + cut[SearchLayer::kLexical], 0);
    }
  }
}

TEST_F(SearchEnd, ADeadlineFarAwayChangesNothing) {
  const Engine engine = Open();
  SearchRequest request = Asked();
  const auto whole = engine.Search(request);
  CancellationToken token;
  request.deadline = Clock::now() + std::chrono::hours(1);
  request.cancellation = &token;
  const auto found = engine.Search(request);
  EXPECT_FALSE(found->partial);
  ASSERT_EQ(found->hits.size(), whole->hits.size());
  for (std::size_t r = 0; r < whole->hits.size(); ++r) {
    EXPECT_EQ(found->hits[r].id, whole->hits[r].id);
    EXPECT_EQ(found->hits[r].score, whole->hits[r].score);
  }
}

TEST_F(SearchEnd, ACancelledSearchIsAnErrorAndTheNextOneIsNot) {
  const Engine engine = Open();
  SearchRequest request = Asked();
  request.exact = true;
  CancellationToken token;
  token.Cancel();
  request.cancellation = &token;
  EXPECT_EQ(engine.Search(request).error().code(), Code::kCancelled);
  for (int i = 0; i < 20; ++i) {
    CancellationToken later;
    request.cancellation = &later;
    std::thread other([&] { later.Cancel(); });
    const auto found = engine.Search(request);
    other.join();
    if (!found.ok()) {
      EXPECT_EQ(found.error().code(), Code::kCancelled);
    }
  }
  request.cancellation = nullptr;
  EXPECT_TRUE(engine.Search(request).ok());
}

// Copying thousands of candidates takes longer than deciding α.
TEST_F(SearchEnd, KeepingTheContextIsInTheTimeOfThePolicy) {
  Engine engine = Open();
  ASSERT_TRUE(
      engine.UsePolicy(std::make_shared<testing::ScriptedPolicy>(WeightDecision{.alpha = 0.5}))
          .ok());
  const auto least = [&](std::size_t depth) {
    SearchRequest request = Asked();
    request.k = request.depth = depth;
    request.keep_candidates = true;
    std::uint64_t policy_ns = ~std::uint64_t{0};
    for (int i = 0; i < 40; ++i)
      policy_ns = std::min(policy_ns, engine.Search(request)->times.policy_ns);
    return policy_ns;
  };
  EXPECT_GT(least(kMany), 3 * least(1));
}

/// Searches whose time goes into comparing what was found.
class LateSearchEnd : public SearchEnd {
 protected:
  using Nanoseconds = std::chrono::nanoseconds;
  std::vector<SearchRequest> Slow() const {
    SearchRequest request = Asked();
    request.depth = kMany;
    std::vector<SearchRequest> out(2, request);
    out[0].k = 3'000;
    out[0].near_duplicate = 0.9999;
    out[1].k = 1'000;
    out[1].mmr = 0.5;
    out[1].mmr_candidates = kMany;
    return out;
  }
  /// How long it takes, most of it for diversity.
  static Nanoseconds Took(const Engine& engine, const SearchRequest& request) {
    LayerTimes least{.total_ns = ~std::uint64_t{0}};
    for (int i = 0; i < 3; ++i) {
      const auto found = engine.Search(request);
      EXPECT_FALSE(found->partial);
      if (found->times.total_ns < least.total_ns) least = found->times;
    }
    EXPECT_GT(least.diversity_ns, least.total_ns / 2);
    return Nanoseconds(least.total_ns);
  }
  /// On a busy machine a search may be over before its end is due, or not have come so far: other moments
  /// are tried until some have met the comparing.
  static constexpr int kTries = 200, kMeetings = 5;
  static Nanoseconds Moment(Nanoseconds whole, int attempt) {
    return whole * (2 + attempt % 5) / 8;
  }
};

TEST_F(LateSearchEnd, ADeadlineEndsTheComparingOfHits) {
  const Engine engine = Open();
  for (SearchRequest& request : Slow()) {
    const Nanoseconds whole = Took(engine, request);
    // The least of a few: others may have the processor.
    Nanoseconds late = Nanoseconds::max();
    int met = 0;
    for (int i = 0; i < kTries && met < kMeetings; ++i) {
      request.deadline = Clock::now() + Moment(whole, i);
      const auto found = engine.Search(request);
      const Nanoseconds behind = Clock::now() - *request.deadline;
      ASSERT_TRUE(found.ok()) << found.error().ToString();
      if (found->cut != SearchLayer::kDiversity) continue;
      ++met;
      late = std::min(late, behind);
      EXPECT_TRUE(found->partial);
      EXPECT_EQ(found->hits.size(), request.k);
      ExpectTrueScores(engine, *found);
      std::set<std::uint32_t> docs;
      for (const Hit& hit : found->hits) EXPECT_TRUE(docs.insert(hit.doc).second);
    }
    EXPECT_EQ(met, kMeetings);
    EXPECT_LT(late, whole / 8) << whole.count();
  }
}

TEST_F(LateSearchEnd, ATokenEndsTheComparingOfHits) {
  const Engine engine = Open();
  for (SearchRequest& request : Slow()) {
    const Nanoseconds whole = Took(engine, request);
    Nanoseconds late = Nanoseconds::max();
    int met = 0;
    for (int i = 0; i < kTries && met < kMeetings; ++i) {
      CancellationToken token;
      request.cancellation = &token;
      Clock::time_point cancelled;
      std::thread other([&] {
        std::this_thread::sleep_for(Moment(whole, i));
        cancelled = Clock::now();
        token.Cancel();
      });
      const auto found = engine.Search(request);
      const Clock::time_point end = Clock::now();
      other.join();
      if (found.ok()) continue;
      ++met;
      EXPECT_EQ(found.error().code(), Code::kCancelled);
      late = std::min(late, Nanoseconds(end - cancelled));
    }
    EXPECT_EQ(met, kMeetings);
    EXPECT_LT(late, whole / 8) << whole.count();
  }
}

/// Each vector three times, once a little off.
class NearDuplicates : public LearningTest {
 protected:
  void SetUp() override {
    Random random(9);
    std::vector<Document> documents;
    for (std::size_t i = 0; i < 90; ++i) {
      if (i % 3 == 0) {
        base_.clear();
        for (std::size_t j = 0; j < testing::kDimensions; ++j)
          base_.push_back(static_cast<float>(random.Uniform() - 0.5));
      }
      documents.push_back({.id = "d" + std::to_string(i), .title = "", .text = Word(i % 7)});
      for (const float x : base_)
        rows_.push_back(x + static_cast<float>(i % 3 == 2 ? 0.1 * (random.Uniform() - 0.5) : 0));
    }
    ASSERT_TRUE(Engine::Build(folder_.path("index"), documents,
                              MatrixView<float>(rows_.data(), 90, testing::kDimensions))
                    .ok());
  }
  double Cosine(std::uint32_t a, std::uint32_t b) const {
    double dot = 0, aa = 0, bb = 0;
    for (std::size_t j = 0; j < testing::kDimensions; ++j) {
      const double x = double{rows_[a * testing::kDimensions + j]};
      const double y = double{rows_[b * testing::kDimensions + j]};
      dot += x * y, aa += x * x, bb += y * y;
    }
    return dot / std::sqrt(aa * bb);
  }
  std::vector<float> base_, rows_;
};

TEST_F(NearDuplicates, StayUnlessAskedAndThenTheBestOfThemStays) {
  const Engine engine = Open();
  const Query query = MakeQuery(4);
  const auto all = engine.Search({.embedding = query.embedding, .k = 90, .alpha = 0.0});
  ASSERT_EQ(all->hits.size(), 90u);
  for (const double threshold : {0.9, 0.95, 0.999, 1.0}) {
    // By definition, on the vectors as they were given; one near the threshold may go either way.
    std::vector<std::uint32_t> kept;
    bool close = false;
    for (const Hit& hit : all->hits) {
      double most = -1;
      for (const std::uint32_t above : kept) most = std::max(most, Cosine(above, hit.doc));
      close |= threshold < 1 && std::abs(most - threshold) < 1e-3;
      if (most < threshold - 1e-6) kept.push_back(hit.doc);
    }
    ASSERT_LT(kept.size(), 90u);
    for (const std::size_t k : {std::size_t{5}, std::size_t{90}}) {
      const auto found = engine.Search(
          {.embedding = query.embedding, .k = k, .alpha = 0.0, .near_duplicate = threshold});
      ASSERT_TRUE(found.ok());
      std::vector<std::uint32_t> docs;
      for (const Hit& hit : found->hits) docs.push_back(hit.doc);
      if (close) continue;
      EXPECT_EQ(docs, std::vector(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(
                                                                   std::min(k, kept.size()))))
          << threshold;
    }
  }
}

TEST_F(NearDuplicates, GoBeforeMmrChooses) {
  const Engine engine = Open();
  const Query query = MakeQuery(4);
  const auto found = engine.Search({.text = Word(1) + " " + Word(2),
                                    .embedding = query.embedding,
                                    .k = 20,
                                    .mmr = 0.7,
                                    .near_duplicate = 0.95});
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->hits.size(), 20u);
  for (std::size_t a = 0; a < 20; ++a)
    for (std::size_t b = 0; b < a; ++b)
      EXPECT_LT(Cosine(found->hits[a].doc, found->hits[b].doc), 0.951);
  EXPECT_GT(found->times.diversity_ns, 0u);
}

TEST_F(NearDuplicates, AThresholdOutOfRangeIsRefused) {
  const Engine engine = Open();
  const Query query = MakeQuery(4);
  for (const double wrong : {0.0, -1.0, 1.5, std::nan("")}) {
    SearchRequest request = query.request();
    request.near_duplicate = wrong;
    EXPECT_EQ(engine.Search(request).error().code(), Code::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace equipoise
