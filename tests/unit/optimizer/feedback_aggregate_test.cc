#include <cmath>
#include <fstream>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/optimizer/feedback_aggregate.h>

namespace equipoise {
namespace {

using Json = nlohmann::json;

TEST(FeedbackAggregate, IntervalsAreThoseOfScipy) {
  std::ifstream file(std::string(EQUIPOISE_SOURCE_DIR) +
                     "/tests/unit/optimizer/golden/outliers_scipy.json");
  const Json golden = Json::parse(file);
  ASSERT_EQ(golden["intervals"].size(), 21u);
  for (const Json& row : golden["intervals"]) {
    const double k = row["k"], n = row["n"];
    FeedbackAggregate aggregate;
    aggregate.weight = aggregate.weight_squares = n;
    aggregate.mean = k / n;
    const Interval wilson = aggregate.Wilson(row["z"]);
    EXPECT_NEAR(wilson.low, row["wilson"][0].get<double>(), 1e-9) << row;
    EXPECT_NEAR(wilson.high, row["wilson"][1].get<double>(), 1e-9) << row;
    const Interval beta = aggregate.Beta(row["level"]);
    EXPECT_NEAR(beta.low, row["beta"][0].get<double>(), 1e-9) << row;
    EXPECT_NEAR(beta.high, row["beta"][1].get<double>(), 1e-9) << row;
    if (k == 0) continue;
    EXPECT_NEAR(WilsonLowerBound(k / n, n, row["z"]), wilson.low, 1e-15);
  }
}

TEST(FeedbackAggregate, AddedAndMergedAreTheSumsOfTheDefinition) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> unit;
  FeedbackAggregate whole, parts[7];
  std::vector<double> x(500), w(500);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = 1000 + unit(random);
    w[i] = i % 11 == 0 ? 0 : unit(random);
    whole.Add(x[i], w[i]);
    parts[i % 7].Add(x[i], w[i]);
  }
  FeedbackAggregate merged;
  for (const FeedbackAggregate& part : parts) merged.Merge(part);
  long double sum = 0, squares = 0, value = 0, second = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += w[i];
    squares += w[i] * w[i];
    value += w[i] * x[i];
  }
  const auto mean = static_cast<double>(value / sum);
  for (std::size_t i = 0; i < x.size(); ++i) second += w[i] * (x[i] - mean) * (x[i] - mean);
  const double variance = static_cast<double>(second) / static_cast<double>(sum - squares / sum);
  for (const FeedbackAggregate& a : {whole, merged}) {
    EXPECT_EQ(a.kept, 500u);
    EXPECT_NEAR(a.mean, mean, 1e-10);
    EXPECT_NEAR(a.Variance(), variance, 1e-9);
    EXPECT_NEAR(a.EffectiveSize(), static_cast<double>(sum * sum / squares), 1e-9);
  }
}

TEST(FeedbackAggregate, NothingKnownIsTheWholeRange) {
  const FeedbackAggregate nothing;
  EXPECT_EQ(nothing.Wilson().low, 0);
  EXPECT_EQ(nothing.Wilson().high, 1);
  EXPECT_LT(nothing.Beta().low, 0.01);
  EXPECT_GT(nothing.Beta().high, 0.99);
  EXPECT_EQ(nothing.Variance(), 0);
  EXPECT_EQ(nothing.EffectiveSize(), 0);
  FeedbackAggregate one;
  one.Add(0.7, 0.3);
  EXPECT_EQ(one.Variance(), 0);
  EXPECT_NEAR(one.EffectiveSize(), 1, 1e-12);
  // One rating, and one that weighs next to nothing.
  one.Add(0.2, 1e-8);
  EXPECT_EQ(one.Variance(), 0);
  one.Add(0.2, 1e-3);
  EXPECT_GT(one.Variance(), 0.01);
}

TEST(FeedbackAggregate, SharesAreTakenOnTheScaleThatIsGiven) {
  FeedbackAggregate stars, shares;
  for (const double x : {1.0, 3.0, 5.0, 5.0}) {
    stars.Add(x, 1);
    shares.Add((x - 1) / 4, 1);
  }
  EXPECT_NEAR(stars.Wilson(1.96, 1, 5).low, shares.Wilson(1.96).low, 1e-12);
  EXPECT_NEAR(stars.Beta(0.95, 0.5, 1, 5).high, shares.Beta(0.95, 0.5).high, 1e-12);
}

}  // namespace
}  // namespace equipoise
