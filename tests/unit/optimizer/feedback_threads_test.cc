// The number of threads and the form of ids change no bit.
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <equipoise/core/parallel.h>
#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_data.h"

// More threads than the machine has are not started: where it has two, nothing here would ever run on
// eight. So it says, while a test asks for it, that there are that many.
namespace {
bool says_eight = false;
}  // namespace

extern "C" int sched_getaffinity(pid_t pid, std::size_t size, cpu_set_t* set) noexcept {
  if (says_eight) {
    CPU_ZERO_S(size, set);
    for (std::size_t cpu = 0; cpu < 8; ++cpu) CPU_SET_S(cpu, size, set);
    return 0;
  }
  return syscall(SYS_sched_getaffinity, pid, size, set) < 0 ? -1 : 0;
}

namespace equipoise {
namespace {

class FeedbackThreads : public testing::Test {
 protected:
  FeedbackThreads() {
    says_eight = true;
    EXPECT_EQ(AvailableThreads(), 8);
  }
  ~FeedbackThreads() override { says_eight = false; }
};

TEST_F(FeedbackThreads, ResultsAreBitIdenticalForAnyNumberOfThreads) {
  std::uint64_t outliers = 0;
  for (const bool ids : {false, true}) {
    const Data data = Random(530'000, ids);
    using G = FeedbackGrouping;
    for (const G grouping : {G::kGlobal, G::kDomain, G::kItem, G::kSource}) {
      if (!ids && (grouping == G::kItem || grouping == G::kSource)) continue;
      FeedbackOptions options;
      options.grouping = grouping;
      if (grouping == G::kItem) options.outliers.method = OutlierMethod::kMad;
      options.abuse.burst_votes = options.abuse.rate_votes = 3;
      options.abuse.constant_votes = 2;
      for (std::uint64_t source = 0; grouping == G::kSource && source < 50'000; ++source)
        options.known_sources.push_back(2 * source);
      const FeedbackResult one = Filter(options, data);
      EXPECT_EQ(one.count(FeedbackVerdict::kUnknownSource) > 0, grouping == G::kSource);
      outliers += one.count(FeedbackVerdict::kOutlier);
      for (const int threads : {2, 7, 8}) {
        options.threads = threads;
        ExpectSame(Filter(options, data), one);
      }
    }
  }
  EXPECT_GT(outliers, 0u);
}

TEST_F(FeedbackThreads, GroupsAreTheSameWhateverTheIdsLookLike) {
  // Dense ids are looked up, wide ones sorted; the order of ids is kept, so all else is equal.
  const Data dense = [] {
    Data data = Random(550'000, true);
    for (auto& item : data.item) item /= 1'000'003;
    return data;
  }();
  FeedbackOptions options;
  options.abuse.burst_votes = 3;
  options.abuse.burst_seconds = 100000;
  options.abuse.constant_votes = 2;
  options.grouping = FeedbackGrouping::kItem;
  const FeedbackResult want = Filter(options, dense);
  ASSERT_GT(want.count(FeedbackVerdict::kDuplicate), 0u);
  ASSERT_GT(want.count(FeedbackVerdict::kBurst), 0u);
  for (const std::uint64_t factor : {std::uint64_t{1'000'003}, std::uint64_t{0x1234567890}}) {
    Data wide = dense;
    for (auto& item : wide.item) item *= factor;
    for (auto& source : wide.source) source = source * factor + 77;
    for (const int threads : {1, 2, 8}) {
      options.threads = threads;
      const FeedbackResult got = Filter(options, wide);
      EXPECT_EQ(got.weight, want.weight);
      EXPECT_EQ(got.verdict, want.verdict);
      EXPECT_EQ(got.reliability, want.reliability);
      ASSERT_EQ(got.items.size(), want.items.size());
      for (std::size_t i = 0; i < got.items.size(); ++i) {
        EXPECT_EQ(got.items[i].key, want.items[i].key * factor);
        EXPECT_TRUE(SameBits(got.items[i].mean, want.items[i].mean));
      }
    }
  }
}

}  // namespace
}  // namespace equipoise
