// Searches that draft one list of two values of α, and learning that is frozen.
#include <algorithm>
#include <chrono>

#include "learning_data.h"

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::Made;

class Interleaved : public LearningTest {};

std::vector<std::uint32_t> Documents(const SearchResult& found) {
  std::vector<std::uint32_t> out;
  for (const Hit& hit : found.hits) out.push_back(hit.doc);
  return out;
}

TEST_F(Interleaved, TheDraftIsThatOfBothSearchesAndWhatIsRememberedAsShown) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  bool mixed = false;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.SearchInterleaved(query.request("wings"), 0, 1, 77 + i);
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    std::vector<std::uint32_t> rankings[2];
    for (const int side : {0, 1}) {
      SearchRequest request = query.request("wings");
      request.alpha = side;
      request.both_paths = true;
      rankings[side] = Documents(*engine.Search(request));
    }
    const auto draft = TeamDraft(rankings[0], rankings[1], query.request().k, 77 + i);
    EXPECT_EQ(found->draft.items, draft->items);
    EXPECT_EQ(found->draft.credits, draft->credits);
    EXPECT_EQ(Documents(found->result), draft->items);
    EXPECT_EQ(found->result.context->shown, draft->items);
    EXPECT_FALSE(found->result.context->decision.by_policy);
    mixed = mixed || rankings[0] != rankings[1];
    // The feedback on it is learned from.
    const auto told =
        engine.Feedback({.query_id = found->result.query_id, .hit = 1, .rating = 1.0});
    ASSERT_TRUE(told.ok()) << told.error().ToString();
    EXPECT_TRUE(told->learned);
  }
  EXPECT_TRUE(mixed);
}

TEST_F(Interleaved, ItNeedsNoPolicyAndRefusesWhatSearchRefuses) {
  const Engine engine = Open();
  const Query query = MakeQuery(1);
  const auto found = engine.SearchInterleaved(query.request(), 0.2, 0.8, 1);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->result.hits.size(), query.request().k);
  EXPECT_EQ(engine.SearchInterleaved(query.request(), 0.2, 1.8, 1).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(engine.SearchInterleaved(query.request(), -1, 0.8, 1).error().code(),
            Code::kInvalidArgument);
}

// Whichever of both searches a deadline cuts: a list that says that it is whole is the one of no deadline.
TEST_F(Interleaved, ADraftOfACutSearchSaysSo) {
  const Engine engine = Open();
  const Query query = MakeQuery(1);
  const auto whole = engine.SearchInterleaved(query.request(), 0.1, 0.9, 1);
  ASSERT_TRUE(whole.ok());
  bool cut = false, uncut = false;
  for (int i = 0; i < 3000; ++i) {
    SearchRequest request = query.request();
    request.deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(100 * i);
    const auto found = engine.SearchInterleaved(request, 0.1, 0.9, 1);
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    cut = cut || found->result.partial;
    uncut = uncut || !found->result.partial;
    EXPECT_EQ(found->result.partial, found->result.cut != SearchLayer::kNone);
    if (!found->result.partial) {
      ASSERT_EQ(found->draft.items, whole->draft.items) << i;
    }
  }
  EXPECT_TRUE(cut);
  EXPECT_TRUE(uncut);
}

// Readers like documents with both words of their query: the terms know them, the vectors are random.
TEST_F(Interleaved, TheOutcomesOfDraftedListsSayWhichAlphaIsBetter) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const auto verdict = [&](double first, double second) {
    InterleavingComparison comparison;
    Random random(3);
    for (std::uint64_t i = 0; i < 60; ++i) {
      const Query query = MakeQuery(i);
      const std::size_t space = query.text.find(' ');
      const auto found =
          engine.SearchInterleaved(query.request("wings"), first, second, random.Next());
      EXPECT_TRUE(found.ok()) << found.error().ToString();
      const std::vector<Hit>& hits = found->result.hits;
      std::vector<double> ratings;
      for (std::size_t hit = 0; hit < hits.size(); ++hit) {
        const std::string text(engine.collection().Get(hits[hit].doc).text);
        const auto has = [&](const std::string& word) {
          return text.find(word + " ") != std::string::npos;
        };
        ratings.push_back(
            has(query.text.substr(0, space)) && has(query.text.substr(space + 1)) ? 1 : 0);
        if (ratings.back() == 0) continue;
        EXPECT_TRUE(
            engine.Feedback({.query_id = found->result.query_id, .hit = hit, .rating = 1.0}).ok());
      }
      comparison.Add(DraftOutcome(found->draft, ratings));
    }
    EXPECT_EQ(comparison.queries(), 60u);
    return comparison.Verdict();
  };
  EXPECT_EQ(verdict(0, 1), 1);
  EXPECT_EQ(verdict(1, 0), -1);
  EXPECT_EQ(verdict(0.5, 0.5), 0);
  // What was rated meanwhile has taught the same.
  EXPECT_GT(dynamic_cast<const CurvePolicy&>(*engine.policy()).Inspect("wings")->best_alpha, 0.5);
}

class Frozen : public LearningTest {};

TEST_F(Frozen, FeedbackIsKeptAndThePolicyStaysAsItIs) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve"), {.frozen = true}).ok());
  const auto found = engine.Search(MakeQuery(1).request("wings"));
  const auto told = engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0});
  ASSERT_TRUE(told.ok());
  EXPECT_FALSE(told->learned);
  const auto feedbacks = [](const Engine& of) {
    return dynamic_cast<const CurvePolicy&>(*of.policy()).Inspect("wings")->feedbacks;
  };
  EXPECT_EQ(feedbacks(engine), 0u);
  EXPECT_EQ(engine.Feedback({.query_id = found->query_id, .hit = 99, .rating = 1.0}).error().code(),
            Code::kNotFound);
  // Switched off, the next feedback on the query teaches all that was kept, once.
  const std::string path = folder_.path("policy");
  ASSERT_TRUE(engine.SavePolicy(path).ok());
  ASSERT_TRUE(engine.LoadPolicy(path).ok());
  const auto more =
      engine.Feedback({.context = found->context->Serialize(), .hit = 1, .rating = 0.0});
  ASSERT_TRUE(more.ok()) << more.error().ToString();
  EXPECT_TRUE(more->learned);
  EXPECT_GT(more->weight, 0);
  EXPECT_EQ(feedbacks(engine), 1u);
}

}  // namespace
}  // namespace equipoise
