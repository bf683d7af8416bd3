#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>

namespace equipoise {
namespace {

// Steele, Lea & Flood's generator from seed 0, as published with the reference implementation by
// Vigna and repeated in the tests of Java's and Rust's versions.
TEST(Random, SplitMix64GivesThePublishedSequence) {
  std::uint64_t state = 0;
  EXPECT_EQ(SplitMix64(state), 0xe220a8397b1dcdafu);
  EXPECT_EQ(SplitMix64(state), 0x6e789e6aa1b965f4u);
  EXPECT_EQ(SplitMix64(state), 0x06c45d188009454fu);
}

// xoshiro256** from the state 1, 2, 3, 4, as in the tests of rand_xoshiro.
TEST(Random, Xoshiro256StarStarGivesThePublishedSequence) {
  Random random = Random::FromState({1, 2, 3, 4});
  const std::array<std::uint64_t, 10> expected = {11520u,
                                                  0u,
                                                  1509978240u,
                                                  1215971899390074240u,
                                                  1216172134540287360u,
                                                  607988272756665600u,
                                                  16172922978634559625u,
                                                  8476171486693032832u,
                                                  10595114339597558777u,
                                                  2904607092377533576u};
  for (std::uint64_t value : expected) EXPECT_EQ(random.Next(), value);
}

TEST(Random, SameSeedGivesTheSameNumbersAndAnotherSeedOthers) {
  Random a(7), b(7), c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = a.Next();
    EXPECT_EQ(value, b.Next());
    differs |= value != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, CanBeContinuedFromItsStoredState) {
  Random random(3);
  random.Next();
  Random again = Random::FromState(random.state());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(random.Next(), again.Next());
}

TEST(Random, AStateOfZerosIsReplaced) {
  EXPECT_EQ(Random::FromState({0, 0, 0, 0}).state(), Random(0).state());
}

TEST(Random, StreamsOfOneSeedDiffer) {
  std::set<std::uint64_t> first;
  for (std::uint64_t seed = 0; seed < 100; ++seed)
    for (std::uint64_t i = 0; i < 100; ++i) first.insert(Random::Stream(seed, i).Next());
  EXPECT_EQ(first.size(), 10'000u);
}

// Chi-square with n - 1 degrees of freedom: mean n - 1, variance 2 (n - 1); six deviations.
void ExpectUniform(const std::vector<std::size_t>& counts) {
  const double cells = static_cast<double>(counts.size());
  const double total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  double chi = 0;
  for (std::size_t count : counts) {
    const double off = static_cast<double>(count) - total / cells;
    chi += off * off / (total / cells);
  }
  EXPECT_NEAR(chi, cells - 1, 6 * std::sqrt(2 * (cells - 1)));
}

TEST(Random, BelowIsUniformAndInRange) {
  Random random(11);
  for (std::uint64_t n : {1u, 2u, 3u, 7u, 10u, 97u}) {
    std::vector<std::size_t> counts(n);
    for (int i = 0; i < 50'000; ++i) {
      const std::uint64_t value = random.Below(n);
      ASSERT_LT(value, n);
      ++counts[value];
    }
    if (n > 1) ExpectUniform(counts);
  }
  EXPECT_EQ(random.Below(0), 0u);
}

// With the usual remainder, values below 2^62 of [0, 3 * 2^62) would come twice as often.
TEST(Random, BelowHasNoBiasForARangeCloseToTheWholeOne) {
  Random random(12);
  const std::uint64_t third = std::uint64_t{1} << 62;
  std::vector<std::size_t> counts(3);
  for (int i = 0; i < 60'000; ++i) ++counts[random.Below(3 * third) / third];
  ExpectUniform(counts);
}

TEST(Random, UniformIsInTheHalfOpenUnitIntervalAndUniform) {
  Random random(13);
  std::vector<std::size_t> counts(20);
  for (int i = 0; i < 100'000; ++i) {
    const double value = random.Uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    ++counts[static_cast<std::size_t>(value * 20)];
  }
  ExpectUniform(counts);
}

TEST(Random, ChanceIsNeverForZeroAndAlwaysForOne) {
  Random random(14);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(random.Chance(0));
    EXPECT_TRUE(random.Chance(1));
  }
}

TEST(Random, ShuffleGivesEveryOrderEquallyOften) {
  Random random(15);
  std::vector<std::size_t> counts(24);
  for (int i = 0; i < 48'000; ++i) {
    std::array<int, 4> items = {0, 1, 2, 3};
    random.Shuffle(std::span<int>(items));
    // The order's number in the factorial system.
    std::size_t code = 0;
    for (std::size_t at = 0; at < 4; ++at) {
      std::size_t smaller = 0;
      for (std::size_t later = at + 1; later < 4; ++later) smaller += items[later] < items[at];
      code = code * (4 - at) + smaller;
    }
    ++counts.at(code);
  }
  ExpectUniform(counts);
}

}  // namespace
}  // namespace equipoise
