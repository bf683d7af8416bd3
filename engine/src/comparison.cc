#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/engine/comparison.h>

#include "student_t.h"

namespace equipoise {
namespace {

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996; numpy's default).
double Quantile(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const std::size_t low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

std::pair<double, double> BootstrapInterval(std::span<const double> differences,
                                            const ComparisonOptions& options) {
  Random random = Random::Stream(options.seed, 0);
  std::vector<double> means(options.resamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < differences.size(); ++i)
      sum += differences[static_cast<std::size_t>(random.Below(differences.size()))];
    mean = sum / static_cast<double>(differences.size());
  }
  std::sort(means.begin(), means.end());
  const double tail = (1 - options.confidence) / 2;
  return {Quantile(means, tail), Quantile(means, 1 - tail)};
}

// `differences` without zeros: they add nothing to a sum, whatever their sign.
double RandomizationP(std::span<const double> differences, const ComparisonOptions& options) {
  const std::size_t n = differences.size();
  if (n == 0) return 1;
  double sum = 0;
  double magnitude = 0;
  for (double d : differences) {
    sum += d;
    magnitude += std::abs(d);
  }
  // Sums that are equal in exact arithmetic may differ by rounding: they count as equally far.
  const double bar = std::abs(sum) - 1e-12 * magnitude;
  const auto is_hit = [&](auto&& negative) {
    double flipped = 0;
    for (std::size_t i = 0; i < n; ++i) flipped += negative(i) ? -differences[i] : differences[i];
    return std::abs(flipped) >= bar;
  };

  if (n < 63 && (std::uint64_t{1} << n) <= options.permutations) {
    const std::uint64_t all = std::uint64_t{1} << n;
    std::uint64_t hits = 0;
    for (std::uint64_t signs = 0; signs < all; ++signs)
      hits += is_hit([&](std::size_t i) { return (signs >> i & 1) != 0; });
    return static_cast<double>(hits) / static_cast<double>(all);
  }
  Random random = Random::Stream(options.seed, 1);
  std::size_t hits = 0;
  for (std::size_t round = 0; round < options.permutations; ++round) {
    std::uint64_t bits = 0;
    hits += is_hit([&](std::size_t i) {
      bits = i % 64 == 0 ? random.Next() : bits >> 1;
      return (bits & 1) != 0;
    });
  }
  return static_cast<double>(hits + 1) / static_cast<double>(options.permutations + 1);
}

double PairedTTestP(std::span<const double> differences, double mean) {
  if (differences.size() < 2) return 1;
  double squares = 0;
  for (double d : differences) squares += (d - mean) * (d - mean);
  if (mean == 0) return 1;
  const double n = static_cast<double>(differences.size());
  const double error = std::sqrt(squares / (n - 1) / n);
  // Equal differences leave rounding errors, if anything, as their spread.
  if (error <= std::abs(mean) * 1e-14) return 0;
  return StudentTwoSidedP(mean / error, n - 1);
}

Status CheckOptions(const ComparisonOptions& options) {
  constexpr std::size_t kMost = 10'000'000;
  EQUIPOISE_CHECK_RANGE("ComparePaired", options.resamples, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE("ComparePaired", options.permutations, std::size_t{1}, kMost);
  if (!(options.confidence > 0 && options.confidence < 1))
    return Status(Code::kInvalidArgument,
                  fmt::format("ComparePaired: options.confidence = {} is out of range (0, 1)",
                              options.confidence),
                  {.field = "options.confidence"});
  return {};
}

Status CheckSameQueries(std::span<const RunEvaluation> runs) {
  const auto& first = runs[0].queries;
  if (first.empty())
    return Status(Code::kInvalidArgument, "CompareRuns: no query with a relevant document");
  for (std::size_t r = 1; r < runs.size(); ++r) {
    const auto& other = runs[r].queries;
    for (std::size_t q = 0; q < std::max(first.size(), other.size()); ++q) {
      if (q < first.size() && q < other.size() && first[q].query == other[q].query) continue;
      const std::string left = q < first.size() ? fmt::format("\"{}\"", first[q].query) : "none";
      const std::string right = q < other.size() ? fmt::format("\"{}\"", other[q].query) : "none";
      return Status(Code::kInvalidArgument,
                    fmt::format("CompareRuns: runs 0 and {} were evaluated on different queries: "
                                "{} and {} at the same place; evaluate all with the same judgments",
                                r, left, right),
                    {.row = static_cast<std::int64_t>(q)});
    }
  }
  return {};
}

}  // namespace

Result<PairedComparison> ComparePaired(std::span<const double> a, std::span<const double> b,
                                       const ComparisonOptions& options) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  EQUIPOISE_CHECK_EQUAL("ComparePaired", a.size(), b.size());
  EQUIPOISE_CHECK_RANGE("ComparePaired", a.size(), std::size_t{1},
                        std::numeric_limits<std::size_t>::max());
  std::vector<double> differences(a.size());
  std::vector<double> nonzero;
  PairedComparison out;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i]))
      return Status(Code::kInvalidArgument,
                    fmt::format("ComparePaired: a = {} and b = {} must be finite", a[i], b[i]),
                    {.row = static_cast<std::int64_t>(i)});
    differences[i] = b[i] - a[i];
    if (differences[i] != 0) nonzero.push_back(differences[i]);
    out.wins += differences[i] > 0;
    out.losses += differences[i] < 0;
  }
  out.n = a.size();
  out.mean_a = Mean(a);
  out.mean_b = Mean(b);
  out.difference = Mean(differences);
  std::tie(out.low, out.high) = BootstrapInterval(differences, options);
  out.p_randomization = RandomizationP(nonzero, options);
  out.p_t = PairedTTestP(differences, out.difference);
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "ComparePaired: not enough memory");
}

std::vector<double> HolmAdjust(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto value = [&](std::size_t i) { return std::isnan(p[i]) ? 1.0 : p[i]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return value(i) < value(j); });
  std::vector<double> out(p.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double factor = static_cast<double>(p.size() - rank);
    largest = std::max(largest, std::min(1.0, factor * value(order[rank])));
    out[order[rank]] = largest;
  }
  return out;
}

Result<std::vector<RunComparison>> CompareRuns(std::span<const RunEvaluation> runs,
                                               ComparedPairs pairs,
                                               const ComparisonOptions& options) try {
  EQUIPOISE_CHECK_RANGE("CompareRuns", runs.size(), std::size_t{2},
                        std::numeric_limits<std::size_t>::max());
  EQUIPOISE_RETURN_IF_ERROR(CheckSameQueries(runs));
  const auto column = [&](std::size_t run, std::size_t measure) {
    std::vector<double> out;
    out.reserve(runs[run].queries.size());
    for (const RunEvaluation::OfQuery& query : runs[run].queries)
      out.push_back(query.measures.values()[measure]);
    return out;
  };
  std::vector<RunComparison> out;
  const std::size_t last_a = pairs == ComparedPairs::kAll ? runs.size() - 1 : 1;
  for (std::size_t a = 0; a < last_a; ++a) {
    for (std::size_t b = a + 1; b < runs.size(); ++b) {
      for (std::size_t m = 0; m < EvaluationMeasures::kCount; ++m) {
        EQUIPOISE_ASSIGN_OR_RETURN(PairedComparison paired,
                                   ComparePaired(column(a, m), column(b, m), options));
        out.push_back({.a = a,
                       .b = b,
                       .measure = EvaluationMeasures::kNames[m],
                       .paired = paired,
                       .p_adjusted = 1});
      }
    }
  }
  std::vector<double> p;
  p.reserve(out.size());
  for (const RunComparison& comparison : out) p.push_back(comparison.paired.p_randomization);
  const std::vector<double> adjusted = HolmAdjust(p);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].p_adjusted = adjusted[i];
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "CompareRuns: not enough memory");
}

}  // namespace equipoise
