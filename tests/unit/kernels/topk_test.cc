// The best of a stream, against sorting all of it.
#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/topk.h>

namespace equipoise {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Scored> BestBySorting(std::vector<Scored> items, std::size_t k) {
  std::erase_if(items, [](const Scored& item) { return item.score != item.score; });
  std::sort(items.begin(), items.end(), Better);
  items.resize(std::min(k, items.size()));
  return items;
}

TEST(TopKCollector, KeepsTheBestInWhateverOrderTheyCome) {
  std::mt19937 random(1);
  for (const std::size_t n : {0, 1, 2, 3, 7, 16, 100, 1000}) {
    for (const std::size_t k : {0, 1, 2, 3, 4, 5, 8, 31, 99, 100, 101, 2000}) {
      for (const int order : {0, 1, 2, 3}) {
        std::vector<Scored> items;
        for (std::uint32_t i = 0; i < n; ++i) {
          // Few values, so that many are equal.
          const float score = static_cast<float>(random() % 20) - 5;
          items.push_back({i, random() % 9 == 0 ? kNan : score});
        }
        if (order == 1) std::reverse(items.begin(), items.end());
        if (order > 1) std::shuffle(items.begin(), items.end(), random);
        const auto want = BestBySorting(items, k);
        if (order == 3)  // worst first: each one that comes is kept
          std::stable_sort(items.begin(), items.end(),
                           [](const Scored& a, const Scored& b) { return a.score < b.score; });
        TopKCollector best(k);
        std::vector<Scored> so_far;
        for (const Scored& item : items) {
          best.Push(item.id, item.score);
          so_far.push_back(item);
          if (n <= 16 && k > 0 && best.full()) {
            ASSERT_EQ(best.worst(), BestBySorting(so_far, k).back());
          }
        }
        EXPECT_EQ(best.full(), want.size() == k);
        ASSERT_EQ(best.Take(), want) << n << ' ' << k << ' ' << order;
      }
    }
  }
}

TEST(TopKCollector, InfinitiesAreScoresToo) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  TopKCollector best(3);
  for (const float score : {-kInfinity, kNan, kInfinity, 0.0f, -kInfinity, kInfinity})
    best.Push(static_cast<std::uint32_t>(score > 0), score);
  EXPECT_EQ(best.Take(), (std::vector<Scored>{{1, kInfinity}, {1, kInfinity}, {0, 0.0f}}));
}

TEST(TopK, LeavesOutWhatIsNotAboveTheBar) {
  const std::vector<float> scores = {1, kNan, 3, 2, 3, 0, -1};
  EXPECT_EQ(TopK(scores, 3, 1), (std::vector<Scored>{{2, 3.0f}, {4, 3.0f}, {3, 2.0f}}));
  EXPECT_EQ(TopK(scores, 100, 1).size(), 3u);
  EXPECT_EQ(TopK(scores, 1, -9), (std::vector<Scored>{{2, 3.0f}}));
  EXPECT_TRUE(TopK(scores, 0, -9).empty());
  EXPECT_TRUE(TopK({}, 5, -9).empty());
}

}  // namespace
}  // namespace equipoise
