#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/optimizer/outliers.h>

namespace equipoise {
namespace {

using Json = nlohmann::json;

Json Golden() {
  std::ifstream file(std::string(EQUIPOISE_SOURCE_DIR) +
                     "/tests/unit/optimizer/golden/outliers_scipy.json");
  return Json::parse(file);
}

struct Found {
  OutlierReport report;
  std::vector<std::size_t> rows;
};

Found Find(const std::vector<float>& values, const OutlierOptions& options) {
  std::vector<std::uint8_t> flags(values.size(), 7);
  const auto report = FindOutliers(values, options, flags);
  EXPECT_TRUE(report.ok()) << report.error().ToString();
  Found out{report.ok() ? *report : OutlierReport(), {}};
  for (std::size_t i = 0; i < flags.size(); ++i)
    if (flags[i] != 0) out.rows.push_back(i);
  EXPECT_EQ(out.rows.size(), out.report.removed);
  return out;
}

// Everything may go, and ties do not matter: the method alone.
OutlierOptions Bare(OutlierMethod method, double sigma = 3) {
  OutlierOptions options;
  options.method = method;
  options.sigma = sigma;
  options.few_values = 0;
  options.max_removed = 1;
  return options;
}

TEST(Outliers, SigmaFlagsWhatNumpyFlags) {
  const Json golden = Golden();
  for (const Json& sample : golden["cases"]) {
    const auto found = Find(sample["values"], Bare(OutlierMethod::kSigma));
    EXPECT_EQ(Json(found.rows), sample["sigma3"]) << sample["name"];
  }
}

TEST(Outliers, ClippingRemovesWhatScipyAndAstropyRemove) {
  int runs = 0;
  const Json golden = Golden();
  for (const Json& sample : golden["cases"]) {
    for (const Json& run : sample["runs"]) {
      OutlierOptions options = Bare(OutlierMethod::kClip);
      options.clip = {.sigma_low = run["low"],
                      .sigma_high = run["high"],
                      .iterations = run["iterations"],
                      .center = run["center"] == "mean" ? ClipCenter::kMean : ClipCenter::kMedian,
                      .spread = run["spread"] == "mad" ? ClipSpread::kMad : ClipSpread::kDeviation};
      const auto found = Find(sample["values"], options);
      EXPECT_EQ(Json(found.rows), run["removed"]) << sample["name"] << " " << run.dump();
      ++runs;
    }
  }
  EXPECT_EQ(runs, 8 * 9);
}

TEST(Outliers, MadAgreesWithScipysScale) {
  const Json golden = Golden();
  for (const Json& sample : golden["cases"]) {
    const auto found = Find(sample["values"], Bare(OutlierMethod::kMad));
    const double spread = (found.report.high - found.report.low) / 6;
    EXPECT_NEAR(spread, sample["mad_scale"].get<double>(), 1e-9) << sample["name"];
    EXPECT_EQ(found.report.mad_spread, MadSpread::kMad);
  }
}

TEST(Outliers, MadFallsBackFromSpreadToSpread) {
  std::vector<float> values = {0, 0, 1, 1, 1, 1, 2, 2};
  auto found = Find(values, Bare(OutlierMethod::kMad));
  EXPECT_EQ(found.report.mad_spread, MadSpread::kMad);
  // More than half equal: MAD is 0; and with more than three quarters the next is 0 too.
  values = {1, 1, 1, 1, 1, 1, 2, 2.5f, 3};
  found = Find(values, Bare(OutlierMethod::kMad));
  EXPECT_EQ(found.report.mad_spread, MadSpread::kInterquartile);
  EXPECT_NEAR((found.report.high - found.report.low) / 6, 1 / 1.3489795, 1e-6);
  values.assign(20, 1);
  values[3] = 100;
  found = Find(values, Bare(OutlierMethod::kMad));
  EXPECT_EQ(found.report.mad_spread, MadSpread::kMeanAbsolute);
  EXPECT_EQ(found.rows, std::vector<std::size_t>{3});
  values[3] = 1;
  found = Find(values, Bare(OutlierMethod::kMad));
  EXPECT_EQ(found.report.mad_spread, MadSpread::kNone);
  EXPECT_EQ(found.report.state, OutlierState::kNoSpread);
  EXPECT_TRUE(found.rows.empty());
}

TEST(Outliers, TheLargestPossibleZScoreIsTheBoundThatTooSmallRestsOn) {
  // All equal but one reaches (n - 1)/√n exactly.
  for (int n = 1; n <= 20; ++n) {
    std::vector<float> values(static_cast<std::size_t>(n), 0);
    values[0] = 1e6f;
    const auto found = Find(values, Bare(OutlierMethod::kSigma));
    const bool can = (n - 1) / std::sqrt(n) > 3;
    EXPECT_EQ(can, n >= 11);
    EXPECT_EQ(found.report.state, can ? OutlierState::kApplied : OutlierState::kTooSmall) << n;
    EXPECT_EQ(found.rows.size(), can ? 1u : 0u) << n;
  }
}

TEST(Outliers, FewValuedRatingsAreNotCutWhateverTheMethod) {
  // 5 % of positives: every one of them lies outside 3 sigma.
  std::vector<float> clicks(1000, 0);
  for (std::size_t i = 0; i < 50; ++i) clicks[i * 20] = 1;
  for (const auto method : {OutlierMethod::kSigma, OutlierMethod::kClip, OutlierMethod::kMad}) {
    EXPECT_EQ(Find(clicks, Bare(method)).rows.size(), 50u);
    OutlierOptions options = Bare(method);
    options.few_values = 2;
    EXPECT_EQ(Find(clicks, options).report.state, OutlierState::kFewValues);
    EXPECT_TRUE(Find(clicks, options).rows.empty());
  }
}

TEST(Outliers, TheCapTakesTheFarthestAndCountsTheRest) {
  std::vector<float> values(100);
  for (std::size_t i = 0; i < 100; ++i) values[i] = static_cast<float>(i % 10) * 0.1f;
  for (std::size_t i = 0; i < 20; ++i) values[5 * i] = 100 + static_cast<float>(i);
  OutlierOptions options = Bare(OutlierMethod::kMad);
  options.max_removed = 0.10;
  const auto found = Find(values, options);
  EXPECT_EQ(found.report.flagged, 20u);
  EXPECT_EQ(found.report.removed, 10u);
  EXPECT_EQ(found.report.over_cap, 10u);
  for (const std::size_t row : found.rows) EXPECT_GE(values[row], 110);
}

TEST(Outliers, ATenthOfEqualOutliersHidesFromSigmaButNotFromMad) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(1000);
  for (float& x : values) x = normal(random);
  for (std::size_t i = 0; i < 105; ++i) values[i] = 20;
  EXPECT_TRUE(Find(values, Bare(OutlierMethod::kSigma)).rows.empty());
  EXPECT_GE(Find(values, Bare(OutlierMethod::kMad)).rows.size(), 105u);
}

TEST(Outliers, OptionsOutsideTheirRangeAreNamed) {
  std::vector<float> values(20, 1);
  std::vector<std::uint8_t> flags(20);
  OutlierOptions options;
  options.sigma = 0;
  EXPECT_EQ(FindOutliers(values, options, flags).error().where().field, "options.sigma");
  options = {};
  options.max_removed = std::nan("");
  EXPECT_EQ(FindOutliers(values, options, flags).error().where().field, "options.max_removed");
  options = {};
  EXPECT_FALSE(FindOutliers(values, options, std::span(flags).first(3)).ok());
}

TEST(Outliers, EmptySingleAndEqualSamplesLoseNothing) {
  for (const auto method : {OutlierMethod::kSigma, OutlierMethod::kClip, OutlierMethod::kMad}) {
    EXPECT_EQ(Find({}, Bare(method)).report.state, OutlierState::kTooSmall);
    EXPECT_EQ(Find({3}, Bare(method)).report.state, OutlierState::kTooSmall);
    EXPECT_EQ(Find(std::vector<float>(100, 0.1f), Bare(method)).report.state,
              OutlierState::kNoSpread);
  }
}

TEST(Outliers, ClippingTakesNothingOutWhereTheSpreadIsZero) {
  // Astropy's mad_std of these is 0, and all that is not the median goes.
  OutlierOptions options = Bare(OutlierMethod::kClip);
  options.clip.spread = ClipSpread::kMad;
  const auto found = Find({1, 1, 1, 0, 2}, options);
  EXPECT_EQ(found.report.state, OutlierState::kNoSpread);
  EXPECT_TRUE(found.rows.empty());
}

TEST(Outliers, ValuesThatAreNotFiniteAreNamed) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> values(20, 0.5f);
    values[7] = bad;
    std::vector<std::uint8_t> outlier(20);
    for (const OutlierMethod method :
         {OutlierMethod::kSigma, OutlierMethod::kClip, OutlierMethod::kMad}) {
      OutlierOptions options;
      options.method = method;
      const auto report = FindOutliers(values, options, outlier);
      EXPECT_EQ(report.error().code(), Code::kInvalidArgument);
      EXPECT_EQ(report.error().where().row, 7);
    }
  }
}

}  // namespace
}  // namespace equipoise
