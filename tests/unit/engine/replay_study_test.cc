#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/engine/replay_log.h>
#include <equipoise/engine/replay_study.h>
#include <equipoise/optimizer/contextual_policy.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;

constexpr std::size_t kDocuments = 30;

// A query whose documents have a lexical and a vector score; those that lexical scores like are good.
struct Made {
  LoggedQuery query;
  std::vector<double> truth;  // rating of each candidate
};

std::vector<std::size_t> Ranking(const LoggedQuery& query, double alpha) {
  std::vector<std::size_t> order(query.candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto score = [&](std::size_t i) {
      return alpha * double{query.candidates[i].lexical} +
             (1 - alpha) * double{query.candidates[i].vector};
    };
    return score(a) > score(b);
  });
  return order;
}

double Worth(const Made& made, double alpha) {
  const auto order = Ranking(made.query, alpha);
  double sum = 0, ideal = 0;
  for (std::size_t rank = 0; rank < 10; ++rank) {
    sum += made.truth[order[rank]] / std::log2(static_cast<double>(rank) + 2);
    ideal += 1 / std::log2(static_cast<double>(rank) + 2);
  }
  return sum / ideal;
}

Made MakeQuery(int number, Random* random) {
  Made out;
  out.query.query_id = std::to_string(number);
  out.query.domain = number % 2 == 0 ? "even" : "odd";
  out.query.fusion = FusionMethod::kMinMax;
  for (std::size_t i = 0; i < kDocuments; ++i) {
    const auto lexical = static_cast<float>(random->Uniform());
    out.query.candidates.push_back(
        {"d" + std::to_string(i), lexical, static_cast<float>(random->Uniform())});
    out.truth.push_back(random->Chance(0.6 * double{lexical}) ? 1 : 0);
  }
  return out;
}

// Decides α of 0, 0.5 or 1 with these probabilities and rates all that is shown.
Made Serve(int number, Random* random) {
  Made out = MakeQuery(number, random);
  const double u = random->Uniform();
  const double alpha = u < 0.5 ? 0 : u < 0.8 ? 0.5 : 1;
  const double propensity = alpha == 0 ? 0.5 : alpha == 1 ? 0.2 : 0.3;
  out.query.decision = {.alpha = alpha,
                        .both_paths = true,
                        .propensity = propensity,
                        .alpha_propensity = propensity,
                        .version = 0};
  const auto order = Ranking(out.query, alpha);
  for (std::size_t rank = 0; rank < 10; ++rank) {
    const std::string& doc = out.query.candidates[order[rank]].doc;
    out.query.shown.push_back(doc);
    if (out.truth[order[rank]] > 0) out.query.feedback.push_back({doc, 1, "u", 0});
  }
  return out;
}

TEST(ReplayStudy, EstimatesAgreeWithWhatTheDecisionsWouldHaveEarned) {
  const TempFolder folder;
  Random random(11);
  auto writer = ReplayLogWriter::Create(folder.path("log.jsonl"));
  ASSERT_TRUE(writer.ok());
  double truth = 0, logged = 0;
  constexpr int kQueries = 3000;
  for (int i = 0; i < kQueries; ++i) {
    const Made made = Serve(i, &random);
    truth += Worth(made, 0.5) / kQueries;
    logged += Worth(made, made.query.decision.alpha) / kQueries;
    ASSERT_TRUE(writer->Append(made.query).ok());
  }
  ASSERT_TRUE(writer->Publish().ok());
  const auto study = StudyReplay(folder.path("log.jsonl"));
  ASSERT_TRUE(study.ok()) << study.error().ToString();
  EXPECT_EQ(study->queries, static_cast<std::size_t>(kQueries));
  EXPECT_EQ(study->domains, (std::vector<std::string>{"even", "odd"}));
  EXPECT_NEAR(study->logged.mean, logged, 1e-5);
  const ReplayedPolicy& fixed = study->policies[0];
  ASSERT_EQ(fixed.name, "static");
  const OffPolicyEstimates& e = fixed.estimates;
  for (const OffPolicyEstimate& one : {e.replay, e.ips, e.snips, e.doubly_robust}) {
    EXPECT_TRUE(one.reliable);
    EXPECT_NEAR(one.mean, truth, 0.035);
    EXPECT_LT(one.high - one.low, 0.15);
  }
  // The static policy decides 0.5 always: a third of the log's decisions, each for 1 / 0.3.
  EXPECT_NEAR(e.largest_weight, 1 / 0.3, 1e-9);
  EXPECT_LE(e.snips.high - e.snips.low, e.ips.high - e.ips.low);
  // What is unseen is worth something between nothing and all.
  EXPECT_LE(fixed.least.mean, truth);
  EXPECT_GE(fixed.most.mean, truth);
  EXPECT_LT(fixed.least.mean, fixed.exact.mean);
  EXPECT_GT(fixed.most.mean, fixed.exact.mean);
  // The policy that learns finds out that lexical scores are the better ones.
  EXPECT_GT(study->policies[2].exact.mean, fixed.exact.mean);
}

TEST(ReplayStudy, WhereAllWasSeenReplayIsExact) {
  const TempFolder folder;
  Random random(12);
  auto writer = ReplayLogWriter::Create(folder.path("log.jsonl"));
  ASSERT_TRUE(writer.ok());
  std::array<double, 21> truth{};
  for (int i = 0; i < 40; ++i) {
    Made made = Serve(i, &random);
    made.query.feedback.clear();
    for (std::size_t d = 0; d < kDocuments; ++d)
      made.query.feedback.push_back({made.query.candidates[d].doc, made.truth[d], "u", 0});
    for (std::size_t a = 0; a < truth.size(); ++a)
      truth[a] += Worth(made, static_cast<double>(a) / 20) / 40;
    ASSERT_TRUE(writer->Append(made.query).ok());
  }
  ASSERT_TRUE(writer->Publish().ok());
  const auto study = StudyReplay(folder.path("log.jsonl"), {.policies = {"static"}});
  ASSERT_TRUE(study.ok());
  for (std::size_t a = 0; a < truth.size(); ++a)
    EXPECT_NEAR(study->alphas[a].mean, truth[a], 1e-5) << a;
  const ReplayedPolicy& fixed = study->policies[0];
  EXPECT_NEAR(fixed.known, 1, 1e-6);
  EXPECT_NEAR(fixed.exact.mean, truth[10], 1e-5);
  EXPECT_NEAR(fixed.least.mean, truth[10], 1e-5);
  EXPECT_NEAR(fixed.most.mean, truth[10], 1e-5);
}

TEST(ReplayStudy, ALogWithTwoFusionsOrOneQueryIsRefused) {
  const TempFolder folder;
  Random random(13);
  auto writer = ReplayLogWriter::Create(folder.path("one.jsonl"));
  Made made = Serve(0, &random);
  ASSERT_TRUE(writer->Append(made.query).ok());
  ASSERT_TRUE(writer->Publish().ok());
  EXPECT_EQ(StudyReplay(folder.path("one.jsonl")).error().code(), Code::kInvalidArgument);
  writer = ReplayLogWriter::Create(folder.path("two.jsonl"));
  ASSERT_TRUE(writer->Append(made.query).ok());
  made.query.query_id = "another";
  made.query.fusion = FusionMethod::kTheoretical;
  ASSERT_TRUE(writer->Append(made.query).ok());
  ASSERT_TRUE(writer->Publish().ok());
  const auto refused = StudyReplay(folder.path("two.jsonl"));
  EXPECT_EQ(refused.error().where().field, "fusion");
  EXPECT_EQ(refused.error().where().line, 2);
  EXPECT_EQ(StudyReplay(folder.path("absent.jsonl")).error().code(), Code::kNotFound);
  EXPECT_EQ(StudyReplay(folder.path("two.jsonl"), {.policies = {"none"}}).error().where().field,
            "policy");
}

// All documents rated; the good ones are those that one path scores like.
Made ServeWhole(int number, bool lexical, Random* random) {
  Made out = Serve(number, random);
  out.query.domain = "all";
  out.query.feedback.clear();
  for (const LoggedCandidate& c : out.query.candidates) {
    const double score = lexical ? double{c.lexical} : double{c.vector};
    out.query.feedback.push_back({c.doc, random->Chance(0.6 * score) ? 1.0 : 0.0, "u", 0});
  }
  return out;
}

// A log of which one of 15 features tells the path that is right.
void WriteFeatures(const std::string& path, std::size_t queries, std::size_t lacking) {
  Random random(15);
  auto writer = ReplayLogWriter::Create(path);
  ASSERT_TRUE(writer.ok());
  for (std::size_t i = 0; i < queries; ++i) {
    const bool lexical = random.Chance(0.5);
    Made made = ServeWhole(static_cast<int>(i), lexical, &random);
    for (std::size_t f = 0; f < (i == lacking ? 14u : 15u); ++f)
      made.query.features.push_back(static_cast<float>(random.Uniform()));
    made.query.features[3] = lexical ? 1 : 0;
    ASSERT_TRUE(writer->Append(made.query).ok());
  }
  ASSERT_TRUE(writer->Publish().ok());
}

TEST(ReplayStudy, ContextualIsJudgedByTheFeaturesOfTheLog) {
  const TempFolder folder;
  const std::string log = folder.path("log.jsonl"), state = folder.path("state");
  constexpr std::size_t kQueries = 1200;
  WriteFeatures(log, kQueries, kQueries);
  // The same policy, taught beside the replay.
  auto policy = ContextualPolicy::Create();
  auto reader = ReplayLogReader::Open(log);
  for (LoggedQuery query; *reader->Next(&query);) {
    std::vector<RewardCandidate> candidates;
    for (std::size_t i = 0; i < query.candidates.size(); ++i)
      candidates.push_back({.lexical = query.candidates[i].lexical,
                            .vector = query.candidates[i].vector,
                            .gain = static_cast<float>(query.feedback[i].rating),
                            .confidence = 1});
    const auto curve = ComputeRewardCurve(candidates, {.k = 10, .grid = 21});
    ASSERT_TRUE((*policy)
                    ->Update({.query = {.domain = query.domain, .features = query.features},
                              .decision = query.decision,
                              .curve = curve->values,
                              .weight = curve->empty ? 0.0 : 1.0})
                    .ok());
  }
  ASSERT_TRUE((*policy)->Account().decides);
  ASSERT_TRUE((*policy)->Save(state).ok());

  const auto study = StudyReplay(log, {.policies = {"curve", "contextual"}, .states = {state}});
  ASSERT_TRUE(study.ok()) << study.error().ToString();
  const double curve = study->policies[0].exact.mean, contextual = study->policies[1].exact.mean;
  EXPECT_GT(contextual, curve + 0.03);
  // Which has learned from all of it.
  EXPECT_GT(study->policies[2].exact.mean, contextual);
  EXPECT_LT(study->policies[2].exact.mean, curve + 0.2);
}

TEST(ReplayStudy, ALineWithoutTheFeaturesThatAPolicyDecidesByIsNamed) {
  const TempFolder folder;
  const std::string log = folder.path("log.jsonl"), state = folder.path("state");
  WriteFeatures(log, 40, 27);
  EXPECT_TRUE(StudyReplay(log).ok());
  ASSERT_TRUE((*ContextualPolicy::Create())->Save(state).ok());
  for (const ReplayOptions& options :
       {ReplayOptions{.policies = {"contextual"}}, ReplayOptions{.states = {state}}}) {
    const auto refused = StudyReplay(log, options);
    EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(refused.error().where().file, log);
    EXPECT_EQ(refused.error().where().line, 28);
    EXPECT_EQ(refused.error().where().field, "features");
  }
}

TEST(ReplayStudy, APolicyThatWatchesFollowsAChange) {
  const TempFolder folder;
  const std::string log = folder.path("log.jsonl");
  Random random(16);
  auto writer = ReplayLogWriter::Create(log);
  ASSERT_TRUE(writer.ok());
  for (int i = 0; i < 600; ++i)
    ASSERT_TRUE(writer->Append(ServeWhole(i, i < 300, &random).query).ok());
  ASSERT_TRUE(writer->Publish().ok());
  const auto exact = [&](std::size_t watch) {
    const auto study = StudyReplay(log, {.policies = {"curve"}, .watch = watch});
    EXPECT_TRUE(study.ok());
    return study->policies[0].exact.mean;
  };
  EXPECT_GT(exact(64), exact(0) + 0.02);
  EXPECT_EQ(StudyReplay(log, {.watch = 3}).error().where().field, "options.watch");
}

TEST(ReplayStudy, AQueryThatIsLoggedTwiceIsNotCountedTwice) {
  const TempFolder folder;
  Random random(14);
  auto writer = ReplayLogWriter::Create(folder.path("twice.jsonl"));
  const Made made = Serve(0, &random);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(writer->Append(made.query).ok());
  ASSERT_TRUE(writer->Publish().ok());
  const auto refused = StudyReplay(folder.path("twice.jsonl"));
  EXPECT_EQ(refused.error().where().field, "query_id");
  EXPECT_EQ(refused.error().where().line, 2);
}

}  // namespace
}  // namespace equipoise
