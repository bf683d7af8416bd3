// A log of feedback that is damaged, torn or no log, a folder that cannot be written to, a full disk.
#include <array>
#include <csignal>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <unistd.h>

#include "durable_data.h"

namespace equipoise {
namespace {

using testing::DurableFeedback;
using testing::Made;
using testing::ReadFile;
using testing::WriteFile;

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

// What leaves the log must be in a snapshot that has its name.
TEST_F(DurableFeedback, ASnapshotThatCannotGetItsNameLeavesTheLogAsItIs) {
  std::vector<std::uint64_t> ids;
  Engine engine = Open();
  Keep(&engine, {}, {.retention = 1});
  Feed(engine, 0, 10, &ids);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  std::filesystem::create_directory(snapshot());
  EXPECT_EQ(engine.SavePolicy().code(), Code::kIo);
  EXPECT_EQ(Rows(engine.collection().fingerprint()).size(), 10u);
  std::filesystem::remove(snapshot());
  ASSERT_TRUE(engine.SavePolicy().ok());
  EXPECT_EQ(Rows(engine.collection().fingerprint()).size(), 0u);
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

}  // namespace
}  // namespace equipoise
