// Sketches: estimates against true distances, verdicts against the estimates, levels against each
// other.
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/sketch.h>

namespace equipoise {
namespace {

std::vector<float> UnitRow(std::size_t d, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(d);
  double squares = 0;
  for (float& value : out) {
    value = normal(random);
    squares += double{value} * value;
  }
  for (float& value : out) value = static_cast<float>(value / std::sqrt(squares));
  return out;
}

double TrueDistance(Metric metric, const std::vector<float>& query, const std::vector<float>& row) {
  double product = 0, distance = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    product += double{query[i]} * row[i];
    distance += (double{query[i]} - row[i]) * (double{query[i]} - row[i]);
  }
  return metric == Metric::kL2 ? distance : -product;
}

class EveryMetric : public testing::TestWithParam<Metric> {};

INSTANTIATE_TEST_SUITE_P(Sketch, EveryMetric,
                         testing::Values(Metric::kCosine, Metric::kL2, Metric::kInnerProduct),
                         [](const testing::TestParamInfo<Metric>& p) {
                           return std::string(MetricName(p.param));
                         });

TEST_P(EveryMetric, EstimatesAreUnbiasedAndTheirErrorsAreWhatTheySay) {
  for (const std::size_t d : {33, 64, 128, 200, 255, 384, 768}) {
    std::mt19937 random(7);
    std::vector<float> center = UnitRow(d, random);
    for (float& value : center) value *= 0.3f;
    double mean = 0, squares = 0;
    int count = 0;
    std::vector<std::byte> record(SketchBytes(d));
    SketchQuery prepared;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto sketcher = Sketcher::Make(d, GetParam(), center, seed);
      ASSERT_TRUE(sketcher.ok());
      const std::vector<float> query = UnitRow(d, random);
      ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
      for (int i = 0; i < 200; ++i, ++count) {
        const std::vector<float> row = UnitRow(d, random);
        ASSERT_TRUE(sketcher->Encode(row.data(), record.data()).ok());
        const double off = (double{SketchEstimate(prepared, record.data())} -
                            TrueDistance(GetParam(), query, row)) /
                           double{SketchError(prepared, record.data())};
        mean += off;
        squares += off * off;
      }
    }
    mean /= count;
    // 4,000 estimates: a standard error of 0.016 for the mean, 0.011 for the deviation. The query's
    // 4 bits add about 2 % to the deviation, a projection from d dimensions takes some from small d.
    EXPECT_NEAR(mean, 0, 0.07) << d;
    EXPECT_NEAR(std::sqrt(squares / count - mean * mean), 1.0, 0.07) << d;
  }
}

}  // namespace
}  // namespace equipoise
