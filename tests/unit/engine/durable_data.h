// Engines whose feedback is kept in a log beside the index, for tests.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "feedback_log.h"
#include "learning_data.h"

namespace equipoise::testing {

inline constexpr double kDay = 86400;

inline double Now() {
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

}  // namespace equipoise::testing
