// Decisions of a policy in searches, and feedback on its way to it.
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <thread>

#include <gmock/gmock.h>

#include "learning_data.h"

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::Made;
using testing::ScriptedPolicy;

constexpr double kYear = 365 * 86400.0;

class Learning : public LearningTest {};

DomainPosterior Known(const Engine& engine, std::string_view domain) {
  const auto* policy = dynamic_cast<const CurvePolicy*>(engine.policy().get());
  EXPECT_NE(policy, nullptr);
  return *policy->Inspect(domain);
}

TEST_F(Learning, AlphaIsThePolicysOnlyWhereNobodyElseSaysIt) {
  Engine engine = Open();
  const Query query = MakeQuery(1);
  const auto plain = engine.Search(query.request());
  EXPECT_EQ(plain->alpha_source, AlphaSource::kIndex);
  EXPECT_EQ(plain->query_id, 0u);
  EXPECT_EQ(plain->context, nullptr);

  const WeightDecision decision{
      .alpha = 0.3, .both_paths = true, .propensity = 0.25, .alpha_propensity = 0.5, .version = 7};
  ASSERT_TRUE(engine.UsePolicy(std::make_shared<ScriptedPolicy>(decision)).ok());
  const auto learned = engine.Search(query.request("wings"));
  EXPECT_EQ(learned->alpha_source, AlphaSource::kPolicy);
  EXPECT_EQ(AlphaSourceName(learned->alpha_source), "learned");
  EXPECT_EQ(learned->weights.alpha, 0.3);
  EXPECT_EQ(learned->propensity, 0.25);
  EXPECT_EQ(learned->policy_version, 7u);
  EXPECT_EQ(learned->context->domain, "wings");
  EXPECT_TRUE(learned->candidates.empty());

  SearchRequest asked = query.request();
  asked.alpha = 0.8;
  const auto by_caller = engine.Search(asked);
  EXPECT_EQ(by_caller->alpha_source, AlphaSource::kRequest);
  EXPECT_EQ(by_caller->weights.alpha, 0.8);
  EXPECT_EQ(by_caller->propensity, 1);
  EXPECT_EQ(by_caller->context->domain, kGeneralDomain);

  SearchRequest other = query.request();
  other.fusion = FusionMethod::kRrf;
  EXPECT_EQ(engine.Search(other)->alpha_source, AlphaSource::kDefault);
  EXPECT_EQ(engine.Search({.text = query.text})->alpha_source, AlphaSource::kSinglePath);
  EXPECT_EQ(engine.Search({.embedding = query.embedding})->alpha_source, AlphaSource::kSinglePath);

  ASSERT_TRUE(engine
                  .UsePolicy(std::make_shared<ScriptedPolicy>(decision),
                             {.fusion = FusionMethod::kMinMax, .fixed_alpha = 0.6})
                  .ok());
  const auto fixed = engine.Search(query.request());
  EXPECT_EQ(fixed->alpha_source, AlphaSource::kConfigured);
  EXPECT_EQ(fixed->weights, (FusionWeights{0.6, FusionMethod::kMinMax}));
  ASSERT_TRUE(engine.UsePolicy(nullptr).ok());
  EXPECT_EQ(engine.Search(query.request())->alpha_source, AlphaSource::kIndex);
}

TEST_F(Learning, WhatIsFoundIsWhatTheSameAlphaFindsWithoutAPolicy) {
  Engine engine = Open(), plain = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.Search(query.request());
    SearchRequest same = query.request();
    same.alpha = found->weights.alpha;
    const auto other = plain.Search(same);
    ASSERT_EQ(found->hits.size(), other->hits.size());
    for (std::size_t r = 0; r < found->hits.size(); ++r) {
      EXPECT_EQ(found->hits[r].id, other->hits[r].id);
      EXPECT_EQ(found->hits[r].score, other->hits[r].score);
    }
  }
}

TEST_F(Learning, PropensitiesAreTheFrequenciesOfManySearches) {
  Engine engine = Open();
  WeightPolicyOptions options;
  options.curve.exploration = 1;
  options.curve.prior_alpha = 0.1;
  options.curve.both_paths_share = 0.3;
  ASSERT_TRUE(engine.UsePolicy(Made("curve", options)).ok());
  const Query query = MakeQuery(1);
  constexpr int kSearches = 6000;
  std::map<std::pair<double, bool>, int> count;
  std::map<std::pair<double, bool>, double> propensity;
  for (int i = 0; i < kSearches; ++i) {
    const auto found = engine.Search(query.request());
    const std::pair decision(found->weights.alpha,
                             found->lexical_searched && found->vector_searched);
    ++count[decision];
    const auto [at, fresh] = propensity.emplace(decision, found->propensity);
    EXPECT_EQ(at->second, found->propensity);
  }
  EXPECT_GT(count.size(), 3u);
  double sum = 0;
  for (const auto& [decision, p] : propensity) {
    sum += p;
    const double expected = p * kSearches, spread = std::sqrt(p * (1 - p) * kSearches);
    EXPECT_NEAR(count[decision], expected, 5 * spread + 1) << decision.first;
  }
  EXPECT_LE(sum, 1 + 1e-9);
  EXPECT_GT(sum, 0.97);
  // Both ways of searching at α = 0 have been taken.
  EXPECT_TRUE((count.contains({0.0, true}) && count.contains({0.0, false})));
}

TEST_F(Learning, ASkippedPathIsAbsent) {
  for (const double alpha : {0.0, 1.0}) {
    Engine engine = Open();
    ASSERT_TRUE(engine
                    .UsePolicy(std::make_shared<ScriptedPolicy>(
                        WeightDecision{.alpha = alpha, .both_paths = false, .propensity = 0.9}))
                    .ok());
    SearchRequest request = MakeQuery(3).request();
    const Query query = MakeQuery(3);
    request = query.request();
    request.keep_candidates = true;
    const auto found = engine.Search(request);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(found->lexical_searched, alpha == 1);
    EXPECT_EQ(found->vector_searched, alpha == 0);
    EXPECT_EQ(found->propensity, 0.9);
    for (const Hit& hit : found->hits) {
      EXPECT_EQ(hit.lexical_rank == 0, alpha == 0);
      EXPECT_EQ(hit.vector_rank == 0, alpha == 1);
    }
    ASSERT_FALSE(found->candidates.empty());
    for (const CandidateScores& c : found->context->candidates) {
      EXPECT_EQ(std::isnan(c.lexical), alpha == 0);
      EXPECT_EQ(std::isnan(c.vector), alpha == 1);
    }
    EXPECT_EQ(found->context->lexical_us == 0, alpha == 0);
  }
}

TEST_F(Learning, BothPathsRunAtAnEndOfAlphaWhereThePolicySaysSo) {
  const Query query = MakeQuery(4);
  for (const double alpha : {0.0, 1.0}) {
    Engine engine = Open(), plain = Open();
    ASSERT_TRUE(engine
                    .UsePolicy(std::make_shared<ScriptedPolicy>(
                        WeightDecision{.alpha = alpha, .both_paths = true}))
                    .ok());
    const auto found = engine.Search(query.request());
    EXPECT_TRUE(found->lexical_searched && found->vector_searched);
    SearchRequest exact = query.request();
    exact.alpha = alpha;
    const auto one = plain.Search(exact);
    ASSERT_EQ(found->hits.size(), one->hits.size());
    for (std::size_t r = 0; r < one->hits.size(); ++r)
      EXPECT_EQ(found->hits[r].id, one->hits[r].id);
    for (const CandidateScores& c : found->context->candidates)
      EXPECT_FALSE(std::isnan(c.lexical) || std::isnan(c.vector));
  }
}

TEST_F(Learning, TheCurveIsThatOfSearchingAtEveryAlpha) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  LearningOptions options;
  options.curve.unknown = UnknownGain::kZero;
  ASSERT_TRUE(engine.UsePolicy(policy, options).ok());
  for (std::uint64_t i = 0; i < 10; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.Search(query.request("wings"));
    ASSERT_GE(found->hits.size(), 5u);
    std::map<std::string, double> gain = {{found->hits[0].id, 0.25}, {found->hits[3].id, 1.0}};
    for (const auto& [id, rating] : gain)
      ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .document = id, .rating = rating})
                      ->learned);
    const auto& told = policy->told.back();
    EXPECT_EQ(told.domain, "wings");
    EXPECT_EQ(told.weight, 1);
    const double ideal = 1.0 + 0.25 / std::log2(3);
    for (std::size_t a = 0; a < 21; ++a) {
      SearchRequest at = query.request();
      at.alpha = static_cast<double>(a) / 20;
      at.both_paths = true;
      double dcg = 0;
      const auto ranking = engine.Search(at);
      for (std::size_t r = 0; r < ranking->hits.size(); ++r)
        dcg += gain[ranking->hits[r].id] / std::log2(static_cast<double>(r) + 2);
      EXPECT_NEAR(told.curve[a], dcg / ideal, 1e-6) << "query " << i << " α " << at.alpha.value();
    }
  }
}

TEST_F(Learning, WhatWasNotShownIsUnknownAndNotBad) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  const Query query = MakeQuery(2);
  const auto found = engine.Search(query.request());
  ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 1, .rating = 1.0}).ok());
  std::vector<CandidateScores> scores = found->context->candidates;
  std::sort(scores.begin(), scores.end(), [](auto& a, auto& b) { return a.doc < b.doc; });
  std::vector<RewardCandidate> candidates;
  for (const CandidateScores& s : scores)
    candidates.push_back(
        {s.lexical, s.vector,
         s.doc == found->hits[1].doc ? 1.0f : std::numeric_limits<float>::quiet_NaN(), 1});
  EXPECT_EQ(policy->told.back().curve, ComputeRewardCurve(candidates)->values);
}

TEST_F(Learning, FeedbackTwiceCountsOnceAndTheLatestWins) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  const Query query = MakeQuery(5);
  const std::uint64_t id = engine.Search(query.request())->query_id;
  const auto rate = [&](std::size_t hit, double rating, double time) {
    return *engine.Feedback({.query_id = id,
                             .hit = hit,
                             .rating = rating,
                             .time = time,
                             .now = 1000.0,
                             .source = "ann"});
  };
  EXPECT_TRUE(rate(0, 1, 100).learned);
  EXPECT_TRUE(policy->told[0].replaced.empty());
  EXPECT_TRUE(rate(2, 1, 200).learned);
  EXPECT_EQ(policy->told[1].replaced, policy->told[0].curve);
  EXPECT_EQ(policy->told[1].replaced_weight, policy->told[0].weight);
  EXPECT_TRUE(rate(0, 0, 300).learned);
  EXPECT_NE(policy->told[2].curve, policy->told[1].curve);
  // Out of order: what was said before does not undo what was said later.
  const FeedbackOutcome late = rate(0, 1, 250);
  EXPECT_EQ(late.verdict, FeedbackVerdict::kDuplicate);
  EXPECT_FALSE(late.learned);
  EXPECT_EQ(policy->told.size(), 3u);

  // The same in another order ends with the same curve.
  const std::uint64_t again = engine.Search(query.request())->query_id;
  for (const auto& [hit, rating, time] :
       {std::tuple{0, 0.0, 300.0}, std::tuple{2, 1.0, 200.0}, std::tuple{0, 1.0, 100.0}})
    ASSERT_TRUE(engine
                    .Feedback({.query_id = again,
                               .hit = static_cast<std::size_t>(hit),
                               .rating = rating,
                               .time = time,
                               .now = 1000.0,
                               .source = "ann"})
                    .ok());
  EXPECT_EQ(policy->told.back().curve, policy->told[2].curve);
  EXPECT_EQ(policy->told.back().weight, policy->told[2].weight);
}

TEST_F(Learning, RepeatedFeedbackIsOneQueryToTheCurvePolicy) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const Query query = MakeQuery(6);
  const std::uint64_t id = engine.Search(query.request("wings"))->query_id;
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(engine.Feedback({.query_id = id, .hit = 0, .rating = i % 2}).ok());
  EXPECT_EQ(Known(engine, "wings").feedbacks, 1u);
}

TEST_F(Learning, FeedbackThatCannotBeIsRefusedAndTeachesNothing) {
  Engine engine = Open();
  EXPECT_EQ(engine.Feedback({.query_id = 1, .hit = 0, .rating = 1.0}).error().code(),
            Code::kUnavailable);
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  const Query query = MakeQuery(7);
  const std::uint64_t id = engine.Search(query.request())->query_id;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto code = [&](const QueryFeedback& feedback) {
    return engine.Feedback(feedback).error().code();
  };
  const Code invalid = Code::kInvalidArgument, missing = Code::kNotFound;
  EXPECT_EQ(code({.query_id = id + 1, .hit = 0, .rating = 1.0}), missing);
  EXPECT_EQ(code({.query_id = 12345, .hit = 0, .rating = 1.0}), missing);
  EXPECT_EQ(code({.query_id = id, .hit = 10, .rating = 1.0}), missing);
  EXPECT_EQ(code({.query_id = id, .document = "nobody", .rating = 1.0}), missing);
  EXPECT_EQ(code({.hit = 0, .rating = 1.0}), invalid);
  EXPECT_EQ(code({.query_id = id, .context = "x", .hit = 0, .rating = 1.0}), invalid);
  EXPECT_EQ(code({.query_id = id, .rating = 1.0}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .document = "d1", .rating = 1.0}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .groundedness = 0.5}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .rating = nan}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .rating = 1.5}), invalid);
  EXPECT_EQ(code({.query_id = id, .groundedness = nan}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .rating = 1.0, .confidence = nan}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .rating = 1.0, .dwell = -1.0}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .rating = 1.0, .time = nan}), invalid);
  EXPECT_EQ(code({.query_id = id, .hit = 0, .rating = 1.0, .time = 1e13, .now = 1e10}), invalid);
  EXPECT_TRUE(policy->told.empty());
}

TEST_F(Learning, AYearOldFeedbackIsCountedAndTeachesNothing) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const Query query = MakeQuery(8);
  const std::vector<double> before = Known(engine, "wings").mean;
  const std::uint64_t id = engine.Search(query.request("wings"))->query_id;
  const auto out =
      engine.Feedback({.query_id = id, .hit = 0, .rating = 1.0, .time = 1e9, .now = 1e9 + kYear});
  ASSERT_TRUE(out.ok());
  EXPECT_TRUE(out->learned);
  EXPECT_LT(out->weight, 1e-6);
  const DomainPosterior after = Known(engine, "wings");
  EXPECT_EQ(after.feedbacks, 1u);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after.mean[i], before[i], 1e-4);
  // A thousand years: the weight is exactly 0.
  const std::uint64_t other = engine.Search(query.request("wings"))->query_id;
  EXPECT_EQ(
      engine
          .Feedback({.query_id = other, .hit = 0, .rating = 1.0, .time = 0.0, .now = 1000 * kYear})
          ->weight,
      0);
  EXPECT_EQ(Known(engine, "wings").feedbacks, 2u);
}

TEST_F(Learning, DoubtfulFeedbackCountsLess) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  const Query query = MakeQuery(9);
  const std::uint64_t id = engine.Search(query.request())->query_id;
  const double half = LearningOptions{}.filter.half_life;
  const auto out = engine.Feedback(
      {.query_id = id, .hit = 0, .rating = 1.0, .confidence = 0.5, .time = 1e9, .now = 1e9 + half});
  EXPECT_NEAR(out->weight, 0.25, 1e-6);
}

TEST_F(Learning, OutliersAmongTheRatingsOfADomainAreTakenOut) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  LearningOptions options;
  options.filter.rating_high = 100;
  ASSERT_TRUE(engine.UsePolicy(policy, options).ok());
  const Query query = MakeQuery(10);
  FeedbackOutcome out;
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t id = engine.Search(query.request())->query_id;
    const double rating = i == 39 ? 99 : 10 + 0.1 * i;
    out = *engine.Feedback({.query_id = id, .hit = 0, .rating = rating});
    if (i < 39) {
      EXPECT_EQ(out.verdict, FeedbackVerdict::kKept) << i;
    }
  }
  EXPECT_EQ(out.verdict, FeedbackVerdict::kOutlier);
  EXPECT_EQ(out.weight, 0);
}

TEST_F(Learning, GroundednessAndCostAreTermsOfTheReward) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  LearningOptions options;
  options.reward = {.groundedness_weight = 1, .recall_weight = 2, .cost_weight = 1, .cost_half = 3};
  options.lexical_price = 1;
  options.vector_price = 2;
  ASSERT_TRUE(engine.UsePolicy(policy, options).ok());
  const auto plain = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  Engine other = Open();
  ASSERT_TRUE(other.UsePolicy(plain).ok());
  const Query query = MakeQuery(11);
  const std::uint64_t id = engine.Search(query.request())->query_id;
  ASSERT_TRUE(engine.Feedback({.query_id = id, .hit = 0, .rating = 1.0, .groundedness = 0.8}).ok());
  ASSERT_TRUE(
      other.Feedback({.query_id = other.Search(query.request())->query_id, .hit = 0, .rating = 1.0})
          .ok());
  for (std::size_t a = 0; a < 21; ++a) {
    const double cost = a == 0 ? 2 : a == 20 ? 1 : 3;
    const double expected = (0.8 + 2 * plain->told.back().curve[a] + 3 / (3 + cost)) / 4;
    EXPECT_NEAR(policy->told.back().curve[a], expected, 1e-9);
  }
}

TEST_F(Learning, RatingAndGroundednessCountEachByItsOwnTime) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  LearningOptions options;
  options.reward = {.groundedness_weight = 1, .recall_weight = 1, .cost_weight = 0};
  ASSERT_TRUE(engine.UsePolicy(policy, options).ok());
  const Query query = MakeQuery(11);
  const std::uint64_t id = engine.Search(query.request())->query_id;
  const auto told = [&](double time, std::optional<double> rating,
                        std::optional<double> groundedness) {
    QueryFeedback feedback{.query_id = id, .rating = rating, .groundedness = groundedness};
    if (rating) feedback.hit = 0;
    feedback.time = time;
    feedback.now = 1000;
    return *engine.Feedback(feedback);
  };
  EXPECT_TRUE(told(200, 1.0, {}).learned);
  const std::vector<double> ungrounded = policy->told.back().curve;
  // The rating beside it is superseded; the first groundedness is not.
  EXPECT_TRUE(told(100, 0.0, 1.0).learned);
  for (std::size_t a = 0; a < 21; ++a)
    EXPECT_NEAR(policy->told.back().curve[a], (1 + ungrounded[a]) / 2, 1e-9);
  EXPECT_TRUE(told(300, {}, 0.5).learned);
  // An older groundedness beside a newer rating changes the rating alone.
  EXPECT_TRUE(told(250, 1.0, 0.0).learned);
  for (std::size_t a = 0; a < 21; ++a)
    EXPECT_NEAR(policy->told.back().curve[a], (0.5 + ungrounded[a]) / 2, 1e-9);
  const std::size_t before = policy->told.size();
  EXPECT_EQ(told(50, 0.0, 0.0).verdict, FeedbackVerdict::kDuplicate);
  EXPECT_EQ(told(50, {}, 0.0).verdict, FeedbackVerdict::kDuplicate);
  EXPECT_EQ(policy->told.size(), before);
}

TEST_F(Learning, TheCallersBothPathsAreNoDecisionOfThePolicy) {
  Engine engine = Open();
  const WeightDecision decision{
      .alpha = 0, .both_paths = false, .propensity = 0.5, .alpha_propensity = 0.6};
  ASSERT_TRUE(engine.UsePolicy(std::make_shared<ScriptedPolicy>(decision)).ok());
  const Query query = MakeQuery(1);
  SearchRequest request = query.request();
  EXPECT_EQ(engine.Search(request)->propensity, 0.5);
  request.both_paths = true;
  const auto found = engine.Search(request);
  EXPECT_EQ(found->propensity, 0.6);
  EXPECT_TRUE(found->context->decision.both_paths);
  EXPECT_TRUE(found->lexical_searched && found->vector_searched);
}

TEST_F(Learning, ADecisionThatIsNoneIsRefused) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const Query query = MakeQuery(1);
  for (const WeightDecision& decision :
       {WeightDecision{.alpha = 1.5}, WeightDecision{.alpha = kNan},
        WeightDecision{.propensity = 0}, WeightDecision{.propensity = kNan},
        WeightDecision{.alpha_propensity = 0.3}}) {
    Engine engine = Open();
    ASSERT_TRUE(engine.UsePolicy(std::make_shared<ScriptedPolicy>(decision)).ok());
    const auto found = engine.Search(query.request());
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
  }
}

TEST_F(Learning, WhatWasLearnedCountsOnceWhenTheRingHasForgottenTheQuery) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve"), {.remembered = 4}).ok());
  const Query query = MakeQuery(1);
  const auto found = engine.Search(query.request("wings"));
  const std::string context = found->context->Serialize();
  const QueryFeedback feedback{.context = context, .hit = 0, .rating = 1.0, .source = "ann"};
  ASSERT_TRUE(engine.Feedback(feedback).ok());
  for (std::uint64_t i = 0; i < 6; ++i) {
    const Query other = MakeQuery(i);
    ASSERT_TRUE(engine.Search(other.request("wings")).ok());
  }
  ASSERT_TRUE(engine.Feedback(feedback).ok());
  EXPECT_EQ(Known(engine, "wings").feedbacks, 1u);
}

TEST_F(Learning, TheRingKeepsTheLatestQueriesAndAContextOutlivesIt) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy, {.remembered = 8}).ok());
  const Query query = MakeQuery(12);
  std::vector<std::uint64_t> ids;
  std::string first;
  for (int i = 0; i < 20; ++i) {
    const auto found = engine.Search(query.request());
    ids.push_back(found->query_id);
    if (i == 0) first = found->context->Serialize();
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto out = engine.Feedback({.query_id = ids[i], .hit = 0, .rating = 1.0});
    EXPECT_EQ(out.ok(), i >= 12);
    if (!out) {
      EXPECT_EQ(out.error().code(), Code::kNotFound);
    }
  }
  const std::size_t before = policy->told.size();
  EXPECT_TRUE(engine.Feedback({.context = first, .hit = 0, .rating = 1.0})->learned);
  EXPECT_TRUE(engine.Feedback({.context = first, .hit = 1, .rating = 1.0})->learned);
  // From then on its id is known again, and what it taught is taken back.
  EXPECT_TRUE(engine.Feedback({.query_id = ids[0], .hit = 1, .rating = 0.0})->learned);
  ASSERT_EQ(policy->told.size(), before + 3);
  EXPECT_TRUE(policy->told[before].replaced.empty());
  EXPECT_EQ(policy->told[before + 2].replaced, policy->told[before + 1].curve);
}

TEST_F(Learning, PriorsOfAnotherNormalizationAreRefused) {
  Engine engine = Open();
  WeightPolicyOptions options;
  options.curve.priors = ShippedPriors();
  EXPECT_EQ(engine.UsePolicy(Made("curve", options), {.fusion = FusionMethod::kMinMax}).code(),
            Code::kInvalidArgument);
  // Those that are shipped belong to the default.
  EXPECT_TRUE(engine.UsePolicy(Made("curve", options)).ok());
  EXPECT_EQ(engine.UsePolicy(Made("curve"), {.remembered = 0}).code(), Code::kInvalidArgument);
  EXPECT_EQ(engine.UsePolicy(Made("curve"), {.fixed_alpha = 2}).code(), Code::kInvalidArgument);
  LearningOptions other_grid;
  other_grid.curve.grid = 11;
  EXPECT_EQ(engine.UsePolicy(Made("curve"), other_grid).code(), Code::kInvalidArgument);
}

TEST_F(Learning, ADomainConvergesToThePathThatItsFeedbackFavours) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  // In `words` the documents that BM25 ranks first are good, in `meanings` the nearest vectors.
  for (std::uint64_t i = 0; i < 120; ++i) {
    const Query query = MakeQuery(i);
    const bool words = i % 2 == 0;
    SearchRequest best = query.request();
    best.alpha = words ? 1.0 : 0.0;
    const auto good = engine.Search(best);
    const auto found = engine.Search(query.request(words ? "words" : "meanings"));
    for (std::size_t h = 0; h < found->hits.size(); ++h) {
      bool is_good = false;
      for (std::size_t g = 0; g < 5 && g < good->hits.size(); ++g)
        is_good |= good->hits[g].id == found->hits[h].id;
      ASSERT_TRUE(
          engine.Feedback({.query_id = found->query_id, .hit = h, .rating = is_good ? 1.0 : 0.0})
              .ok());
    }
  }
  EXPECT_GE(Known(engine, "words").best_alpha, 0.6);
  EXPECT_LE(Known(engine, "meanings").best_alpha, 0.4);
}

TEST_F(Learning, TwoThreadsSearchWhileAThirdGivesFeedback) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve"), {.remembered = 16}).ok());
  std::atomic<std::uint64_t> latest{0};
  std::atomic<int> searching{2};
  const auto search = [&](std::uint64_t from) {
    for (std::uint64_t i = 0; i < 400; ++i) {
      const Query query = MakeQuery(from + i % 20);
      const auto found = engine.Search(query.request(i % 3 == 0 ? "a" : "b"));
      EXPECT_TRUE(found.ok());
      latest = found->query_id;
    }
    --searching;
  };
  std::uint64_t learned = 0, gone = 0;
  std::thread one(search, 0), two(search, 100), feedback([&] {
    while (searching > 0) {
      const std::uint64_t id = latest;
      if (id == 0) continue;
      const auto out = engine.Feedback({.query_id = id, .hit = 0, .rating = 1.0});
      if (out.ok()) {
        ++learned;
      } else {
        EXPECT_EQ(out.error().code(), Code::kNotFound);
        ++gone;
      }
      if (learned % 50 == 1) {
        EXPECT_TRUE(engine.SavePolicy(folder_.path("policy")).ok());
      }
    }
  });
  one.join();
  two.join();
  feedback.join();
  EXPECT_GT(learned, 0u);
  EXPECT_LE(Known(engine, "a").feedbacks + Known(engine, "b").feedbacks, learned);
}

}  // namespace
}  // namespace equipoise
