// Batches of feedback that the tests of the filter share.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/optimizer/feedback_filter.h>

namespace equipoise {

inline constexpr double kNow = 1.7e9;
inline constexpr double kDay = 86400;
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Data {
  std::vector<float> rating, confidence, dwell;
  std::vector<double> time;
  std::vector<std::uint64_t> source, item, event;
  std::vector<std::uint32_t> domain, position;

  FeedbackBatch batch() const {
    return {rating, time, source, item, domain, event, confidence, position, dwell};
  }
  void Add(float x, std::uint64_t s, std::uint64_t i, double age = 0) {
    rating.push_back(x);
    time.push_back(kNow - age);
    source.push_back(s);
    item.push_back(i);
  }
};

inline Data Random(std::size_t n, bool ids) {
  std::mt19937_64 random(n);
  std::uniform_real_distribution<double> unit;
  std::normal_distribution<double> normal(0.5, 0.1);
  Data data;
  for (std::size_t i = 0; i < n; ++i) {
    data.rating.push_back(static_cast<float>(std::clamp(normal(random), 0.0, 1.0)));
    data.time.push_back(kNow - unit(random) * 60 * kDay);
    data.confidence.push_back(static_cast<float>(unit(random)));
    data.domain.push_back(static_cast<std::uint32_t>(random() % 4));
    if (!ids) continue;
    data.source.push_back(random() % (n / 5 + 1));
    data.item.push_back(random() % (n / 50 + 1) * 1'000'003);
  }
  return data;
}

// Decay, own confidence, one global sigma pass, weighted mean.
inline FeedbackOptions Plain() {
  FeedbackOptions options;
  options.abuse.duplicates = false;
  options.confidence.reliability = options.confidence.evidence = false;
  options.by_item = options.by_source = false;
  return options;
}

inline FeedbackResult Filter(const FeedbackOptions& options, const Data& data) {
  auto out = FeedbackFilter(options).Apply(data.batch(), kNow);
  EXPECT_TRUE(out.ok()) << out.error().ToString();
  return out.ok() ? *out : FeedbackResult();
}

inline bool SameBits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

inline void ExpectSame(const FeedbackResult& a, const FeedbackResult& b) {
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.verdict, b.verdict);
  EXPECT_EQ(a.counts, b.counts);
  EXPECT_EQ(a.reliability, b.reliability);
  const auto same = [](const FeedbackAggregate& x, const FeedbackAggregate& y) {
    return x.key == y.key && x.kept == y.kept && x.removed == y.removed &&
           SameBits(x.mean, y.mean) && SameBits(x.weight, y.weight) &&
           SameBits(x.squares, y.squares) && SameBits(x.weight_squares, y.weight_squares);
  };
  EXPECT_TRUE(same(a.total, b.total));
  ASSERT_EQ(a.items.size(), b.items.size());
  ASSERT_EQ(a.sources.size(), b.sources.size());
  for (std::size_t i = 0; i < a.items.size(); ++i) EXPECT_TRUE(same(a.items[i], b.items[i]));
  for (std::size_t i = 0; i < a.sources.size(); ++i) EXPECT_TRUE(same(a.sources[i], b.sources[i]));
}

}  // namespace equipoise
