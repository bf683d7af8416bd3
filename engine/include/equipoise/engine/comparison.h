/// Is one ranking better than another, or was it luck? Paired tests over the same queries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/engine/ranking_evaluation.h>

namespace equipoise {

/// Options that affect the result.
struct ComparisonOptions {
  /// Bootstrap resamples. The ends of a 95 % interval have a standard error of 2.7 % of the mean's
  /// at 10,000; it falls with the square root.
  std::size_t resamples = 10'000;
  /// Random sign flips; where 2^n of them (n: queries that differ) are no more, all are tried and
  /// the p-value is exact.
  std::size_t permutations = 10'000;
  double confidence = 0.95;  ///< of the interval; in (0, 1)
  std::uint64_t seed = 1;
};

/// B against A on the same n queries.
struct PairedComparison {
  std::size_t n = 0;
  double mean_a = 0;
  double mean_b = 0;
  double difference = 0;  ///< mean of b - a: above 0, B is better
  double low = 0;         ///< confidence interval of the difference
  double high = 0;
  double p_randomization = 1;  ///< two-sided
  double p_t = 1;              ///< two-sided; for reference
  std::size_t wins = 0;        ///< queries where b > a
  std::size_t losses = 0;      ///< queries where b < a
};

/// Compares two systems by their values on the same queries.
/// - low, high: percentile bootstrap of the mean difference over queries (Efron 1979; Sakai 2006,
///   doi:10.1145/1148170.1148261), quantiles interpolated linearly.
/// - p_randomization: the share of sign assignments of the differences whose mean is at least as
///   far from 0 (Fisher; Smucker et al. 2007, doi:10.1145/1321440.1321528). Sampled, not exact, it
///   is (hits + 1) / (permutations + 1), never 0 (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).
/// - p_t: paired t-test, n - 1 degrees of freedom; 0 where all differences are equal and not 0.
/// All differences 0, or n = 1: both p are 1.
/// Shapes   a, b [n]
/// Range    n >= 1; every value finite; resamples and permutations in [1, 10^7]
/// Errors   kInvalidArgument: sizes differ, none, not finite (with the row), an option out of range
/// Exact    same input and seed, same resamples and signs on every machine
/// Source   comparison_test.cc checks against scipy
EQUIPOISE_API Result<PairedComparison> ComparePaired(std::span<const double> a,
                                                     std::span<const double> b,
                                                     const ComparisonOptions& options = {});

/// p-values adjusted for having made all these comparisons: reject where adjusted <= level and the
/// chance of even one false rejection among them is at most that level.
/// Shapes   p [m]; result [m] in the same order
/// Range    p in [0, 1]; NaN counts as 1
/// Source   Holm 1979, "A simple sequentially rejective multiple test procedure"
EQUIPOISE_API std::vector<double> HolmAdjust(std::span<const double> p);

/// One comparison of many: run `b` against run `a` in one measure.
struct RunComparison {
  std::size_t a = 0;  ///< position in `runs`
  std::size_t b = 0;
  std::string_view measure;  ///< of EvaluationMeasures::kNames
  PairedComparison paired;
  double p_adjusted = 1;  ///< p_randomization, Holm-adjusted over all comparisons of the call
};

/// Which pairs of runs are compared.
enum class ComparedPairs : std::uint8_t {
  kAll,           ///< every run against every earlier one
  kAgainstFirst,  ///< every other run against the first: fewer tests, so smaller adjusted p-values
};

/// Compares runs that were evaluated on the same queries in all measures.
/// Order    by pair (a ascending, then b), in it by measure
/// Range    at least two runs
/// Note     the size of the result is the number of comparisons that p_adjusted accounts for; it
///          belongs beside every table made from it
/// Errors   kInvalidArgument: fewer than two runs, evaluated on other queries (the first that
///          differs is named) or on none; as ComparePaired
EQUIPOISE_API Result<std::vector<RunComparison>> CompareRuns(
    std::span<const RunEvaluation> runs, ComparedPairs pairs = ComparedPairs::kAll,
    const ComparisonOptions& options = {});

}  // namespace equipoise
