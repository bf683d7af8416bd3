// A process that is killed at any moment loses no feedback that it has acknowledged.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

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
