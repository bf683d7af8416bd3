// α that is decided between recall and fusion: what the policy is shown, what is remembered of it, and that
// the search is the same as with that α given.

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/engine/feedback_export.h>
#include <equipoise/engine/replay_log.h>
#include <equipoise/engine/replay_study.h>

#include "learning_data.h"

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::Made;

/// α is the overlap of the first ten; keeps the features that feedback brings.
class OverlapPolicy : public WeightPolicy {
 public:
  bool UsesFeatures() const noexcept override { return true; }
  WeightDecision Decide(const WeightQuery& query, std::uint64_t) const noexcept override {
    if (query.features.size() != QueryFeatures::kCount) return {.alpha = std::nan("")};
    return {.alpha = double{query.features[9]}, .both_paths = false, .propensity = 0.5};
  }
  Status Update(const WeightFeedback& feedback) override {
    told.emplace_back(feedback.query.features.begin(), feedback.query.features.end());
    return {};
  }
  Status Save(const std::string&) const override { return {}; }

  std::vector<std::vector<float>> told;
};

class ContextualSearch : public LearningTest {};

TEST_F(ContextualSearch, ThePolicyIsAskedAfterRecallAndTheFeedbackBringsItsFeaturesBack) {
  Engine engine = Open(), plain = Open(), other = Open();
  const auto policy = std::make_shared<OverlapPolicy>(), later = std::make_shared<OverlapPolicy>();
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  ASSERT_TRUE(other.UsePolicy(later).ok());
  for (std::uint64_t i = 0; i < 30; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.Search(query.request("birds"));
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    EXPECT_EQ(found->alpha_source, AlphaSource::kPrior);
    EXPECT_TRUE(found->lexical_searched && found->vector_searched);
    // Both paths were asked, whatever the policy says.
    EXPECT_TRUE(found->context->decision.both_paths);
    EXPECT_EQ(found->propensity, 1);
    const std::vector<float>& features = found->context->features;
    ASSERT_EQ(features.size(), QueryFeatures::kCount);
    EXPECT_EQ(found->weights.alpha, double{features[9]});
    EXPECT_EQ(features[13], 1);  // the caller has named the domain
    const std::size_t space = query.text.find(' ');
    const bool twice = query.text.substr(0, space) == query.text.substr(space + 1);
    EXPECT_FLOAT_EQ(features[0], std::log2(twice ? 2.0f : 3.0f) / 8);

    SearchRequest same = query.request();
    same.alpha = found->weights.alpha;
    same.both_paths = true;
    const auto expected = plain.Search(same);
    ASSERT_EQ(found->hits.size(), expected->hits.size());
    for (std::size_t r = 0; r < found->hits.size(); ++r) {
      EXPECT_EQ(found->hits[r].id, expected->hits[r].id);
      EXPECT_EQ(found->hits[r].score, expected->hits[r].score);
    }
    // Here, and in another process that gets the context.
    const std::string context = found->context->Serialize();
    EXPECT_EQ(SearchContext::Parse(context)->features, features);
    ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0}).ok());
    ASSERT_TRUE(other.Feedback({.context = context, .hit = 0, .rating = 1.0}).ok());
    EXPECT_EQ(policy->told.back(), features);
    EXPECT_EQ(later->told.back(), features);
  }
}

TEST_F(ContextualSearch, FeaturesComeBackFromTheLogAfterARestart) {
  const auto first = std::make_shared<OverlapPolicy>(), second = std::make_shared<OverlapPolicy>();
  {
    Engine engine = Open();
    ASSERT_TRUE(engine.KeepLearning(first).ok());
    for (std::uint64_t i = 0; i < 5; ++i) {
      const Query query = MakeQuery(i);
      const auto found = engine.Search(query.request());
      ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0}).ok());
    }
  }
  Engine engine = Open();
  ASSERT_TRUE(engine.KeepLearning(second).ok());
  EXPECT_EQ(second->told, first->told);
  ASSERT_EQ(second->told.size(), 5u);
  EXPECT_EQ(second->told[0].size(), QueryFeatures::kCount);
}

// What it was served with is what it is judged by.
TEST_F(ContextualSearch, TheFeedbackIsExportedWithItsFeaturesAndContextualIsJudgedOnIt) {
  std::vector<std::vector<float>> features;
  const std::string log = folder_.path("log.jsonl"), state = folder_.path("state");
  {
    Engine engine = Open();
    ASSERT_TRUE(engine.KeepLearning(Made("contextual")).ok());
    for (std::uint64_t i = 0; i < 70; ++i) {
      const auto found = engine.Search(MakeQuery(i).request(i % 2 == 0 ? "birds" : "planes"));
      ASSERT_TRUE(found.ok()) << found.error().ToString();
      const std::string source = "user " + std::to_string(i);
      for (const std::size_t hit : {i % 3, i % 3 + 4})
        ASSERT_TRUE(
            engine
                .Feedback(
                    {.query_id = found->query_id, .hit = hit, .rating = 1.0, .source = source})
                .ok());
      features.push_back(found->context->features);
    }
    ASSERT_TRUE(engine.SavePolicy(folder_.path("snapshot")).ok());
    ASSERT_TRUE(engine.policy()->Save(state).ok());
  }
  ASSERT_TRUE(ExportFeedback(folder_.path("index"), log).ok());
  auto reader = ReplayLogReader::Open(log);
  ASSERT_TRUE(reader.ok());
  LoggedQuery read;
  std::size_t queries = 0;
  for (; *reader->Next(&read); ++queries) EXPECT_EQ(read.features, features[queries]) << queries;
  EXPECT_EQ(queries, features.size());

  const auto study = StudyReplay(log, {.policies = {"contextual", "curve"}, .states = {state}});
  ASSERT_TRUE(study.ok()) << study.error().ToString();
  ASSERT_EQ(study->policies.size(), 3u);
  // So few queries do not show that features pay: it decides as the curve does.
  EXPECT_NEAR(study->policies[0].exact.mean, study->policies[1].exact.mean, 1e-9);
  // The state has learned from all of them and decides anew.
  EXPECT_GT(study->policies[2].exact.mean, study->policies[0].exact.mean);
}

TEST_F(ContextualSearch, TheContextualPolicyLearnsFromFeaturesAndIsRestoredWithThem) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("contextual")).ok());
  for (std::uint64_t i = 0; i < 120; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.Search(query.request(i % 2 == 0 ? "birds" : "planes"));
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    EXPECT_GT(found->propensity, 0);
    const std::string source = "user " + std::to_string(i);
    ASSERT_TRUE(engine
                    .Feedback({.query_id = found->query_id,
                               .hit = i % found->hits.size(),
                               .rating = 1.0,
                               .source = source})
                    .ok());
  }
  const auto* policy = dynamic_cast<const ContextualPolicy*>(engine.policy().get());
  ASSERT_NE(policy, nullptr);
  const std::uint64_t learned = policy->Account().queries;
  EXPECT_GT(learned, 100u);  // the filter may doubt some
  EXPECT_EQ(policy->Account().counted, learned - policy->options().enough);
  ASSERT_TRUE(engine.SavePolicy(folder_.path("saved")).ok());
  Engine other = Open();
  ASSERT_TRUE(other.LoadPolicy(folder_.path("saved")).ok());
  const auto* restored = dynamic_cast<const ContextualPolicy*>(other.policy().get());
  ASSERT_NE(restored, nullptr);
  EXPECT_EQ(restored->Account().capital, policy->Account().capital);
  EXPECT_EQ(restored->Account().queries, learned);

  // One path alone, or an α of the caller's: nobody is asked, and nothing is in the way.
  const Query query = MakeQuery(1);
  EXPECT_EQ(engine.Search({.text = query.text})->alpha_source, AlphaSource::kSinglePath);
  SearchRequest given = query.request();
  given.alpha = 0.3;
  EXPECT_TRUE(engine.Search(given)->context->features.empty());
  WeightPolicyOptions few;
  few.contextual.features = 3;
  EXPECT_EQ(engine.UsePolicy(Made("contextual", few)).code(), Code::kInvalidArgument);
}

TEST_F(ContextualSearch, ACallersOwnFunctionDecidesBetweenRecallAndFusion) {
  Engine engine = Open();
  const Query query = MakeQuery(2);
  double answer = 0.25;
  int asked = 0;
  const std::function<double(const QueryFeatures&)> decide = [&](const QueryFeatures& features) {
    ++asked;
    EXPECT_GT(features.terms, 0);
    return answer;
  };
  SearchRequest request = query.request();
  request.decide = &decide;
  EXPECT_EQ(engine.Search(request)->weights.alpha, 0.25);
  EXPECT_EQ(engine.Search(request)->alpha_source, AlphaSource::kRequest);
  EXPECT_EQ(asked, 2);
  for (const double wrong : {-0.1, 1.1, std::nan("")}) {
    answer = wrong;
    EXPECT_EQ(engine.Search(request).error().code(), Code::kInvalidArgument);
  }
  asked = 0;
  request.embedding = {};
  EXPECT_EQ(engine.Search(request)->weights.alpha, 1);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace equipoise
