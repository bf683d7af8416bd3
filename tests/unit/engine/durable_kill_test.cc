// A process that is killed at any moment loses no feedback that it has acknowledged.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "durable_data.h"

extern char** environ;

namespace equipoise {
namespace {

using testing::DurableFeedback;

/// What a child says once Feedback has returned ok.
struct Acknowledged {
  std::uint64_t query_id = 0;
  std::uint32_t doc = 0;
  float rating = 0;
};

/// Seconds. With the short one each snapshot takes out of the log what it knows, all but the last moments.
constexpr double kLong = 1e6, kShort = 0.003;

/// In the child: searches and rates until it is killed, saving the snapshot now and then.
int RunUntilKilled(const std::string& index, int pipe, std::uint64_t seed, double retention) {
  auto engine = Engine::Open(index);
  if (!engine) return 3;
  auto policy = MakeWeightPolicy("curve");
  if (!policy) return 4;
  const auto resumed = engine->KeepLearning(*std::move(policy), {}, {.retention = retention});
  if (!resumed) return 4;
  if (resumed->forgotten != 0) return 9;
  const std::uint64_t between = retention == kShort ? 4 : 16;  // snapshots
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
      if (!out && out.error().code() == Code::kNotFound && retention == kShort)
        break;  // somebody else had the processor in between
      if (!out) return 6;
      if (::write(pipe, &said, sizeof said) != sizeof said) return 7;
    }
    if (i % between == between - 1 && !engine->SavePolicy().ok()) return 8;
  }
}

class KilledProcess : public DurableFeedback {
 protected:
  using Rated = std::pair<std::uint64_t, std::uint32_t>;  // query and document

  /// EQUIPOISE_KILLS=1000 for the long run, half of them with each retention.
  static int Kills() {
    const char* const asked = std::getenv("EQUIPOISE_KILLS");
    return (asked != nullptr ? std::atoi(asked) : 30) / 2;
  }

  /// What another process may do while a child writes.
  void LookFromOutside() {
    Engine reader = Open();
    const auto read = reader.KeepLearning(testing::Made("curve"), {}, {.access = LogAccess::kRead});
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(read->forgotten, 0u);
    EXPECT_TRUE(reader.Search(MakeQuery(1).request()).ok());
    Engine writer = Open();
    EXPECT_EQ(Refused(&writer).code(), Code::kUnavailable);
  }

  void KillOne(int kill, double retention, Random* random) {
    const auto take = [&](const Acknowledged& said) {
      acknowledged_[{said.query_id, said.doc}] = said.rating;
      ++told_;
    };
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    std::string self = "/proc/self/exe", mode = "--until-killed", seed = std::to_string(kill),
                path = folder_.path("index"), kept = retention == kShort ? "short" : "long";
    std::array<char*, 6> arguments = {self.data(), mode.data(), path.data(),
                                      seed.data(), kept.data(), nullptr};
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, self.c_str(), &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    // Any moment: in one of four while it starts, opens or replays, else while it writes.
    Acknowledged said;
    const bool starting = kill % 4 == 0;
    const bool writes = !starting && ::read(ends[0], &said, sizeof said) == sizeof said;
    if (writes) take(said);
    if (writes && kill < 40 && kill % 4 == 1) LookFromOutside();
    std::this_thread::sleep_for(
        std::chrono::microseconds(random->Below(starting ? 60'000 : 15'000)));
    ::kill(child, SIGKILL);
    while (::read(ends[0], &said, sizeof said) == sizeof said) take(said);
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << WEXITSTATUS(status);
  }

  std::map<Rated, float> acknowledged_;
  std::uint64_t told_ = 0;  // acknowledgements
};

TEST_F(KilledProcess, LosesNothingThatWasAcknowledged) {
  Random random(11);
  const int kills = Kills();
  const std::uint64_t fingerprint = Open().collection().fingerprint();
  for (int kill = 0; kill < kills; ++kill) {
    KillOne(kill, kLong, &random);
    ASSERT_FALSE(HasFatalFailure());
  }
  const auto& acknowledged = acknowledged_;
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

// Kills between the new snapshot's name and the removal of what it knows from the log, too.
TEST_F(KilledProcess, LosesNothingWhereSnapshotsShortenTheLog) {
  Random random(12);
  const int kills = Kills();
  const std::uint64_t fingerprint = Open().collection().fingerprint();
  std::uint64_t removed = 0;
  for (int kill = 0; kill < kills; ++kill) {
    KillOne(kill, kShort, &random);
    ASSERT_FALSE(HasFatalFailure());
    if (!std::filesystem::exists(log())) continue;
    auto opened = FeedbackLog::Open(log(), fingerprint, {.access = LogAccess::kRead});
    if (!opened && opened.error().code() == Code::kNotFound) continue;  // killed before its tables
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    // Every acknowledgement has a number, and at most one more of each child has one.
    EXPECT_GE((*opened)->last(), told_);
    EXPECT_LE((*opened)->last(), told_ + static_cast<std::uint64_t>(kill) + 1);
    removed = (*opened)->removed();
    opened->reset();
    Engine engine = Open();
    EXPECT_EQ(Keep(&engine, {}, {.access = LogAccess::kRead}).forgotten, 0u) << kill;
  }
  EXPECT_GT(removed, 0u);
  // The policy has all of it: each query once.
  Engine engine = Open();
  Keep(&engine, {}, {.access = LogAccess::kRead});
  std::uint64_t learned = 0;
  for (int d = 0; d < 5; ++d)
    learned += PolicyOf(engine).Inspect("d" + std::to_string(d))->feedbacks;
  std::set<std::uint64_t> queries;
  for (const auto& [of, rating] : acknowledged_) queries.insert(of.first);
  EXPECT_GE(learned, queries.size());
  EXPECT_LE(learned, queries.size() + static_cast<std::size_t>(kills));
}

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) {
  if (argc == 5 && std::string_view(argv[1]) == "--until-killed")
    return equipoise::RunUntilKilled(
        argv[2], 3, std::strtoull(argv[3], nullptr, 10),
        std::string_view(argv[4]) == "short" ? equipoise::kShort : equipoise::kLong);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
