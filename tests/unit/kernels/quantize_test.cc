#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/quantize.h>

namespace equipoise {
namespace {

// What a float16 means, from its definition.
double Meaning(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31)
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

float ToFloat(std::uint16_t bits) {
  const Float16 half{bits};
  float out = 0;
  HalfToFloat(&half, &out, 1);
  return out;
}

std::uint16_t ToHalf(float value) {
  Float16 out;
  FloatToHalf(&value, &out, 1);
  return out.bits;
}

TEST(HalfToFloat, MeansWhatIeeeSaysForEveryHalf) {
  std::vector<Float16> halves(65536);
  for (std::uint32_t i = 0; i < 65536; ++i) halves[i].bits = static_cast<std::uint16_t>(i);
  std::vector<float> floats(halves.size());
  HalfToFloat(halves.data(), floats.data(), halves.size());
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const double expected = Meaning(halves[i].bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
      continue;
    }
    ASSERT_EQ(floats[i], expected) << i;
    ASSERT_EQ(std::signbit(floats[i]), (i & 0x8000) != 0) << i;
  }
}

TEST(FloatToHalf, GivesBackEveryHalf) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = ToFloat(bits);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(ToFloat(ToHalf(value)))) << i;
    } else {
      ASSERT_EQ(ToHalf(value), bits) << i;
    }
  }
}

TEST(FloatToHalf, RoundsToNearestAndTiesToEvenBetweenEveryTwoNeighbours) {
  for (std::uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const auto next = static_cast<std::uint16_t>(bits + 1);
    // Exact in float32: a float16 has 13 bits less.
    const float middle = static_cast<float>((Meaning(bits) + Meaning(next)) / 2);
    ASSERT_EQ(ToHalf(middle), (bits & 1) == 0 ? bits : next) << bits;
    ASSERT_EQ(ToHalf(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(ToHalf(std::nextafter(middle, 1e9f)), next) << bits;
    ASSERT_EQ(ToHalf(-middle), ToHalf(middle) | 0x8000) << bits;
  }
}

TEST(FloatToHalf, HandlesTheEndsOfTheRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(ToHalf(65504.0f), 0x7bff);
  EXPECT_EQ(ToHalf(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(ToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(ToHalf(std::numeric_limits<float>::max()), 0x7c00);
  EXPECT_EQ(ToHalf(infinity), 0x7c00);
  EXPECT_EQ(ToHalf(-infinity), 0xfc00);
  EXPECT_EQ(ToHalf(0.0f), 0x0000);
  EXPECT_EQ(ToHalf(-0.0f), 0x8000);
  EXPECT_EQ(ToHalf(std::numeric_limits<float>::denorm_min()), 0x0000);
  EXPECT_EQ(ToHalf(std::ldexp(1.0f, -25)), 0x0000);
  EXPECT_EQ(ToHalf(std::nextafter(std::ldexp(1.0f, -25), 1.0f)), 0x0001);
  for (const std::uint32_t nan : {0x7f800001u, 0x7fc00000u, 0xffffffffu, 0x7fffffffu, 0x7f802000u})
    EXPECT_TRUE(std::isnan(Meaning(ToHalf(std::bit_cast<float>(nan))))) << nan;
}

TEST(FloatToHalf, IsNeverFartherThanANeighbourForRandomBits) {
  std::mt19937 random(11);
  for (int i = 0; i < 200000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!(std::fabs(value) < 65504.0f)) continue;
    const std::uint16_t half = ToHalf(value);
    const double off = std::fabs(Meaning(half) - value);
    for (const int step : {-1, 1}) {
      const int magnitude = (half & 0x7fff) + step;
      if (magnitude < 0) continue;
      const auto other = static_cast<std::uint16_t>(magnitude | (half & 0x8000));
      ASSERT_LE(off, std::fabs(Meaning(other) - value)) << value;
    }
  }
}

TEST(QuantizeI8, IsTheRoundedAndClampedFormula) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.5f, 2.0f);
  std::vector<float> values(1003);
  for (float& value : values) value = normal(random);
  std::vector<std::uint8_t> codes(values.size());
  const CodeScale scale{37.5f, 0.25f};
  QuantizeI8(values.data(), values.size(), scale, codes.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double exact = 37.5 * (static_cast<double>(values[i]) - 0.25) + 128;
    const double clamped = std::min(255.0, std::max(0.0, exact));
    EXPECT_LE(std::fabs(codes[i] - clamped), 0.5001) << values[i];
  }
}

TEST(QuantizeI8, ClampsInfinitiesAndTakesNanForZero) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float values[] = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 1e38f, 0};
  std::uint8_t codes[5];
  QuantizeI8(values, 5, {100, 0}, codes);
  EXPECT_EQ(codes[0], 255);
  EXPECT_EQ(codes[1], 0);
  EXPECT_EQ(codes[2], 0);
  EXPECT_EQ(codes[3], 255);
  EXPECT_EQ(codes[4], 128);
}

TEST(SymmetricCodeScale, IsNotRuinedByOneOutlier) {
  for (const std::size_t rows : {2, 10, 1000}) {
    std::vector<float> largest(rows, 4.0f);
    largest[rows / 2] = 1e6f;
    EXPECT_EQ(SymmetricCodeScale(largest).scale, 127 / 4.0f) << rows;
  }
}

TEST(SymmetricCodeScale, CoversNinetyNineOfAHundredRows) {
  std::vector<float> largest;
  for (int i = 1; i <= 1001; ++i) largest.push_back(static_cast<float>(i));
  EXPECT_EQ(SymmetricCodeScale(largest).scale, 127 / 991.0f);
}

TEST(SymmetricCodeScale, IsDefinedForEmptyZeroSparseAndTinyRows) {
  EXPECT_EQ(SymmetricCodeScale({}).scale, 1);
  std::vector<float> zeros(10);
  EXPECT_EQ(SymmetricCodeScale(zeros).scale, 1);
  std::vector<float> sparse(1000);
  sparse[5] = 2;
  EXPECT_EQ(SymmetricCodeScale(sparse).scale, 127 / 2.0f);
  std::vector<float> tiny(10, 1e-45f);  // 127 / 1e-45 is no float
  EXPECT_EQ(SymmetricCodeScale(tiny).scale, 1);
}

TEST(CenteredCodeScale, SpansTheValuesWithoutOutliersAndIsDefinedForConstants) {
  std::vector<float> least(100, 1000.0f), largest(100, 2000.0f);
  least[3] = -1e9f;
  largest[4] = 1e9f;
  const CodeScale scale = CenteredCodeScale(least, largest);
  EXPECT_EQ(scale.center, 1500);
  EXPECT_EQ(scale.scale, 255.0f / 1000);
  std::vector<float> low(10, 7.5f), high(10, 7.5f);
  EXPECT_EQ(CenteredCodeScale(low, high).center, 7.5f);
  EXPECT_EQ(CenteredCodeScale(low, high).scale, 255 / 60.0f);  // four times as far
  EXPECT_EQ(CenteredCodeScale({}, {}).scale, 1);
}

}  // namespace
}  // namespace equipoise
