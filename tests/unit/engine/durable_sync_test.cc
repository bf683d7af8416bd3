// What is on the disk when Feedback returns: the calls that put it there are counted.
#include <algorithm>
#include <atomic>

#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "durable_data.h"

namespace {

std::atomic<std::uint64_t> flushes{0};

}  // namespace

// In place of the C library's, in this program and in the libraries that it uses.
extern "C" int fsync(int file) {
  ++flushes;
  return static_cast<int>(::syscall(SYS_fsync, file));
}
extern "C" int fdatasync(int file) {
  ++flushes;
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

namespace equipoise {
namespace {

using testing::DurableFeedback;

class Flushed : public DurableFeedback {
 protected:
  static constexpr std::uint64_t kRatings = 40;
  /// Of each of 40 ratings, ascending.
  static std::vector<std::uint64_t> Counts(const Engine& engine) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 0; i < kRatings; ++i) {
      const auto found = engine.Search(MakeQuery(i).request());
      const std::uint64_t before = flushes;
      const auto told = engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0});
      EXPECT_TRUE(told.ok()) << told.error().ToString();
      out.push_back(flushes - before);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
};

TEST_F(Flushed, WithFullSyncEveryRatingIsOnTheDiskElseFewAre) {
  Engine full = Open();
  Keep(&full, {}, {.sync = LogSync::kFull});
  EXPECT_GE(Counts(full).front(), 1u);
  Build("other", 1);
  Engine normal = Open("other");
  Keep(&normal);
  const auto counts = Counts(normal);
  EXPECT_EQ(counts[kRatings / 2], 0u);
}

}  // namespace
}  // namespace equipoise
