// Feedback that outlives the process: the log beside the index, whole, damaged, full, shared, killed.
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <equipoise/engine/feedback_export.h>
#include <equipoise/engine/replay_log.h>

#include "feedback_log.h"
#include "learning_data.h"

extern char** environ;

namespace equipoise {
namespace {

using ::testing::HasSubstr;
using testing::LearningTest;
using testing::Made;
using testing::ReadFile;
using testing::ScriptedPolicy;
using testing::WriteFile;

constexpr double kDay = 86400;

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class DurableFeedback : public LearningTest {
 protected:
  std::string log() const { return folder_.path("index/FEEDBACK"); }
  std::string snapshot() const { return folder_.path("index/POLICY"); }

  static LearningResumed Keep(Engine* engine, const LearningOptions& options = {},
                              const FeedbackLogOptions& log = {}) {
    auto resumed = engine->KeepLearning(Made("curve"), options, log);
    EXPECT_TRUE(resumed.ok()) << resumed.error().ToString();
    return resumed.ok() ? *resumed : LearningResumed{};
  }
  static Status Refused(Engine* engine, const FeedbackLogOptions& log = {}) {
    return engine->KeepLearning(Made("curve"), {}, log).error();
  }

  /// Searches and says what was good, of ten domains; times are made up, so that runs are alike.
  static void Feed(const Engine& engine, std::uint64_t from, std::uint64_t to,
                   std::vector<std::uint64_t>* ids) {
    for (std::uint64_t i = from; i < to; ++i) {
      const Query query = MakeQuery(i);
      const auto found = engine.Search(query.request("domain" + std::to_string(i % 10)));
      ASSERT_TRUE(found.ok());
      ids->push_back(found->query_id);
      const std::uint64_t of = i % 3 == 0 && i > 20 ? i - 20 : i;
      const double now = Now();
      const auto out = engine.Feedback(
          {.query_id = (*ids)[of],
           .hit = i % 4,
           .rating = static_cast<double>(i % 5) / 4,
           .groundedness = i % 7 == 0 ? std::optional(0.5) : std::optional<double>(),
           .time = now,
           .now = now,
           .source = i % 2 == 0 ? "ann" : "bob"});
      ASSERT_TRUE(out.ok()) << out.error().ToString();
    }
  }
  static const CurvePolicy& PolicyOf(const Engine& engine) {
    return dynamic_cast<const CurvePolicy&>(*engine.policy());
  }
  static void ExpectTheSame(const Engine& a, const Engine& b) {
    for (int d = 0; d < 10; ++d) {
      const auto name = "domain" + std::to_string(d);
      const auto one = PolicyOf(a).Inspect(name), other = PolicyOf(b).Inspect(name);
      ASSERT_TRUE(one.ok() && other.ok());
      EXPECT_EQ(one->feedbacks, other->feedbacks) << name;
      EXPECT_EQ(one->mean, other->mean) << name;
      EXPECT_EQ(one->probability, other->probability) << name;
    }
  }
  std::vector<FeedbackEntry> Rows(std::uint64_t fingerprint) const {
    std::vector<FeedbackEntry> rows;
    auto opened = FeedbackLog::Open(log(), fingerprint, {.access = LogAccess::kRead});
    EXPECT_TRUE(opened.ok()) << opened.error().ToString();
    if (!opened.ok()) return rows;
    const Status read = (*opened)->Each(0, [&](const FeedbackEntry& f) {
      rows.push_back(f);
      return Status();
    });
    EXPECT_TRUE(read.ok()) << read.ToString();
    return rows;
  }
};

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

TEST_F(DurableFeedback, ADamagedLogIsRefusedOrReadAsItWas) {
  std::uint64_t fingerprint = 0;
  {
    Engine engine = Open();
    Keep(&engine);
    std::vector<std::uint64_t> ids;
    Feed(engine, 0, 60, &ids);
    fingerprint = engine.collection().fingerprint();
  }
  const auto numbers = [](const std::vector<FeedbackEntry>& rows) {
    std::vector<std::array<double, 3>> out;
    for (const auto& f : rows)
      out.push_back({static_cast<double>(f.number), *f.rating, static_cast<double>(*f.doc)});
    return out;
  };
  const auto truth = numbers(Rows(fingerprint));
  const std::string whole = ReadFile(log());
  int refused = 0;
  Random random(7);
  for (int trial = 0; trial < 300; ++trial) {
    std::string bytes = whole;
    if (trial % 3 == 0) {
      bytes.resize(random.Below(bytes.size()));
    } else {
      for (int i = 0; i < (trial % 3 == 1 ? 1 : 50); ++i)
        bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    }
    WriteFile(log(), bytes);
    Engine engine = Open();
    const auto resumed = engine.KeepLearning(Made("curve"));
    if (!resumed.ok()) {
      ++refused;
      const Code code = resumed.error().code();
      EXPECT_TRUE(code == Code::kCorruption || code == Code::kUnsupported ||
                  code == Code::kInvalidArgument || code == Code::kIo)
          << resumed.error().ToString();
      EXPECT_EQ(engine.policy(), nullptr);
    } else if (resumed->replayed > 0) {
      ASSERT_TRUE(engine.UsePolicy(nullptr).ok());
      EXPECT_EQ(numbers(Rows(fingerprint)), truth);
    }
    std::filesystem::remove(log() + "-wal");
    std::filesystem::remove(log() + "-shm");
  }
  EXPECT_GT(refused, 100);
  EXPECT_TRUE(Engine::Open(folder_.path("index")).ok());
}

TEST_F(DurableFeedback, ATornLastRecordIsAsIfItHadNotCome) {
  Engine engine = Open();
  Keep(&engine);
  std::vector<std::uint64_t> ids;
  Feed(engine, 0, 10, &ids);
  // A copy of the files of a process that has not closed them, the end of the last write missing.
  Build("torn", 1);
  for (const char* end : {"", "-wal"})
    std::filesystem::copy(log() + end, folder_.path("torn/FEEDBACK") + end);
  const std::string wal = folder_.path("torn/FEEDBACK-wal");
  std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 100);
  Engine torn = Open("torn");
  const LearningResumed resumed = Keep(&torn);
  EXPECT_EQ(resumed.replayed, 9u);
  std::vector<std::uint64_t> more;
  Feed(torn, 0, 5, &more);
}

// Of this thread alone.
class AsNobody {
 public:
  AsNobody() { ::setfsuid(65534); }
  ~AsNobody() { ::setfsuid(::geteuid()); }
};

TEST_F(DurableFeedback, AFolderThatCannotBeWrittenToIsReadFrom) {
  std::vector<std::uint64_t> ids;
  {
    Engine engine = Open();
    Keep(&engine);
    Feed(engine, 0, 20, &ids);
  }
  namespace fs = std::filesystem;
  fs::permissions(folder_.path("index"), fs::perms(0555));
  {
    const AsNobody nobody;
    Engine engine = Open();
    const Status refused = Refused(&engine);
    EXPECT_EQ(refused.code(), Code::kIo);
    EXPECT_EQ(engine.policy(), nullptr);
    EXPECT_EQ(Keep(&engine, {}, {.access = LogAccess::kRead}).replayed, 20u);
    const Query query = MakeQuery(1);
    EXPECT_TRUE(engine.Search(query.request()).ok());
    EXPECT_FALSE(engine.SavePolicy().ok());
  }
  fs::permissions(folder_.path("index"), fs::perms(0755));
  Build("empty", 1);
  fs::permissions(folder_.path("empty"), fs::perms(0555));
  {
    const AsNobody nobody;
    Engine engine = Open("empty");
    EXPECT_EQ(Refused(&engine).code(), Code::kIo);
    EXPECT_EQ(Refused(&engine, {.access = LogAccess::kRead}).code(), Code::kNotFound);
  }
  fs::permissions(folder_.path("empty"), fs::perms(0755));
}

TEST_F(DurableFeedback, AFullDiskRefusesFeedbackAndNothingElse) {
  std::vector<std::uint64_t> ids;
  Engine engine = Open();
  Keep(&engine);
  Feed(engine, 0, 20, &ids);
  const auto known = PolicyOf(engine).Inspect("domain3")->feedbacks;
  // No file may grow beyond what the log has; writing more is an error, not a signal.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old = std::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = std::filesystem::file_size(log() + "-wal") + 5000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  int refused = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.Search(query.request("domain3"));
    EXPECT_TRUE(found.ok());
    const auto out = engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0});
    if (out.ok()) continue;
    ++refused;
    EXPECT_EQ(out.error().code(), Code::kIo) << out.error().ToString();
    EXPECT_EQ(out.error().where().file, log());
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old);
  EXPECT_GT(refused, 10);
  EXPECT_EQ(PolicyOf(engine).Inspect("domain3")->feedbacks, known + 20 - refused);
  // There is room again.
  Feed(engine, 20, 40, &ids);
  Engine again = Open();
  EXPECT_EQ(Keep(&again, {}, {.access = LogAccess::kRead}).replayed, 60u - refused);
  ExpectTheSame(engine, again);
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

TEST_F(DurableFeedback, AnotherDatabaseIsLeftAlone) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(log().c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "CREATE TABLE mine (x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const std::string bytes = ReadFile(log());
  Engine engine = Open();
  EXPECT_EQ(Refused(&engine).code(), Code::kInvalidArgument);
  EXPECT_EQ(ReadFile(log()), bytes);
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

// Killed

/// What a child says once Feedback has returned ok.
struct Acknowledged {
  std::uint64_t query_id = 0;
  std::uint32_t doc = 0;
  float rating = 0;
};

/// In the child: searches and rates until it is killed, saving the snapshot now and then.
int RunUntilKilled(const std::string& index, int pipe, std::uint64_t seed) {
  auto engine = Engine::Open(index);
  if (!engine) return 3;
  auto policy = MakeWeightPolicy("curve");
  if (!policy || !engine->KeepLearning(*std::move(policy), {}, {.retention = 1e6})) return 4;
  Random random(seed);
  for (std::uint64_t i = 0;; ++i) {
    std::string text;
    for (int w = 0; w < 2; ++w) text += "word" + std::to_string(random.Below(20)) + " ";
    std::vector<float> embedding;
    for (std::size_t j = 0; j < testing::kDimensions; ++j)
      embedding.push_back(static_cast<float>(random.Uniform() - 0.5));
    const auto found = engine->Search(
        {.text = text, .embedding = embedding, .domain = "d" + std::to_string(random.Below(5))});
    if (!found || found->hits.size() < 3) return 5;
    for (std::uint32_t hit = 0; hit < 3; ++hit) {
      const Acknowledged said{.query_id = found->query_id,
                              .doc = found->hits[hit].doc,
                              .rating = static_cast<float>(random.Below(5)) / 4};
      const auto out = engine->Feedback(
          {.query_id = found->query_id, .hit = hit, .rating = static_cast<double>(said.rating)});
      if (!out) return 6;
      if (::write(pipe, &said, sizeof said) != sizeof said) return 7;
    }
    if (i % 16 == 15 && !engine->SavePolicy().ok()) return 8;
  }
}

// EQUIPOISE_KILLS=1000 for the long run.
TEST_F(DurableFeedback, AKilledProcessLosesNothingThatWasAcknowledged) {
  const char* const asked = std::getenv("EQUIPOISE_KILLS");
  const int kills = asked != nullptr ? std::atoi(asked) : 30;
  std::map<std::pair<std::uint64_t, std::uint32_t>, float> acknowledged;
  Random random(11);
  const std::string index = folder_.path("index");
  const std::uint64_t fingerprint = Open().collection().fingerprint();
  for (int kill = 0; kill < kills; ++kill) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    std::string self = "/proc/self/exe", mode = "--until-killed", seed = std::to_string(kill),
                path = index;
    std::array<char*, 5> arguments = {self.data(), mode.data(), path.data(), seed.data(), nullptr};
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, self.c_str(), &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    // Any moment: in one of four while it starts, opens or replays, else while it writes.
    Acknowledged said;
    const bool starting = kill % 4 == 0;
    if (!starting && ::read(ends[0], &said, sizeof said) == sizeof said)
      acknowledged[{said.query_id, said.doc}] = said.rating;
    std::this_thread::sleep_for(
        std::chrono::microseconds(random.Below(starting ? 60'000 : 15'000)));
    ::kill(child, SIGKILL);
    while (::read(ends[0], &said, sizeof said) == sizeof said)
      acknowledged[{said.query_id, said.doc}] = said.rating;
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << WEXITSTATUS(status);
  }
  RecordProperty("acknowledged", static_cast<int>(acknowledged.size()));
  ASSERT_GT(acknowledged.size(), static_cast<std::size_t>(kills));
  Engine engine = Open();
  const LearningResumed resumed = Keep(&engine);
  EXPECT_EQ(resumed.forgotten, 0u);
  ASSERT_TRUE(engine.UsePolicy(nullptr).ok());
  std::map<std::pair<std::uint64_t, std::uint32_t>, float> logged;
  for (const FeedbackEntry& f : Rows(fingerprint))
    logged[{f.query_id, *f.doc}] = static_cast<float>(*f.rating);
  for (const auto& [of, rating] : acknowledged) {
    const auto at = logged.find(of);
    ASSERT_TRUE(at != logged.end()) << of.first << " " << of.second;
    EXPECT_EQ(at->second, rating);
  }
  // What comes after the snapshots is what comes without them: the cache is right, kills or not.
  const auto learned = [&] {
    Engine fresh = Open();
    Keep(&fresh, {}, {.access = LogAccess::kRead});
    std::vector<std::vector<double>> means;
    for (int d = 0; d < 5; ++d) {
      const auto known = PolicyOf(fresh).Inspect("d" + std::to_string(d));
      means.push_back(known->mean);
      means.back().push_back(static_cast<double>(known->feedbacks));
    }
    return means;
  };
  const auto with = learned();
  std::filesystem::remove(snapshot());
  EXPECT_EQ(learned(), with);
}

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--until-killed")
    return equipoise::RunUntilKilled(argv[2], 3, std::strtoull(argv[3], nullptr, 10));
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
