// Every instruction set that this machine has against plain arithmetic in double, and against the
// scalar level where results are exact.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/hardware.h>

#include "cpu/dispatch.h"
#include "cpu/kernel_table.h"

namespace equipoise {
namespace {

constexpr std::size_t kDims[] = {1,  2,  3,  7,  8,  9,   15,  16,  17,  31,   32,   33,
                                 47, 63, 64, 65, 96, 127, 128, 129, 384, 1000, 1536, 4096};

std::string NameOf(const testing::TestParamInfo<SimdLevel>& p) {
  return std::string(SimdLevelName(p.param));
}

class EverySimdLevel : public testing::TestWithParam<SimdLevel> {
 protected:
  const KernelTable& kernels() const { return **FindKernels(GetParam()); }
  const KernelTable& scalar() const { return *ScalarKernels(); }

  std::vector<float> Floats(std::size_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float& value : out) value = normal(random_);
    return out;
  }
  std::vector<std::uint8_t> Bytes(std::size_t n) {
    std::vector<std::uint8_t> out(n);
    for (std::uint8_t& value : out) value = static_cast<std::uint8_t>(random_());
    return out;
  }

  std::mt19937 random_{7};
};

INSTANTIATE_TEST_SUITE_P(Kernels, EverySimdLevel, testing::ValuesIn(AvailableSimdLevels()), NameOf);

TEST_P(EverySimdLevel, IsTheOneThatRuns) { EXPECT_EQ(kernels().level, GetParam()); }

TEST_P(EverySimdLevel, FloatProductsAreWithinTheStatedBound) {
  for (const std::size_t d : kDims) {
    // Random values, and constants: rounding errors of the latter all go one way.
    for (const bool constant : {false, true}) {
      const std::vector<float> a = constant ? std::vector<float>(d, 0.1f) : Floats(d);
      const std::vector<float> b = constant ? std::vector<float>(d, 0.7f) : Floats(d);
      double dot = 0, l2 = 0, na = 0, nb = 0;
      for (std::size_t i = 0; i < d; ++i) {
        dot += double{a[i]} * b[i];
        l2 += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
        na += double{a[i]} * a[i];
        nb += double{b[i]} * b[i];
      }
      EXPECT_NEAR(kernels().dot_f32(a.data(), b.data(), d), dot, 1e-5 * std::sqrt(na * nb)) << d;
      EXPECT_NEAR(kernels().l2_f32(a.data(), b.data(), d), l2, 1e-5 * l2) << d;
      EXPECT_NEAR(kernels().norm2(a.data(), d), na, 1e-12 * na) << d;
    }
  }
}

TEST_P(EverySimdLevel, HalfProductsAreThoseOfTheConvertedRow) {
  for (const std::size_t d : kDims) {
    const std::vector<float> query = Floats(d), row = Floats(d);
    std::vector<std::uint16_t> half(d);
    std::vector<float> back(d);
    kernels().f32_to_f16(row.data(), half.data(), d);
    kernels().f16_to_f32(half.data(), back.data(), d);
    EXPECT_EQ(kernels().dot_f16(query.data(), half.data(), d),
              kernels().dot_f32(query.data(), back.data(), d));
    EXPECT_EQ(kernels().l2_f16(query.data(), half.data(), d),
              kernels().l2_f32(query.data(), back.data(), d));
  }
}

TEST_P(EverySimdLevel, ProductsOfCodesAreExact) {
  for (const std::size_t d : kDims) {
    const std::vector<std::uint8_t> a = Bytes(d), b = Bytes(d);
    std::vector<std::int8_t> query(d);
    std::int32_t dot = 0, l2 = 0;
    for (std::size_t i = 0; i < d; ++i) {
      query[i] = static_cast<std::int8_t>(b[i] - 128);
      dot += a[i] * query[i];
      l2 += (a[i] - b[i]) * (a[i] - b[i]);
    }
    EXPECT_EQ(kernels().dot_i8(a.data(), query.data(), d), dot) << d;
    EXPECT_EQ(kernels().l2_i8(a.data(), b.data(), d), l2) << d;
  }
}

TEST_P(EverySimdLevel, ExtremeCodesOfTheLongestRowDoNotOverflow) {
  const std::size_t d = kMaxCodeDim;
  const std::vector<std::uint8_t> high(d, 255), low(d, 0);
  const std::vector<std::int8_t> least(d, -128);
  EXPECT_EQ(kernels().dot_i8(high.data(), least.data(), d), 255 * -128 * 32768);
  EXPECT_EQ(kernels().l2_i8(high.data(), low.data(), d), 255 * 255 * 32768);
}

TEST_P(EverySimdLevel, FormatsAgreeBitByBitWithTheScalarLevel) {
  std::vector<float> values = Floats(1000);
  for (const float special :
       {0.0f, -0.0f, 65519.99f, 65520.0f, 1e-8f, 5.96e-8f, 6.1e-5f, 3e38f, 1e-40f,
        std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()})
    values.push_back(special);
  const std::size_t n = values.size();
  std::vector<std::uint16_t> here(n), there(n);
  kernels().f32_to_f16(values.data(), here.data(), n);
  scalar().f32_to_f16(values.data(), there.data(), n);
  EXPECT_EQ(here, there);
  kernels().f32_to_bf16(values.data(), here.data(), n);
  scalar().f32_to_bf16(values.data(), there.data(), n);
  EXPECT_EQ(here, there);
  std::vector<std::uint8_t> codes(n), scalar_codes(n);
  kernels().quantize_i8(values.data(), n, 50, 0.25f, codes.data());
  scalar().quantize_i8(values.data(), n, 50, 0.25f, scalar_codes.data());
  EXPECT_EQ(codes, scalar_codes);
  std::vector<float> back(n), scalar_back(n);
  kernels().dequantize_i8(codes.data(), n, 0.02f, 0.25f, back.data());
  scalar().dequantize_i8(codes.data(), n, 0.02f, 0.25f, scalar_back.data());
  EXPECT_EQ(back, scalar_back);
}

TEST_P(EverySimdLevel, EveryHalfBecomesTheSameFloat) {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> here(all.size()), there(all.size());
  kernels().f16_to_f32(all.data(), here.data(), all.size());
  scalar().f16_to_f32(all.data(), there.data(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(here[i]), std::bit_cast<std::uint32_t>(there[i])) << i;
  kernels().bf16_to_f32(all.data(), here.data(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    ASSERT_EQ(std::bit_cast<std::uint32_t>(here[i]), static_cast<std::uint32_t>(i) << 16) << i;
}

TEST_P(EverySimdLevel, BrainFloatsAreRoundedToNearestEven) {
  const std::uint32_t cases[][2] = {{0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
                                    {0x3f818000, 0x3f82}, {0x3f817fff, 0x3f81},
                                    {0x7f7fffff, 0x7f80}, {0x7f800001, 0x7fc0}};
  for (const auto& [from, to] : cases) {
    const float value = std::bit_cast<float>(from);
    std::uint16_t brain = 0;
    kernels().f32_to_bf16(&value, &brain, 1);
    EXPECT_EQ(brain, to) << std::hex << from;
  }
}

TEST_P(EverySimdLevel, ExponentialsAreThoseOfTheStandardLibrary) {
  std::vector<float> row;
  for (float x = 0; x > -110; x -= 0.037f) row.push_back(x);
  std::vector<float> out = row;
  const double sum = kernels().exp_sum(out.data(), out.size(), 0, 1);
  double expected_sum = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double expected = std::exp(double{row[i]});
    expected_sum += expected;
    EXPECT_NEAR(out[i], expected, row[i] > -86 ? 4e-7 * expected : 1e-37) << row[i];
  }
  EXPECT_NEAR(sum, expected_sum, 1e-6 * expected_sum);
}

TEST_P(EverySimdLevel, TransposesWordsOfAnyNumberOfRowsAtAnyAddress) {
  for (const std::size_t n : {1, 7, 8, 9, 31, 32}) {
    for (const std::size_t words : {1, 7, 8, 17, 96}) {
      const std::size_t stride = words * 4 + 3;  // rows start at odd addresses
      const std::vector<std::uint8_t> bytes = Bytes(n * stride);
      std::vector<std::uint32_t> out(words * kPanel, 1);
      kernels().transpose(reinterpret_cast<const std::byte*>(bytes.data()), stride, n, words,
                          out.data());
      for (std::size_t w = 0; w < words; ++w) {
        for (std::size_t i = 0; i < kPanel; ++i) {
          std::uint32_t expected = 0;
          for (std::size_t c = 0; i < n && c < 4; ++c)
            expected |= std::uint32_t{bytes[i * stride + w * 4 + c]} << (8 * c);
          ASSERT_EQ(out[w * kPanel + i], expected) << n << ' ' << words << ' ' << w << ' ' << i;
        }
      }
    }
  }
}

TEST_P(EverySimdLevel, MasksNameTheValuesAboveABar) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = Floats(kPanel);
  values[3] = infinity;
  values[17] = -infinity;
  values[30] = std::numeric_limits<float>::quiet_NaN();
  values[31] = 0.5f;
  std::uint32_t above = 0, bad = 0;
  for (std::size_t i = 0; i < kPanel; ++i) {
    above |= static_cast<std::uint32_t>(values[i] > 0.5f) << i;
    bad |= static_cast<std::uint32_t>(!std::isfinite(values[i])) << i;
  }
  EXPECT_EQ(kernels().above_f32(values.data(), 0.5f), above);
  EXPECT_EQ(kernels().not_finite(values.data()), bad);
  std::vector<std::int32_t> integers(kPanel);
  above = 0;
  for (std::size_t i = 0; i < kPanel; ++i) {
    integers[i] = static_cast<std::int32_t>(random_()) / 2;
    above |= static_cast<std::uint32_t>(integers[i] > integers[0]) << i;
  }
  EXPECT_EQ(kernels().above_i32(integers.data(), integers[0]), above);
}

TEST(SimdLevels, EndWithTheBestAndAlwaysHaveTheReference) {
  const std::vector<SimdLevel> levels = AvailableSimdLevels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), SimdLevel::kScalar);
  const HardwareInfo hardware = InspectHardware();
  EXPECT_EQ(hardware.levels, levels);
  EXPECT_FALSE(hardware.level_reason.empty());
  EXPECT_FALSE(hardware.gpu_reason.empty());
  EXPECT_GE(hardware.threads, 1);
}

TEST(SimdLevels, AnAbsentOneIsRefusedWithAListOfThoseThatAreThere) {
  for (const SimdLevel level : kSimdLevels) {
    const auto found = FindKernels(level);
    if (found.ok()) continue;
    EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
    EXPECT_NE(found.error().message().find("scalar"), std::string::npos);
  }
}

}  // namespace
}  // namespace equipoise
