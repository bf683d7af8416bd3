// The kernels' bodies for products of a few queries and for single rows, on emulated thread blocks.
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/quantize.h>

#include "cuda/plan.h"
#include "emulated_block.h"

namespace equipoise::cuda {
namespace {

const float kInf = std::numeric_limits<float>::infinity();
constexpr std::size_t kReduceBytes = kThreads * sizeof(double);

Half MakeElement(int value, Half) { return ToHalf(static_cast<float>(value)); }
BFloat MakeElement(int value, BFloat) { return ToBFloat(static_cast<float>(value)); }
float MakeElement(int value, float) { return static_cast<float>(value); }
std::int8_t MakeElement(int value, std::int8_t) { return static_cast<std::int8_t>(value); }

template <typename Element>
class DotKernel : public ::testing::Test {
 public:
  // Small integers: every product and sum is exact in every type.
  template <unsigned kQueries>
  static void Check(std::uint32_t n, std::uint32_t d, unsigned blocks) {
    using Sum = typename DotTraits<Element>::Sum;
    using Query = std::conditional_t<sizeof(Element) == 1, std::int8_t, float>;
    std::mt19937 random(n + d);
    const ItemShape shape = MakeItemShape(n, d,
                                          sizeof(Element) == 1   ? Type::kInt8
                                          : sizeof(Element) == 4 ? Type::kFloat32
                                                                 : Type::kFloat16);
    std::vector<Element> items(n * shape.stride, Element{});
    std::vector<Query> queries(kQueries * shape.stride, Query{});
    std::vector<std::int64_t> expected(kQueries * n, 0);
    for (std::size_t q = 0; q < kQueries; ++q)
      for (std::size_t j = 0; j < d; ++j)
        queries[q * shape.stride + j] = static_cast<Query>(static_cast<int>(random() % 255) - 127);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < d; ++j) {
        const int value = static_cast<int>(random() % 255) - 127;
        items[i * shape.stride + j] = MakeElement(value, Element());
        for (std::size_t q = 0; q < kQueries; ++q)
          expected[q * n + i] += value * static_cast<int>(queries[q * shape.stride + j]);
      }
    const std::uint64_t ld = n + 3;
    std::vector<Sum> out(kQueries * ld, Sum(-1));
    const DotArgs args{items.data(),
                       queries.data(),
                       static_cast<std::uint32_t>(shape.row_bytes()),
                       n,
                       out.data(),
                       ld};
    Emulator emulator(n);
    emulator.Run(blocks, 1, DotSharedBytes<Element>(shape.row_bytes(), kQueries),
                 [&](EmulatedBlock& block) { DotBody<Element, kQueries>(block, args); });
    for (std::size_t q = 0; q < kQueries; ++q) {
      for (std::size_t i = 0; i < n; ++i)
        ASSERT_EQ(out[q * ld + i], static_cast<Sum>(expected[q * n + i])) << q << " " << i;
      // Nothing past the last item.
      for (std::size_t i = n; i < ld; ++i) ASSERT_EQ(out[q * ld + i], Sum(-1));
    }
  }
};
using Elements = ::testing::Types<float, Half, BFloat, std::int8_t>;
TYPED_TEST_SUITE(DotKernel, Elements);

TYPED_TEST(DotKernel, AgreesWithAPlainSumForOddSizes) {
  this->template Check<1>(1, 1, 1);
  this->template Check<1>(300, 17, 2);
  this->template Check<4>(129, 33, 1);
  this->template Check<8>(128, 64, 3);
  this->template Check<8>(131, 259, 1);
}

TEST(NormBody, GivesSquaresAndInverses) {
  const std::uint32_t cols = 37;
  const std::uint32_t stride = 40;
  const std::uint64_t count = 19;
  std::mt19937 random(5);
  std::vector<float> rows(count * stride, 0);
  for (float& x : rows) x = std::normal_distribution<float>()(random);
  std::fill_n(rows.begin() + 3 * stride, stride, 0.0f);
  for (std::size_t j = 0; j < stride; ++j) rows[4 * stride + j] = 1e-41f;  // subnormal
  for (std::size_t j = 0; j < stride; ++j) rows[5 * stride + j] = 1e30f;   // squares overflow
  for (Aux aux : {Aux::kSquares, Aux::kInverse}) {
    std::vector<std::uint32_t> out(count, 7);
    const NormArgs args{rows.data(), count, cols, stride, aux, out.data()};
    Emulator emulator(1);
    emulator.Run(3, 1, 0, [&](EmulatedBlock& block) { NormBody<float>(block, args); });
    for (std::size_t i = 0; i < count; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < cols; ++j)
        sum += static_cast<double>(rows[i * stride + j]) * rows[i * stride + j];
      const auto got = std::bit_cast<float>(out[i]);
      if (aux == Aux::kSquares) {
        EXPECT_FLOAT_EQ(got, static_cast<float>(sum)) << i;
      } else if (sum == 0) {
        EXPECT_EQ(got, 0.0f);
      } else {
        EXPECT_TRUE(std::isfinite(got));
        if (i != 4) {
          EXPECT_FLOAT_EQ(got, static_cast<float>(1 / std::sqrt(sum))) << i;
        }
      }
    }
  }
}

TEST(NormBody, SquaresOfCodesAreExactIntegers) {
  // The largest sum: 32,768 codes of −128.
  const std::uint32_t d = 32768;
  std::vector<std::int8_t> rows(2 * d, -128);
  std::fill_n(rows.begin() + d, d, std::int8_t{3});
  std::vector<std::uint32_t> out(2);
  Emulator emulator(1);
  const NormArgs args{rows.data(), 2, d, d, Aux::kSquares, out.data()};
  emulator.Run(1, 1, 0, [&](EmulatedBlock& block) { NormBody<std::int8_t>(block, args); });
  EXPECT_EQ(out[0], 536870912U);
  EXPECT_EQ(out[1], 294912U);
}

TEST(NormalizeBody, GivesUnitLengthAtBothEndsOfTheRange) {
  const std::uint32_t d = 300;
  std::vector<float> rows(4 * d);
  std::mt19937 random(5);
  for (std::uint32_t j = 0; j < d; ++j) {
    const float x = std::normal_distribution<float>()(random);
    rows[j] = x;
    rows[d + j] = x * 1e37f;
    rows[2 * d + j] = 1e-45f;
    rows[3 * d + j] = 0;
  }
  const NormalizeArgs args{rows.data(), d, d, 0};
  Emulator emulator(1);
  emulator.Run(4, 1, kReduceBytes, [&](EmulatedBlock& block) { NormalizeBody(block, args); });
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < d; ++j)
      sum += static_cast<double>(rows[i * d + j]) * rows[i * d + j];
    EXPECT_NEAR(std::sqrt(sum), 1, 1e-6) << i;
  }
  for (std::size_t j = 0; j < d; ++j) EXPECT_EQ(rows[3 * d + j], 0.0f);
}

TEST(SoftmaxBody, AgreesWithTheDefinitionInDouble) {
  std::mt19937 random(5);
  for (std::uint64_t n : {1, 2, 45, 256, 700})
    for (float inverse : {0.0f, 0.1f, 1.0f, 50.0f}) {
      std::vector<float> row(n);
      for (float& x : row) x = std::normal_distribution<float>()(random);
      std::vector<double> expected(n);
      double largest = *std::max_element(row.begin(), row.end());
      for (std::size_t i = 0; i < n; ++i) expected[i] = std::exp((row[i] - largest) * inverse);
      const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
      const SoftmaxArgs args{row.data(), n, inverse};
      Emulator emulator(n);
      emulator.Run(1, 1, kReduceBytes, [&](EmulatedBlock& block) { SoftmaxBody(block, args); });
      for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(row[i], expected[i] / sum, 1e-7) << n;
    }
}

TEST(SoftmaxBody, InfinitiesTakeOrHaveNoMass) {
  const auto softmax = [](std::vector<float> row, float inverse) {
    const SoftmaxArgs args{row.data(), row.size(), inverse};
    Emulator emulator(1);
    emulator.Run(1, 1, kReduceBytes, [&](EmulatedBlock& block) { SoftmaxBody(block, args); });
    return row;
  };
  EXPECT_EQ(softmax({kInf, 1, -kInf}, 1), (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(softmax({kInf, kInf, 5}, 2), (std::vector<float>{0.5f, 0.5f, 0}));
  EXPECT_EQ(softmax({3, 3, -kInf}, 0), (std::vector<float>{0.5f, 0.5f, 0}));
  EXPECT_EQ(softmax({1e38f, -1e38f}, 1000), (std::vector<float>{1, 0}));
}

template <typename Element>
void CheckSplit(Type type, std::uint32_t parts) {
  const std::uint32_t cols = 301;
  const std::uint32_t stride = 304;
  const std::uint32_t rows = 6;
  std::mt19937 random(9);
  std::vector<float> queries(rows * stride, 0);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) {
      float x = std::normal_distribution<float>()(random);
      if (i == 1) x *= 1e37f;
      if (i == 2) x *= 1e-30f;
      if (i == 3) x *= std::exp2(-static_cast<float>(j) / 10);
      if (i == 4) x = 0;
      if (i == 5) x = j == 7 ? 1e-44f : 0;
      queries[i * stride + j] = x;
    }
  std::vector<Element> out(parts * rows * stride);
  std::vector<float> unscale(rows);
  const std::uint64_t part_bytes = rows * stride * sizeof(Element);
  const SplitArgs args{queries.data(),  cols,       stride,     parts,
                       PartScale(type), part_bytes, out.data(), unscale.data()};
  Emulator emulator(1);
  emulator.Run(rows, 1, kReduceBytes,
               [&](EmulatedBlock& block) { SplitBody<Element>(block, args); });
  for (std::size_t i = 0; i < rows; ++i) {
    float largest = 0;
    for (std::size_t j = 0; j < cols; ++j)
      largest = std::max(largest, std::abs(queries[i * stride + j]));
    for (std::size_t j = 0; j < stride; ++j) {
      double sum = 0;
      double scale = unscale[i];
      for (std::size_t part = 0; part < parts; ++part) {
        sum += scale * static_cast<double>(ToFloat(out[(part * rows + i) * stride + j]));
        scale *= static_cast<double>(PartScale(type));
      }
      const double x = queries[i * stride + j];
      EXPECT_LE(std::abs(sum - x), std::ldexp(std::abs(x), -21) + std::ldexp(largest, -34))
          << i << " " << j;
    }
  }
}

TEST(SplitBody, PartsAddUpToTheQuery) {
  CheckSplit<Half>(Type::kFloat16, 2);
  CheckSplit<BFloat>(Type::kBFloat16, 3);
}

TEST(ConvertBody, GivesTheBitsOfTheCpusConversions) {
  std::vector<float> values;
  std::mt19937 random(9);
  for (int i = 0; i < 3000; ++i)
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  for (float x : {0.0f, -0.0f, 65519.99f, 65520.0f, 1e-8f, kInf, -kInf, 3.4e38f, 1.0009765f})
    values.push_back(x);
  for (int i = 0; i < 2000; ++i) values.push_back(static_cast<float>(i - 1000) / 256);
  std::erase_if(values, [](float x) { return std::isnan(x); });
  const std::size_t n = values.size();
  const CodeScale scale{63.5f, 0.125f};

  std::vector<Float16> half(n);
  FloatToHalf(values.data(), half.data(), n);
  std::vector<BFloat16> bfloat(n);
  FloatToBFloat(values.data(), bfloat.data(), n);
  values.push_back(NAN);  // a code of NaN is 0
  std::vector<std::uint8_t> codes(n + 1);
  QuantizeI8(values.data(), n + 1, scale, codes.data());

  Emulator emulator(1);
  std::vector<Half> got_half(n);
  std::vector<BFloat> got_bfloat(n);
  std::vector<std::uint8_t> got_codes(n + 1, 9);
  const auto run = [&](void* to, std::uint64_t count, auto body) {
    const ConvertArgs args{values.data(), count, scale.scale, scale.center, to};
    emulator.Run(2, 1, 0, [&](EmulatedBlock& block) { body(block, args); });
  };
  run(got_half.data(), n, [](auto& block, auto& args) { ConvertBody<Half>(block, args); });
  run(got_bfloat.data(), n, [](auto& block, auto& args) { ConvertBody<BFloat>(block, args); });
  run(got_codes.data(), n + 1,
      [](auto& block, auto& args) { ConvertBody<std::uint8_t>(block, args); });
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_EQ(got_half[i].bits, half[i].bits) << values[i];
    EXPECT_EQ(got_bfloat[i].bits, bfloat[i].bits) << values[i];
  }
  EXPECT_EQ(got_codes, codes);
}

TEST(SignBody, LeavesThePaddingAlone) {
  std::vector<std::uint8_t> rows(3 * 16, 0);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 5; ++j) rows[i * 16 + j] = static_cast<std::uint8_t>(i * 100 + j);
  const std::vector<std::uint8_t> before = rows;
  const SignArgs args{rows.data(), 3, 5, 16};
  Emulator emulator(1);
  emulator.Run(1, 1, 0, [&](EmulatedBlock& block) { SignBody(block, args); });
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 16; ++j) {
      const int signed_code = static_cast<std::int8_t>(rows[i * 16 + j]);
      EXPECT_EQ(signed_code, j < 5 ? before[i * 16 + j] - 128 : 0);
    }
}

}  // namespace
}  // namespace equipoise::cuda
