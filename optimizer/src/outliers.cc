#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/outliers.h>

#include "few_values.h"
#include "outlier_checks.h"

namespace equipoise {
namespace {

constexpr double kMadToDeviation = 1.482602218505602;  // 1 / Φ⁻¹(3/4)
constexpr double kIqrToDeviation = 0.7413011092528009;
constexpr double kMeanAbsoluteToDeviation = 1.2533141373155001;  // √(π/2)

struct Moments {
  double mean = 0;
  double squares = 0;  // Σ (x − mean)²
};

template <typename T>
Moments MomentsOf(std::span<const T> values) {
  const double shift = values[0];
  double sum = 0, squares = 0;
  for (const double x : values) {
    sum += x - shift;
    squares += (x - shift) * (x - shift);
  }
  const auto n = static_cast<double>(values.size());
  return {shift + sum / n, std::max(0.0, squares - sum * sum / n)};
}

// As numpy.percentile(method = "linear"); reorders.
double Quantile(std::vector<double>* values, double q) {
  const double at = q * static_cast<double>(values->size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const auto middle = values->begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values->begin(), middle, values->end());
  const double low = *middle;
  const double share = at - static_cast<double>(below);
  if (share == 0) return low;
  const double high = *std::min_element(middle + 1, values->end());
  return low + (high - low) * share;
}

double MedianDistance(const std::vector<double>& values, double center) {
  std::vector<double> distance(values.size());
  std::transform(values.begin(), values.end(), distance.begin(),
                 [=](double x) { return std::abs(x - center); });
  return Quantile(&distance, 0.5);
}

void Sigma(std::span<const float> values, const OutlierOptions& options, OutlierReport* report,
           double* limit) {
  const Moments moments = MomentsOf(values);
  *limit = options.sigma * std::sqrt(moments.squares / static_cast<double>(values.size() - 1));
  report->center = moments.mean;
  report->low = moments.mean - *limit;
  report->high = moments.mean + *limit;
  report->state = *limit > 0 ? OutlierState::kApplied : OutlierState::kNoSpread;
}

void Clip(std::span<const float> values, const OutlierOptions& options, OutlierReport* report) {
  const ClipOptions& clip = options.clip;
  const double low = clip.sigma_low > 0 ? clip.sigma_low : options.sigma;
  const double high = clip.sigma_high > 0 ? clip.sigma_high : options.sigma;
  std::vector<double> left(values.begin(), values.end());
  report->state = OutlierState::kNoSpread;
  report->low = -std::numeric_limits<double>::infinity();
  report->high = std::numeric_limits<double>::infinity();
  for (bool changed = true;
       changed && (clip.iterations == 0 || report->iterations < clip.iterations);) {
    ++report->iterations;
    const Moments moments = MomentsOf(std::span<const double>(left));
    report->center = clip.center == ClipCenter::kMean ? moments.mean : Quantile(&left, 0.5);
    // Astropy's mad_std is about the median whatever the center.
    const double spread = clip.spread == ClipSpread::kDeviation
                              ? std::sqrt(moments.squares / static_cast<double>(left.size()))
                              : kMadToDeviation * MedianDistance(left, Quantile(&left, 0.5));
    const double lower = report->center - low * spread, upper = report->center + high * spread;
    if (spread > 0) report->state = OutlierState::kApplied;
    const std::size_t before = left.size();
    std::erase_if(left, [&](double x) { return x < lower || x > upper; });
    // A pass that would leave nothing (a mean far from all values, with a robust spread) says nothing.
    if (left.empty()) break;
    report->low = lower;
    report->high = upper;
    changed = left.size() != before;
  }
}

void Mad(std::span<const float> values, const OutlierOptions& options, OutlierReport* report) {
  std::vector<double> copy(values.begin(), values.end());
  const double median = Quantile(&copy, 0.5);
  double spread = kMadToDeviation * MedianDistance(copy, median);
  report->mad_spread = MadSpread::kMad;
  if (!(spread > 0)) {
    const double quarter = Quantile(&copy, 0.25);
    spread = kIqrToDeviation * (Quantile(&copy, 0.75) - quarter);
    report->mad_spread = MadSpread::kInterquartile;
  }
  if (!(spread > 0)) {
    double sum = 0;
    for (const double x : values) sum += std::abs(x - median);
    spread = kMeanAbsoluteToDeviation * sum / static_cast<double>(values.size());
    report->mad_spread = MadSpread::kMeanAbsolute;
  }
  if (!(spread > 0)) report->mad_spread = MadSpread::kNone;
  report->center = median;
  report->low = median - options.sigma * spread;
  report->high = median + options.sigma * spread;
  report->state = spread > 0 ? OutlierState::kApplied : OutlierState::kNoSpread;
}

// Takes back the flags of those least far out until at most `allowed` are left.
void ApplyCap(std::span<const float> values, std::uint64_t allowed, OutlierReport* report,
              std::span<std::uint8_t> outlier) {
  std::vector<std::uint64_t> rows;
  for (std::uint64_t i = 0; i < values.size(); ++i)
    if (outlier[i] != 0) rows.push_back(i);
  const auto farther = [&](std::uint64_t a, std::uint64_t b) {
    const double da = std::abs(values[a] - report->center);
    const double db = std::abs(values[b] - report->center);
    return da != db ? da > db : a < b;
  };
  const auto bar = rows.begin() + static_cast<std::ptrdiff_t>(allowed);
  std::nth_element(rows.begin(), bar, rows.end(), farther);
  for (auto row = bar; row != rows.end(); ++row) outlier[*row] = 0;
  report->removed = allowed;
  report->over_cap = report->flagged - allowed;
}

}  // namespace

Status CheckOutlierOptions(const char* function, const OutlierOptions& options) {
  constexpr double kMost = std::numeric_limits<double>::max();
  EQUIPOISE_CHECK_RANGE(function, options.sigma, std::numeric_limits<double>::min(), kMost);
  EQUIPOISE_CHECK_RANGE(function, options.clip.sigma_low, 0, kMost);
  EQUIPOISE_CHECK_RANGE(function, options.clip.sigma_high, 0, kMost);
  EQUIPOISE_CHECK_RANGE(function, options.clip.iterations, 0, std::numeric_limits<int>::max());
  EQUIPOISE_CHECK_RANGE(function, options.few_values, 0, kMostFewValues);
  EQUIPOISE_CHECK_RANGE(function, options.max_removed, 0, 1);
  return {};
}

bool CannotFlag(const OutlierOptions& options, double n) {
  const ClipOptions& clip = options.clip;
  switch (options.method) {
    case OutlierMethod::kSigma:
      return n < 2 || (n - 1) / std::sqrt(n) <= options.sigma;
    case OutlierMethod::kClip: {
      const double low = clip.sigma_low > 0 ? clip.sigma_low : options.sigma;
      const double high = clip.sigma_high > 0 ? clip.sigma_high : options.sigma;
      const bool classic =
          clip.center == ClipCenter::kMean && clip.spread == ClipSpread::kDeviation;
      return classic ? std::sqrt(std::max(0.0, n - 1)) <= std::min(low, high) : n < 3;
    }
    case OutlierMethod::kMad:
      return n < 3;
    case OutlierMethod::kNone:
      break;
  }
  return false;
}

Result<OutlierReport> FindOutliers(std::span<const float> values, const OutlierOptions& options,
                                   std::span<std::uint8_t> outlier) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOutlierOptions("FindOutliers", options));
  EQUIPOISE_CHECK_EQUAL("FindOutliers", outlier.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return Status(
          Code::kInvalidArgument,
          fmt::format("FindOutliers: values[{}] = {} is not finite; leave it out", i, values[i]),
          {.row = static_cast<std::int64_t>(i), .field = "values"});
  OutlierReport report;
  std::fill(outlier.begin(), outlier.end(), std::uint8_t{0});
  if (options.method == OutlierMethod::kNone) return report;
  if (CannotFlag(options, static_cast<double>(values.size()))) {
    report.state = OutlierState::kTooSmall;
    return report;
  }
  constexpr float kMost = std::numeric_limits<float>::max();
  if (options.few_values > 0 && !HasMoreValues(values, -kMost, kMost, options.few_values)) {
    report.state = OutlierState::kFewValues;
    return report;
  }
  double limit = 0;
  try {
    switch (options.method) {
      case OutlierMethod::kSigma:
        Sigma(values, options, &report, &limit);
        break;
      case OutlierMethod::kClip:
        Clip(values, options, &report);
        break;
      case OutlierMethod::kMad:
        Mad(values, options, &report);
        break;
      case OutlierMethod::kNone:
        break;
    }
    if (report.state != OutlierState::kApplied) return report;
    // For sigma by the distance, as the one-pass kernel does it, so that both agree at the bound.
    const bool by_distance = options.method == OutlierMethod::kSigma;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double x = values[i];
      const bool out =
          by_distance ? std::abs(x - report.center) > limit : x < report.low || x > report.high;
      outlier[i] = out ? 1 : 0;
      report.flagged += outlier[i];
    }
    report.removed = report.flagged;
    const auto allowed =
        static_cast<std::uint64_t>(options.max_removed * static_cast<double>(values.size()));
    if (report.flagged > allowed) ApplyCap(values, allowed, &report, outlier);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "FindOutliers: no memory for a copy of the values");
  }
  return report;
}

}  // namespace equipoise
