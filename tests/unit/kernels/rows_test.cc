#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/rows.h>

namespace equipoise {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Softmax, IsThatOfDoublePrecision) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 5);
  for (const std::size_t n : {1, 2, 7, 45, 1000}) {
    for (const float inverse_temperature : {0.0f, 0.3f, 1.0f, 20.0f}) {
      std::vector<float> row(n);
      for (float& score : row) score = normal(random);
      std::vector<double> expected(n);
      double largest = *std::max_element(row.begin(), row.end()), sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        sum += expected[i] = std::exp((row[i] - largest) * inverse_temperature);
      Softmax(row.data(), n, inverse_temperature);
      double total = 0;
      for (std::size_t i = 0; i < n; ++i) {
        total += row[i];
        const double probability = expected[i] / sum;
        const double error = 1e-6 - 1.2e-7 * std::log(std::max(probability, 1e-300));
        EXPECT_NEAR(row[i], probability, probability > 1e-30 ? error * probability : 1e-30);
      }
      EXPECT_NEAR(total, 1, 1e-5);
    }
  }
}

TEST(Softmax, DoesNotOverflow) {
  std::vector<float> row = {1e38f, -1e38f, 1e38f};
  Softmax(row.data(), row.size(), 1);
  EXPECT_EQ(row, (std::vector<float>{0.5f, 0, 0.5f}));
}

TEST(Softmax, GivesAnInfinityAllTheMass) {
  std::vector<float> row = {1, kInfinity, 3, kInfinity};
  Softmax(row.data(), row.size(), 1);
  EXPECT_EQ(row, (std::vector<float>{0, 0.5f, 0, 0.5f}));
  row = {0, -kInfinity, 0};
  Softmax(row.data(), row.size(), 1);
  EXPECT_EQ(row, (std::vector<float>{0.5f, 0, 0.5f}));
  row = {-kInfinity, -kInfinity};
  Softmax(row.data(), row.size(), 1);
  EXPECT_EQ(row, (std::vector<float>{0.5f, 0.5f}));
}

TEST(Softmax, IsWithinItsBoundForTheLeastLikely) {
  std::vector<float> row = {12.7105942f, -128.001984f};
  const double truth = std::exp((double{row[1]} - row[0]) * 0.477747828f);
  Softmax(row.data(), row.size(), 0.477747828f);
  EXPECT_NEAR(row[1], truth, (1e-6 - 1.2e-7 * std::log(truth)) * truth);
}

TEST(Softmax, IsUniformWhereTheTemperatureIsInfinite) {
  std::vector<float> row = {3e38f, -3e38f};
  Softmax(row.data(), row.size(), 0);
  EXPECT_EQ(row, (std::vector<float>{0.5f, 0.5f}));
}

TEST(Softmax, OfNothingDoesNothing) { Softmax(nullptr, 0, 1); }

}  // namespace
}  // namespace equipoise
