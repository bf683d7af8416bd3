#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/front_quality.h>
#include <equipoise/optimizer/pareto.h>

#include "staircase.h"

namespace equipoise {
namespace {

// Points by value, one after the other: WFG makes, cuts and drops sets of them.
struct Points {
  std::size_t m = 0;
  std::vector<double> values;

  std::size_t size() const { return values.size() / m; }
  double* row(std::size_t i) { return values.data() + i * m; }
  const double* row(std::size_t i) const { return values.data() + i * m; }
};

double OneObjective(const Points& points, std::span<const double> reference) {
  double least = reference[0];
  for (const double value : points.values) least = std::min(least, value);
  return reference[0] - least;
}

double TwoObjectives(const Points& points, std::span<const double> reference) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const double *x = points.row(a), *y = points.row(b);
    return x[0] != y[0] ? x[0] < y[0] : x[1] < y[1];
  });
  double sum = 0, height = reference[1];
  for (const std::size_t i : order) {
    const double* p = points.row(i);
    if (p[1] >= height) continue;
    sum += (reference[0] - p[0]) * (height - p[1]);
    height = p[1];
  }
  return sum;
}

// A plane sweeps along the last objective: between two points the area of those passed is what counts.
double ThreeObjectives(const Points& points, std::span<const double> reference) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return points.row(a)[2] < points.row(b)[2]; });
  Staircase passed;
  double sum = 0, area = 0, from = reference[2];
  for (const std::size_t i : order) {
    const double* p = points.row(i);
    const std::size_t place = passed.PlaceOf(p[0]);
    if (passed.Covers(place, p[1])) continue;
    sum += area * (p[2] - from);
    from = p[2];
    area += passed.AreaOf(place, p[0], p[1], reference[0], reference[1]);
    passed.Add(place, p[0], p[1]);
  }
  return sum + area * (reference[2] - from);
}

// Those that no other one is <= to; of equal ones the first.
Points WithoutDominated(const Points& points) {
  Points out{points.m, {}};
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double* p = points.row(i);
    bool keep = true;
    for (std::size_t j = 0; j < points.size() && keep; ++j) {
      if (i == j) continue;
      const double* q = points.row(j);
      bool covers = true, equal = true;
      for (std::size_t c = 0; c < points.m && covers; ++c) {
        covers = q[c] <= p[c];
        equal &= q[c] == p[c];
      }
      keep = !(covers && (!equal || j < i));
    }
    if (keep) out.values.insert(out.values.end(), p, p + points.m);
  }
  return out;
}

double Volume(Points points, std::span<const double> reference);

// Of the points in turn what each adds to those after it: its own box less what these cover of it.
double ByExclusion(Points points, std::span<const double> reference) {
  const std::size_t m = points.m;
  // Worst in the last objective first: the boxes that are left have it in common, and lose it.
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return points.row(a)[m - 1] > points.row(b)[m - 1];
  });
  Points sorted{m, {}};
  for (const std::size_t i : order)
    sorted.values.insert(sorted.values.end(), points.row(i), points.row(i) + m);
  double sum = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double* p = sorted.row(i);
    double box = 1;
    for (std::size_t c = 0; c + 1 < m; ++c) box *= reference[c] - p[c];
    // Those after it are not worse in the last objective: what they cover of its box reaches from p to the
    // reference there.
    Points rest{m - 1, {}};
    for (std::size_t j = i + 1; j < sorted.size(); ++j)
      for (std::size_t c = 0; c + 1 < m; ++c)
        rest.values.push_back(std::max(p[c], sorted.row(j)[c]));
    const double covered =
        rest.values.empty() ? 0 : Volume(std::move(rest), reference.first(m - 1));
    sum += (box - covered) * (reference[m - 1] - p[m - 1]);
  }
  return sum;
}

double Volume(Points points, std::span<const double> reference) {
  switch (points.m) {
    case 1:
      return OneObjective(points, reference);
    case 2:
      return TwoObjectives(points, reference);
    case 3:
      return ThreeObjectives(points, reference);
    default:
      return ByExclusion(WithoutDominated(points), reference);
  }
}

}  // namespace

Result<double> Hypervolume(const MatrixView<double>& points,
                           std::span<const double> reference) try {
  constexpr const char* kWhere = "Hypervolume";
  EQUIPOISE_CHECK_RANGE(kWhere, reference.size(), std::size_t{1}, kMaxObjectives);
  if (points.rows > 0) EQUIPOISE_CHECK_EQUAL(kWhere, points.cols, reference.size());
  for (const double value : reference)
    if (!std::isfinite(value))
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: the reference point holds {}", kWhere, value),
                    {.field = "reference"});
  Points inside{reference.size(), {}};
  for (std::size_t i = 0; i < points.rows; ++i) {
    const double* p = points.row(i);
    bool better = true, infinite = false;
    for (std::size_t j = 0; j < points.cols; ++j) {
      better &= p[j] < reference[j];
      infinite |= std::isinf(p[j]);
    }
    if (!better) continue;
    if (infinite)
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: point {} lies at minus infinity", kWhere, i),
                    {.field = "points"});
    inside.values.insert(inside.values.end(), p, p + points.cols);
  }
  return inside.values.empty() ? 0.0 : Volume(std::move(inside), reference);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Hypervolume: not enough memory");
}

Result<double> IgdPlus(const MatrixView<double>& points, const MatrixView<double>& reference) {
  constexpr const char* kWhere = "IgdPlus";
  EQUIPOISE_CHECK_RANGE(kWhere, points.rows, std::size_t{1}, std::size_t{1} << 32);
  EQUIPOISE_CHECK_RANGE(kWhere, reference.rows, std::size_t{1}, std::size_t{1} << 32);
  EQUIPOISE_CHECK_EQUAL(kWhere, points.cols, reference.cols);
  const auto finite = [](const MatrixView<double>& matrix) {
    for (std::size_t i = 0; i < matrix.rows; ++i)
      for (const double value : matrix.row_span(i))
        if (!std::isfinite(value)) return false;
    return true;
  };
  if (!finite(points) || !finite(reference))
    return Status(Code::kInvalidArgument, fmt::format("{}: a value is not finite", kWhere),
                  {.field = "points"});
  double sum = 0;
  for (std::size_t r = 0; r < reference.rows; ++r) {
    double nearest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < points.rows; ++i) {
      double squares = 0;
      for (std::size_t j = 0; j < points.cols; ++j) {
        const double worse = std::max(0.0, points.row(i)[j] - reference.row(r)[j]);
        squares += worse * worse;
      }
      nearest = std::min(nearest, squares);
    }
    sum += std::sqrt(nearest);
  }
  return sum / static_cast<double>(reference.rows);
}

}  // namespace equipoise
