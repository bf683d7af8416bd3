// Feedback that outlives the engine: a log beside the index, replayed, shared, trimmed, exported.
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>

#include <equipoise/engine/feedback_export.h>
#include <equipoise/engine/replay_log.h>

#include "durable_data.h"

namespace equipoise {
namespace {

using testing::DurableFeedback;
using ::testing::HasSubstr;
using testing::kDay;
using testing::Now;
using testing::ReadFile;
using testing::ScriptedPolicy;
using testing::WriteFile;

TEST_F(DurableFeedback, IsThereAgainWithoutASnapshotBitForBit) {
  std::vector<std::uint64_t> ids;
  Engine first = Open();
  Keep(&first);
  Feed(first, 0, 100, &ids);
  // As after a kill: the other engine reads the log while this one, which never closes it, is there.
  Engine second = Open();
  const LearningResumed resumed = Keep(&second, {}, {.access = LogAccess::kRead});
  EXPECT_EQ(resumed.replayed, 100u);
  EXPECT_EQ(resumed.refused, 0u);
  EXPECT_EQ(resumed.forgotten, 0u);
  EXPECT_FALSE(resumed.snapshot);
  ExpectTheSame(first, second);
}

TEST_F(DurableFeedback, TheSnapshotIsACacheOfTheLog) {
  std::vector<std::uint64_t> ids;
  {
    Engine first = Open();
    Keep(&first);
    Feed(first, 0, 60, &ids);
    ASSERT_TRUE(first.SavePolicy().ok());
    Feed(first, 60, 100, &ids);
  }
  const std::string whole = ReadFile(snapshot());
  Engine with = Open();
  const LearningResumed resumed = Keep(&with, {}, {.access = LogAccess::kRead});
  EXPECT_TRUE(resumed.snapshot);
  EXPECT_EQ(resumed.replayed, 40u);
  WriteFile(snapshot(), whole.substr(0, whole.size() / 2));
  Engine damaged = Open();
  EXPECT_EQ(Keep(&damaged, {}, {.access = LogAccess::kRead}).replayed, 100u);
  std::filesystem::remove(snapshot());
  Engine without = Open();
  EXPECT_EQ(Keep(&without, {}, {.access = LogAccess::kRead}).replayed, 100u);
  ExpectTheSame(with, damaged);
  ExpectTheSame(with, without);
}

TEST_F(DurableFeedback, GoesOnWithQueriesOfBefore) {
  std::vector<std::uint64_t> ids;
  std::uint64_t never = 0;
  {
    Engine first = Open();
    Keep(&first);
    Feed(first, 0, 30, &ids);
    const Query query = MakeQuery(99);
    never = first.Search(query.request())->query_id;
  }
  Engine second = Open();
  Keep(&second, {.remembered = 4});  // most of them only the log knows
  const auto before = PolicyOf(second).Inspect("domain1")->feedbacks;
  for (const std::uint64_t id : {ids[1], ids[11], ids[1]}) {
    const auto out = second.Feedback({.query_id = id, .hit = 5, .rating = 1.0});
    ASSERT_TRUE(out.ok()) << out.error().ToString();
    EXPECT_TRUE(out->learned);
  }
  // They were learned from before: that was taken back, not counted twice.
  EXPECT_EQ(PolicyOf(second).Inspect("domain1")->feedbacks, before);
  // Nobody gave feedback on that one, so nothing of it outlived its engine.
  EXPECT_EQ(second.Feedback({.query_id = never, .hit = 0, .rating = 1.0}).error().code(),
            Code::kNotFound);
}

TEST_F(DurableFeedback, ARecordThatOnlyTheLogKnowsTeachesAsTheRememberedOne) {
  const auto run = [&](const std::string& index, std::size_t remembered) {
    Build(index, 1);
    const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
    Engine engine = Open(index);
    EXPECT_TRUE(engine.KeepLearning(policy, {.remembered = remembered}).ok());
    std::vector<std::uint64_t> ids;
    for (std::uint64_t i = 0; i < 40; ++i) {
      const Query query = MakeQuery(i);
      ids.push_back(engine.Search(query.request("wings"))->query_id);
      const auto rate = [&](std::uint64_t id, double rating, std::string_view source) {
        EXPECT_TRUE(
            engine.Feedback({.query_id = id, .hit = i % 3, .rating = rating, .source = source})
                .ok());
      };
      rate(ids.back(), 1.0, "ann");
      rate(ids[i / 2], 0.25, "bob");
      rate(ids[i / 4], 0.75, "ann");
    }
    return policy->told;
  };
  const auto known = run("known", 4096), logged = run("logged", 1);
  ASSERT_EQ(known.size(), logged.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    EXPECT_THAT(logged[i].curve,
                ::testing::Pointwise(::testing::NanSensitiveDoubleEq(), known[i].curve))
        << i;
    EXPECT_THAT(logged[i].replaced,
                ::testing::Pointwise(::testing::NanSensitiveDoubleEq(), known[i].replaced))
        << i;
    EXPECT_EQ(logged[i].weight, known[i].weight);
    EXPECT_EQ(logged[i].replaced_weight, known[i].replaced_weight);
  }
}

TEST_F(DurableFeedback, TwiceWithDifferentRatingsTheLastCountsAndBothAreLogged) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.KeepLearning(policy).ok());
  const Query query = MakeQuery(1);
  const auto found = engine.Search(query.request());
  const double now = Now();
  const auto rate = [&](double rating, double time) {
    return engine.Feedback(
        {.query_id = found->query_id, .hit = 0, .rating = rating, .time = time, .now = now});
  };
  ASSERT_TRUE(rate(0.0, now - 10)->learned);
  ASSERT_TRUE(rate(1.0, now - 5)->learned);
  // One that comes late and is older changes nothing, and is in the log.
  const auto late = rate(0.5, now - 7);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late->verdict, FeedbackVerdict::kDuplicate);
  const auto rows = Rows(engine.collection().fingerprint());
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].rating, 0.0);
  EXPECT_EQ(rows[1].rating, 1.0);
  EXPECT_EQ(rows[2].rating, 0.5);
  EXPECT_EQ(policy->told.size(), 2u);
  EXPECT_EQ(policy->told[1].replaced.size(), policy->told[0].curve.size());
}

TEST_F(DurableFeedback, AClockThatJumpsBackAYearLeavesTheLastRatingTheLast) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.KeepLearning(policy).ok());
  const Query query = MakeQuery(1);
  const auto found = engine.Search(query.request());
  const auto rate = [&](double rating, double now) {
    return engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = rating, .now = now});
  };
  const double now = Now();
  ASSERT_TRUE(rate(0.0, now)->learned);
  const auto second = rate(1.0, now - 365 * kDay);
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(second->learned);
  EXPECT_EQ(second->weight, 1);
  const auto third = rate(0.25, now - 364 * kDay);
  EXPECT_TRUE(third->learned);
  ASSERT_EQ(policy->told.size(), 3u);
  Engine again = Open();
  const auto replay = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(again.KeepLearning(replay, {}, {.access = LogAccess::kRead}).ok());
  ASSERT_EQ(replay->told.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(replay->told[i].curve, policy->told[i].curve) << i;
}

TEST_F(DurableFeedback, AfterAClockHasJumpedBackAYearAllIsLearnedAndTheFilterCompares) {
  LearningOptions options;
  options.filter.rating_high = 100;
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.KeepLearning(policy, options).ok());
  const double before = Now(), after = before - 365 * kDay;
  std::size_t told = 0;
  const auto rate = [&](double rating, double now, std::optional<double> time, const char* source) {
    const auto found = engine.Search(MakeQuery(told).request());
    ++told;
    return engine.Feedback({.query_id = found->query_id,
                            .hit = told % 3,
                            .rating = rating,
                            .time = time,
                            .now = now,
                            .source = source});
  };
  for (int i = 0; i < 39; ++i) ASSERT_TRUE(rate(10 + 0.1 * i, before + i, {}, "ann")->learned);
  // Another source, other queries; a time of its own, too.
  const auto outlier = rate(99, after, {}, "bob");
  EXPECT_EQ(outlier->verdict, FeedbackVerdict::kOutlier);
  for (int i = 0; i < 5; ++i) {
    for (const std::optional<double>& time :
         {std::optional<double>(), std::optional(after - 10 * i)}) {
      const auto out = rate(11, after + i, time, i % 2 == 0 ? "bob" : "ann");
      ASSERT_TRUE(out.ok()) << out.error().ToString();
      EXPECT_EQ(out->verdict, FeedbackVerdict::kKept);
      EXPECT_NEAR(out->weight, 1, 1e-4);
      EXPECT_TRUE(out->learned);
    }
  }
  // The time of somebody whose clock did not jump is one to come.
  const std::size_t so_far = told;
  const Status refused = rate(11, after, before, "cat").error();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.where().field, "time");
  Engine again = Open();
  const auto replay = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  const auto resumed = again.KeepLearning(replay, options, {.access = LogAccess::kRead});
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->replayed, so_far);
  EXPECT_EQ(resumed->refused, 0u);
}

// SQLite keeps −0 as 0: what was written is read back all the same.
TEST_F(DurableFeedback, ZeroWithASignIsNoDamage) {
  Engine engine = Open();
  Keep(&engine);
  const Query query = MakeQuery(1);
  const auto found = engine.Search(query.request());
  const auto told = engine.Feedback({.query_id = found->query_id,
                                     .hit = 0,
                                     .rating = -0.0,
                                     .groundedness = -0.0,
                                     .confidence = 1.0,
                                     .dwell = -0.0,
                                     .time = -0.0,
                                     .now = -0.0});
  ASSERT_TRUE(told.ok()) << told.error().ToString();
  EXPECT_EQ(Rows(engine.collection().fingerprint()).size(), 1u);
  Engine again = Open();
  EXPECT_EQ(Keep(&again, {}, {.access = LogAccess::kRead}).replayed, 1u);
}

// What was kept while learning was frozen taught nothing that could be taken back, whoever remembers it.
TEST_F(DurableFeedback, WhatCameWhileFrozenIsLearnedOnceFromTheLogToo) {
  std::vector<std::uint64_t> ids;
  {
    Engine frozen = Open();
    Keep(&frozen, {.frozen = true, .remembered = 1});
    for (std::uint64_t i = 0; i < 8; ++i) {
      const Query query = MakeQuery(i);
      ids.push_back(frozen.Search(query.request("wings"))->query_id);
      ASSERT_TRUE(frozen.Feedback({.query_id = ids.back(), .hit = 0, .rating = 1.0}).ok());
    }
    ASSERT_TRUE(frozen.SavePolicy().ok());
  }
  {
    Engine frozen = Open();
    EXPECT_EQ(Keep(&frozen, {.frozen = true, .remembered = 1}).replayed, ids.size());
    EXPECT_EQ(PolicyOf(frozen).Inspect("wings")->feedbacks, 0u);
    ASSERT_TRUE(frozen.SavePolicy().ok());
  }
  Engine engine = Open();
  const auto resumed = Keep(&engine, {.remembered = 1});
  EXPECT_TRUE(resumed.snapshot);
  EXPECT_EQ(resumed.replayed, ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto told = engine.Feedback({.query_id = ids[i], .hit = 1, .rating = 0.0});
    ASSERT_TRUE(told.ok()) << told.error().ToString();
    EXPECT_EQ(PolicyOf(engine).Inspect("wings")->feedbacks, ids.size());
  }
  EXPECT_NEAR(PolicyOf(engine).Inspect("wings")->queries, 8, 0.5);
  ASSERT_TRUE(engine.SavePolicy().ok());
}

// A query that was learned before the freeze teaches afterwards what it says now, in place of that.
TEST_F(DurableFeedback, WhatAFrozenEngineFindsInTheLogIsTakenBackAsItWasLearned) {
  const auto rate = [](const Engine& engine, std::uint64_t id, std::size_t hit, double rating) {
    const auto told = engine.Feedback({.query_id = id, .hit = hit, .rating = rating});
    ASSERT_TRUE(told.ok()) << told.error().ToString();
  };
  std::vector<std::uint64_t> ids;
  const auto ask = [&](const Engine& engine) {
    ids.push_back(engine.Search(MakeQuery(ids.size()).request("wings"))->query_id);
  };
  {
    Engine engine = Open();
    Keep(&engine, {.remembered = 1});
    for (int i = 0; i < 8; ++i) {
      ask(engine);
      rate(engine, ids.back(), 0, 1.0);
    }
    ASSERT_TRUE(engine.SavePolicy().ok());
  }
  {
    Engine frozen = Open();
    Keep(&frozen, {.frozen = true, .remembered = 1});
    for (const std::uint64_t id : ids) rate(frozen, id, 1, 0.0);
    ASSERT_TRUE(frozen.SavePolicy().ok());
  }
  Engine engine = Open();
  EXPECT_EQ(Keep(&engine, {.remembered = 1}).replayed, ids.size());
  EXPECT_EQ(PolicyOf(engine).Inspect("wings")->feedbacks, ids.size());
  Engine plain = Open();
  std::filesystem::remove(snapshot());
  Keep(&plain, {}, {.access = LogAccess::kRead});
  const auto one = PolicyOf(engine).Inspect("wings"), other = PolicyOf(plain).Inspect("wings");
  EXPECT_NEAR(one->queries, other->queries, 1e-6);
  for (std::size_t i = 0; i < one->mean.size(); ++i)
    EXPECT_NEAR(one->mean[i], other->mean[i], 1e-6) << i;
}

TEST_F(DurableFeedback, WhatIsRefusedIsNotLogged) {
  Engine engine = Open();
  Keep(&engine);
  const Query query = MakeQuery(1);
  const auto found = engine.Search(query.request());
  const std::uint64_t id = found->query_id;
  const double nan = std::nan("");
  EXPECT_EQ(engine.Feedback({.query_id = id, .hit = 99, .rating = 1.0}).error().code(),
            Code::kNotFound);
  EXPECT_EQ(engine.Feedback({.query_id = id + 1, .hit = 0, .rating = 1.0}).error().code(),
            Code::kNotFound);
  EXPECT_EQ(engine.Feedback({.query_id = id, .document = "none", .rating = 1.0}).error().code(),
            Code::kNotFound);
  EXPECT_EQ(engine.Feedback({.query_id = id, .hit = 0, .rating = nan}).error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(engine.Feedback({.query_id = id, .hit = 0, .rating = 1.0, .time = nan}).error().code(),
            Code::kInvalidArgument);
  EXPECT_TRUE(Rows(engine.collection().fingerprint()).empty());
}

TEST_F(DurableFeedback, QueriesEndWithTheRetentionAndFeedbackLeavesTheLog) {
  const double now = Now();
  std::uint64_t old = 0, young = 0;
  std::string context;
  const FeedbackLogOptions month{.retention = 30 * kDay};
  {
    Engine engine = Open();
    Keep(&engine, {}, month);
    const Query query = MakeQuery(1);
    const auto found = engine.Search(query.request("domain1"));
    context = found->context->Serialize();
    const auto later = engine.Search(query.request("domain2"));
    old = found->query_id, young = later->query_id;
    // Now and a month later, by the program's clock.
    ASSERT_TRUE(engine.Feedback({.query_id = old, .hit = 0, .rating = 1.0}).ok());
    const auto refused =
        engine.Feedback({.query_id = old, .hit = 0, .rating = 0.0, .now = now + 31 * kDay});
    EXPECT_EQ(refused.error().code(), Code::kNotFound);
    EXPECT_THAT(refused.error().message(), HasSubstr("31 days"));
    EXPECT_EQ(engine.Feedback({.context = context, .hit = 0, .rating = 0.0, .now = now + 31 * kDay})
                  .error()
                  .code(),
              Code::kNotFound);
    // Two that came long ago by their times, one that did not.
    for (const double age : {100.0, 90.0, 1.0})
      ASSERT_TRUE(engine
                      .Feedback({.query_id = young,
                                 .hit = 2,
                                 .rating = 1.0,
                                 .time = now - age * kDay,
                                 .now = now - age * kDay,
                                 .source = std::to_string(age)})
                      .ok());
    EXPECT_EQ(Rows(engine.collection().fingerprint()).size(), 4u);
  }
  {
    // The first is young, and what comes after it stays: the log has no holes.
    Engine engine = Open();
    Keep(&engine, {}, month);
    ASSERT_TRUE(engine.SavePolicy().ok());
    EXPECT_EQ(Rows(engine.collection().fingerprint()).size(), 4u);
  }
  {
    Engine engine = Open();
    Keep(&engine, {}, {.retention = 1e-3});
    ASSERT_TRUE(engine.SavePolicy().ok());
    EXPECT_TRUE(Rows(engine.collection().fingerprint()).empty());
  }
  {
    // What it has taught stays: in the snapshot.
    Engine engine = Open();
    const LearningResumed resumed = Keep(&engine, {}, month);
    EXPECT_EQ(resumed.replayed, 0u);
    EXPECT_EQ(resumed.forgotten, 0u);
    EXPECT_EQ(PolicyOf(engine).Inspect("domain2")->feedbacks, 1u);
    ASSERT_TRUE(engine.Feedback({.context = context, .hit = 0, .rating = 1.0}).ok());
    EXPECT_EQ(Rows(engine.collection().fingerprint()).front().number, 5u);
  }
  // Without the snapshot it is gone, and that is said; a damaged one is no longer only a cache.
  WriteFile(snapshot(), "equipoise engine-policy");
  Engine engine = Open();
  EXPECT_EQ(Refused(&engine, month).code(), Code::kCorruption);
  std::filesystem::remove(snapshot());
  EXPECT_EQ(Keep(&engine, {}, month).forgotten, 4u);
}

TEST_F(DurableFeedback, OneWritesAndOthersSearch) {
  Engine writer = Open(), second = Open(), reader = Open();
  Keep(&writer);
  const Status refused = Refused(&second);
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("one writer"));
  EXPECT_EQ(second.policy(), nullptr);
  Keep(&reader, {}, {.access = LogAccess::kRead});
  const Query query = MakeQuery(1);
  const auto found = reader.Search(query.request());
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->alpha_source, AlphaSource::kPrior);
  const auto told = reader.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0});
  EXPECT_EQ(told.error().code(), Code::kUnavailable);
  EXPECT_EQ(reader.SavePolicy().code(), Code::kUnavailable);
  EXPECT_TRUE(reader.SavePolicy(folder_.path("elsewhere")).ok());
  // The writer learns from what the reader found.
  EXPECT_TRUE(
      writer.Feedback({.context = found->context->Serialize(), .hit = 0, .rating = 1.0})->learned);
  ASSERT_TRUE(writer.UsePolicy(nullptr).ok());
  Keep(&second);
}

TEST_F(DurableFeedback, ALogOfAnotherIndexIsRefused) {
  {
    Engine engine = Open();
    Keep(&engine);
    std::vector<std::uint64_t> ids;
    Feed(engine, 0, 30, &ids);
  }
  Build("other", 2);
  std::filesystem::copy(log(), folder_.path("other/FEEDBACK"));
  Engine other = Open("other");
  const Status refused = Refused(&other);
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.where().file, folder_.path("other/FEEDBACK"));
  EXPECT_EQ(other.policy(), nullptr);

  Build("index", 3);
  Engine again = Open();
  EXPECT_EQ(Refused(&again).code(), Code::kInvalidArgument);
  EXPECT_EQ(Keep(&again, {}, {.rebuilt = true}).replayed, 30u);
  EXPECT_GT(PolicyOf(again).Inspect("domain1")->feedbacks, 0u);
  const auto rows = Rows(again.collection().fingerprint());
  EXPECT_EQ(again.Feedback({.query_id = rows[3].query_id, .hit = 0, .rating = 1.0}).error().code(),
            Code::kInvalidArgument);
  const Query query = MakeQuery(1);
  const auto found = again.Search(query.request());
  EXPECT_TRUE(again.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0}).ok());
}

TEST_F(DurableFeedback, TenThousandDomains) {
  {
    Engine engine = Open();
    Keep(&engine);
    const Query query = MakeQuery(1);
    for (int i = 0; i < 10'000; ++i) {
      const auto found = engine.Search(query.request("domain" + std::to_string(i)));
      ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0})->learned);
    }
  }
  Engine again = Open();
  EXPECT_EQ(Keep(&again).replayed, 10'000u);
  EXPECT_EQ(PolicyOf(again).Inspect("domain9999")->feedbacks, 1u);
}

TEST_F(DurableFeedback, FromManyThreadsAllOfItIsThere) {
  constexpr int kThreads = 4, kEach = 50;
  std::uint64_t fingerprint = 0;
  {
    Engine engine = Open();
    Keep(&engine, {}, {.sync = LogSync::kFull});
    fingerprint = engine.collection().fingerprint();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const Query query = MakeQuery(static_cast<std::uint64_t>(t * kEach + i));
          const auto found = engine.Search(query.request("domain" + std::to_string(t)));
          EXPECT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 1, .rating = 1.0}).ok());
        }
      });
    for (std::thread& thread : threads) thread.join();
  }
  const auto rows = Rows(fingerprint);
  EXPECT_EQ(rows.size(), std::size_t{kThreads * kEach});
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].number, i + 1);
  Engine again = Open();
  Keep(&again);
  for (int t = 0; t < kThreads; ++t)
    EXPECT_EQ(PolicyOf(again).Inspect("domain" + std::to_string(t))->feedbacks, kEach);
}

TEST_F(DurableFeedback, BuildingAgainLeavesTheLogWhereItIs) {
  {
    Engine engine = Open();
    Keep(&engine);
    std::vector<std::uint64_t> ids;
    Feed(engine, 0, 3, &ids);
  }
  Build("index", 1);
  Engine engine = Open();
  EXPECT_EQ(Keep(&engine, {}, {.rebuilt = true}).replayed, 3u);
}

TEST_F(DurableFeedback, IsExportedAsALogThatPoliciesAreJudgedOn) {
  const std::string out = folder_.path("log.jsonl");
  EXPECT_EQ(ExportFeedback(folder_.path("index"), out).error().code(), Code::kNotFound);
  Engine engine = Open();
  Keep(&engine);
  std::vector<std::uint64_t> ids;
  Feed(engine, 0, 60, &ids);
  const Query query = MakeQuery(1);
  const auto last = engine.Search(query.request("domain1"));
  ASSERT_TRUE(engine.Feedback({.query_id = last->query_id, .groundedness = 0.5}).ok());
  const auto exported = ExportFeedback(folder_.path("index"), out);
  ASSERT_TRUE(exported.ok()) << exported.error().ToString();
  const auto rows = Rows(engine.collection().fingerprint());
  EXPECT_EQ(exported->feedback + exported->left_out, rows.size());
  EXPECT_EQ(exported->left_out, 1u);

  auto reader = ReplayLogReader::Open(out);
  ASSERT_TRUE(reader.ok());
  LoggedQuery read;
  std::size_t queries = 0, feedback = 0;
  for (;; ++queries) {
    const auto more = reader->Next(&read);
    ASSERT_TRUE(more.ok()) << more.error().ToString();
    if (!*more) break;
    auto opened =
        FeedbackLog::Open(log(), engine.collection().fingerprint(), {.access = LogAccess::kRead});
    ASSERT_TRUE(opened.ok());
    const auto context = (*opened)->Context(std::stoull(read.query_id));
    ASSERT_TRUE(context.ok());
    EXPECT_EQ(read.domain, context->domain);
    EXPECT_EQ(read.decision.alpha, context->decision.alpha);
    EXPECT_EQ(read.decision.propensity, context->decision.propensity);
    EXPECT_EQ(read.candidates.size(), context->candidates.size());
    ASSERT_EQ(read.shown.size(), context->shown.size());
    for (std::size_t i = 0; i < read.shown.size(); ++i)
      EXPECT_EQ(read.shown[i], engine.collection().Get(context->shown[i]).id);
    const auto of = *(*opened)->Of(context->query_id, rows.size() + 1);
    ASSERT_EQ(read.feedback.size(), context->query_id == last->query_id ? 0 : of.size());
    for (std::size_t i = 0; i < read.feedback.size(); ++i) {
      EXPECT_EQ(read.feedback[i].doc, engine.collection().Get(*of[i].doc).id);
      EXPECT_EQ(read.feedback[i].rating, *of[i].rating);
      EXPECT_EQ(read.feedback[i].time, of[i].time);
    }
    feedback += read.feedback.size();
  }
  EXPECT_EQ(queries, exported->queries);
  EXPECT_EQ(feedback, exported->feedback);
  EXPECT_EQ(ExportFeedback(folder_.path("index"), out, {.rating_low = 0.5}).error().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace equipoise
