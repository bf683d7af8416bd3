#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>

namespace equipoise {
namespace {

constexpr std::size_t kDims[] = {0,  1,  2,  3,  7,  8,  9,   15,  16,  17,  31,   32,
                                 33, 63, 64, 65, 96, 97, 128, 383, 384, 385, 1536, 4096};
// Distances from an aligned start, in elements.
constexpr std::size_t kStarts[] = {0, 1, 3};

std::vector<float> Normal(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& value : out) value = normal(random);
  return out;
}

template <typename T>
std::vector<T> Integers(std::size_t n, int low, int high, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> uniform(low, high);
  std::vector<T> out(n);
  for (T& value : out) value = static_cast<T>(uniform(random));
  return out;
}

TEST(Dot, AgreesWithDoubleInEveryDimensionAndAlignment) {
  for (const std::size_t d : kDims) {
    for (const std::size_t start : kStarts) {
      const auto a = Normal(d + start, 1), b = Normal(d + start, 2);
      double exact = 0, distance = 0, norms = 0;
      for (std::size_t i = start; i < d + start; ++i) {
        exact += double{a[i]} * b[i];
        distance += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
      }
      norms = Norm(a.data() + start, d) * Norm(b.data() + start, d);
      const double eps = std::numeric_limits<float>::epsilon();
      const double bound = 2 * static_cast<double>(d) * eps * norms;
      EXPECT_NEAR(Dot(a.data() + start, b.data() + start, d), exact, bound) << d;
      EXPECT_NEAR(SquaredL2(a.data() + start, b.data() + start, d), distance,
                  2 * static_cast<double>(d + 2) * eps * distance)
          << d;
    }
  }
}

TEST(DotF16, IsBitIdenticalToTheConvertedRow) {
  for (const std::size_t d : kDims) {
    for (const std::size_t start : kStarts) {
      const auto query = Normal(d + start, 3), values = Normal(d + start, 4);
      std::vector<Float16> row(d + start);
      FloatToHalf(values.data(), row.data(), row.size());
      if (d > 2) row[start + 1].bits = 0x0003;  // a subnormal
      std::vector<float> converted(d + start);
      HalfToFloat(row.data(), converted.data(), row.size());
      EXPECT_EQ(DotF16(query.data() + start, row.data() + start, d),
                Dot(query.data() + start, converted.data() + start, d))
          << d;
      EXPECT_EQ(SquaredL2F16(query.data() + start, row.data() + start, d),
                SquaredL2(query.data() + start, converted.data() + start, d))
          << d;
    }
  }
}

TEST(DotF16, PropagatesInfinityAndNan) {
  std::vector<float> query(20, 1);
  std::vector<Float16> row(20);
  row[17].bits = 0x7c00;
  EXPECT_EQ(DotF16(query.data(), row.data(), 20), std::numeric_limits<float>::infinity());
  row[3].bits = 0x7e00;
  EXPECT_TRUE(std::isnan(DotF16(query.data(), row.data(), 20)));
}

TEST(DotI8, IsExactInEveryDimensionAndAlignment) {
  for (const std::size_t d : kDims) {
    for (const std::size_t start : kStarts) {
      const auto codes = Integers<std::uint8_t>(d + start, 0, 255, 5);
      const auto other = Integers<std::uint8_t>(d + start, 0, 255, 6);
      const auto query = Integers<std::int8_t>(d + start, -128, 127, 7);
      std::int64_t dot = 0, distance = 0;
      for (std::size_t i = start; i < d + start; ++i) {
        dot += std::int64_t{codes[i]} * query[i];
        distance += std::int64_t{codes[i] - other[i]} * (codes[i] - other[i]);
      }
      EXPECT_EQ(DotI8(codes.data() + start, query.data() + start, d), dot) << d;
      EXPECT_EQ(SquaredL2I8(codes.data() + start, other.data() + start, d), distance) << d;
    }
  }
}

TEST(DotI8, DoesNotOverflowInTheLongestRowOfExtremes) {
  const std::vector<std::uint8_t> high(kMaxCodeDim, 255), low(kMaxCodeDim, 0);
  const std::vector<std::int8_t> least(kMaxCodeDim, -128);
  const auto d = static_cast<std::int64_t>(kMaxCodeDim);
  EXPECT_EQ(DotI8(high.data(), least.data(), kMaxCodeDim), -255 * 128 * d);
  EXPECT_EQ(SquaredL2I8(high.data(), low.data(), kMaxCodeDim), 255 * 255 * d);
}

TEST(Normalize, MakesUnitRowsOfTheSmallestAndTheLargestValues) {
  for (const float size : {1e-45f, 1e-38f, 1e-20f, 1.0f, 1e20f, 3e38f}) {
    std::vector<float> row = {size, -size, 0, size};
    const double norm = Normalize(row.data(), row.size());
    EXPECT_NEAR(norm / (std::sqrt(3.0) * size), 1, 1e-6);
    EXPECT_NEAR(Norm(row.data(), row.size()), 1, 1e-6) << size;
    EXPECT_LT(row[1], 0);
  }
}

TEST(Normalize, LeavesZeroRowsZero) {
  std::vector<float> row(5, 0.0f);
  EXPECT_EQ(Normalize(row.data(), row.size()), 0);
  for (const float value : row) EXPECT_EQ(value, 0);
  EXPECT_EQ(Normalize(row.data(), 0), 0);
}

}  // namespace
}  // namespace equipoise
