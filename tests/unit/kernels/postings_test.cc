// Packed numbers and sums of scores on every instruction set that this machine has, against the plain
// definition of each.
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/postings.h>

#include "cpu/postings_table.h"

namespace equipoise {
namespace {

class PostingsLevels : public testing::TestWithParam<SimdLevel> {
 protected:
  const PostingsTable& kernels() const { return PostingsKernels(GetParam()); }
  std::mt19937 random_{11};
};

INSTANTIATE_TEST_SUITE_P(Kernels, PostingsLevels, testing::ValuesIn(AvailableSimdLevels()),
                         [](const testing::TestParamInfo<SimdLevel>& p) {
                           return std::string(SimdLevelName(p.param));
                         });

std::vector<std::uint32_t> Values(std::mt19937* random, std::size_t n, unsigned bits) {
  std::vector<std::uint32_t> out(n);
  for (auto& value : out)
    value =
        static_cast<std::uint32_t>(std::uint64_t{(*random)()} & ((std::uint64_t{1} << bits) - 1));
  return out;
}

// Packed at an odd address, with exactly the slack that is promised to be readable.
struct Packed {
  std::vector<std::uint8_t> bytes;
  Packed(const std::vector<std::uint32_t>& values, unsigned bits)
      : bytes(1 + PackedBytes(values.size(), bits) + kPackedSlack, 0xA5) {
    PackBits(values.data(), values.size(), bits, bytes.data() + 1);
  }
  const std::uint8_t* data() const { return bytes.data() + 1; }
};

constexpr std::size_t kCounts[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 100, 127, 128};

TEST_P(PostingsLevels, IsNotThePlainOne) {
  EXPECT_EQ(&kernels() == PostingsScalar(), GetParam() == SimdLevel::kScalar);
}

TEST_P(PostingsLevels, UnpacksWhatWasPackedForEveryWidthAndCount) {
  for (unsigned bits = 0; bits <= 32; ++bits) {
    for (const std::size_t n : kCounts) {
      const auto values = Values(&random_, n, bits);
      const Packed packed(values, bits);
      std::vector<std::uint32_t> out((n + 7) / 8 * 8 + 1, 0xEEEEEEEEu);
      kernels().unpack(packed.data(), bits, n, out.data());
      EXPECT_EQ(out.back(), 0xEEEEEEEEu) << "wrote past the last group";
      out.resize(n);
      ASSERT_EQ(out, values) << bits << " bits, " << n << " values";
      for (std::size_t i = 0; i < n; ++i)
        ASSERT_EQ(PackedAt(packed.data(), bits, i), values[i]) << bits << ' ' << i;
    }
  }
}

TEST_P(PostingsLevels, AscendingNumbersAreTheSumsOfTheirDistances) {
  for (unsigned bits = 0; bits <= 32; ++bits) {
    for (const std::size_t n : kCounts) {
      for (const std::uint32_t before : {0xFFFFFFFFu, 0u, 123456789u}) {
        const auto values = Values(&random_, n, bits);
        const Packed packed(values, bits);
        std::vector<std::uint32_t> out((n + 7) / 8 * 8 + 1, 0xEEEEEEEEu);
        kernels().ascending(packed.data(), bits, n, before, out.data());
        EXPECT_EQ(out.back(), 0xEEEEEEEEu);
        std::uint32_t sum = before;
        for (std::size_t i = 0; i < n; ++i)
          ASSERT_EQ(out[i], sum += values[i] + 1) << bits << " bits, number " << i << " of " << n;
      }
    }
  }
}

TEST_P(PostingsLevels, PartsOfBm25AreThreeRoundingsEach) {
  for (const std::size_t n : kCounts) {
    std::vector<std::uint32_t> tfs(n);
    std::vector<float> norms(n), parts(n);
    for (std::size_t i = 0; i < n; ++i) {
      tfs[i] = static_cast<std::uint32_t>(i % 5 == 4 ? random_() : 1 + random_() % 9);
      norms[i] = static_cast<float>(random_() % 1000) / 97.0f;
    }
    const float weight = 3.7f;
    kernels().bm25(tfs.data(), norms.data(), n, weight, parts.data());
    for (std::size_t i = 0; i < n; ++i) {
      const volatile float tf = static_cast<float>(tfs[i]);
      const volatile float sum = tf + norms[i];
      const volatile float share = tf / sum;
      const volatile float part = weight * share;
      ASSERT_EQ(parts[i], part) << i;
    }
  }
}

TEST_P(PostingsLevels, TakesTheSumsAboveTheBarAndLeavesNone) {
  for (const std::size_t n : {0, 1, 31, 32, 33, 63, 64, 65, 127, 200, 1000}) {
    for (const float bar : {kNoSum, 0.0f, 0.5f, 2.0f}) {
      std::vector<float> sums(n, kNoSum);
      for (float& sum : sums)
        if (random_() % 3 == 0) sum = static_cast<float>(random_() % 9) / 8.0f;
      const std::vector<float> before = sums;
      std::vector<std::uint32_t> positions(n);
      std::vector<float> above(n);
      const std::size_t count =
          kernels().take_above(sums.data(), n, bar, positions.data(), above.data());
      std::size_t expected = 0;
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_TRUE(sums[i] == 0 && std::signbit(sums[i]));
        const bool passes = std::signbit(bar) ? !std::signbit(before[i]) : before[i] > bar;
        if (!passes) continue;
        ASSERT_LT(expected, count);
        ASSERT_EQ(positions[expected], i);
        ASSERT_EQ(above[expected], before[i]);
        ++expected;
      }
      ASSERT_EQ(expected, count);
    }
  }
}

TEST_P(PostingsLevels, TheLargestSumOfEachPartIsFound) {
  for (const std::size_t n : {1, 15, 16, 17, 200, 1000}) {
    for (const std::size_t each : {1, 3, 16, 33, 1000}) {
      std::vector<float> sums(n);
      for (float& sum : sums)
        sum = random_() % 3 == 0 ? kNoSum : static_cast<float>(random_() % 100) / 7;
      std::vector<float> largest((n + each - 1) / each + 1, -5.0f);
      kernels().largest(sums.data(), n, each, largest.data());
      EXPECT_EQ(largest.back(), -5.0f) << "wrote past the last part";
      for (std::size_t part = 0; part * each < n; ++part) {
        const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(part * each);
        const auto end = sums.begin() + static_cast<std::ptrdiff_t>(std::min(n, (part + 1) * each));
        const bool none = std::all_of(begin, end, [](float sum) { return std::signbit(sum); });
        ASSERT_EQ(std::signbit(largest[part]), none);
        if (!none) {
          ASSERT_EQ(largest[part], *std::max_element(begin, end));
        }
      }
    }
  }
}

TEST(Postings, BitsOfAreThoseThatTheNumberNeeds) {
  EXPECT_EQ(BitsOf(0), 0u);
  EXPECT_EQ(BitsOf(1), 1u);
  EXPECT_EQ(BitsOf(255), 8u);
  EXPECT_EQ(BitsOf(256), 9u);
  EXPECT_EQ(BitsOf(0xFFFFFFFFu), 32u);
}

}  // namespace
}  // namespace equipoise
