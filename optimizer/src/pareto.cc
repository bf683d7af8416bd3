#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/pareto.h>

#include "key_sort.h"
#include "pareto_input.h"
#include "staircase.h"

namespace equipoise {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The ranks that have been given so far, to points in lexicographic order: whatever dominates a point came
// before it, and a rank that dominates it has ranks before it that do, so that the first one that does not
// is found by halving.
class Ranks {
 public:
  explicit Ranks(const MatrixView<double>& points) : points_(points), m_(points.cols) {}

  std::uint32_t Add(std::uint32_t i) {
    std::size_t low = 0, high = count_;
    std::size_t place =
        0;  // three objectives: where the point belongs in the border of rank `high`
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      std::size_t probed = 0;
      if (Dominated(middle, i, &probed)) {
        low = middle + 1;
      } else {
        high = middle;
        place = probed;
      }
    }
    if (low == count_) Open();
    const double* p = points_.row(i);
    if (m_ == 2)
      least_[low] = p[1];
    else if (m_ == 3)
      borders_[low].Add(place, p[1], p[2]);
    else if (m_ > 3)
      members_[low].push_back(i);
    return static_cast<std::uint32_t>(low);
  }

 private:
  // Points of the rank have a first objective that is not larger, and are not equal to the point.
  bool Dominated(std::size_t rank, std::uint32_t i, std::size_t* place) const {
    const double* p = points_.row(i);
    if (m_ == 1) return true;
    if (m_ == 2) return least_[rank] <= p[1];
    if (m_ == 3) {
      *place = borders_[rank].PlaceOf(p[1]);
      return borders_[rank].Covers(*place, p[2]);
    }
    // The latest are the likeliest.
    const auto& members = members_[rank];
    return std::any_of(members.rbegin(), members.rend(), [&](std::uint32_t other) {
      const double* q = points_.row(other);
      for (std::size_t j = 1; j < m_; ++j)
        if (q[j] > p[j]) return false;
      return true;
    });
  }
  void Open() {
    ++count_;
    if (m_ == 2) least_.push_back(kInfinity);
    if (m_ == 3) borders_.emplace_back();
    if (m_ > 3) members_.emplace_back();
  }

  const MatrixView<double>& points_;
  std::size_t m_;
  std::size_t count_ = 0;
  std::vector<double> least_;       // two objectives: the least second one
  std::vector<Staircase> borders_;  // three: the border of the second and third
  std::vector<std::vector<std::uint32_t>> members_;
};

// Gives ranks to `rows`, the first of them `first`, and orders them by their objectives; the next free rank.
std::uint32_t RankByDominance(const MatrixView<double>& points, std::uint32_t first,
                              std::vector<std::uint32_t>* sorted,
                              std::vector<std::uint32_t>* rank) {
  std::vector<std::uint32_t>& rows = *sorted;
  const std::size_t m = points.cols;
  const auto compare = [&](std::uint32_t a, std::uint32_t b) {
    const double *x = points.row(a), *y = points.row(b);
    for (std::size_t j = 0; j < m; ++j)
      if (x[j] != y[j]) return x[j] < y[j];
    return false;
  };
  std::vector<KeyedRow> keyed;
  keyed.reserve(rows.size());
  for (const std::uint32_t row : rows) keyed.push_back({points.row(row)[0], row});
  KeySort().Sort(&keyed);
  OrderTies(&keyed, [&](const KeyedRow& a, const KeyedRow& b) { return compare(a.row, b.row); });
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = keyed[i].row;
  Ranks ranks(points);
  std::uint32_t end = first;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && !compare(rows[i - 1], rows[i])) {
      (*rank)[rows[i]] = (*rank)[rows[i - 1]];  // equal
      continue;
    }
    (*rank)[rows[i]] = first + ranks.Add(rows[i]);
    end = std::max(end, (*rank)[rows[i]] + 1);
  }
  return end;
}

Result<std::vector<double>> Extreme(const char* where, const MatrixView<double>& points,
                                    std::span<const std::uint32_t> members, bool least) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckMembers(where, points, members));
  if (members.empty())
    return Status(Code::kInvalidArgument, fmt::format("{}: there are no members", where),
                  {.field = "members"});
  std::vector<double> out(points.cols, least ? kInfinity : -kInfinity);
  for (const std::uint32_t member : members)
    for (std::size_t j = 0; j < points.cols; ++j) {
      const double value = points.row(member)[j];
      out[j] = least ? std::min(out[j], value) : std::max(out[j], value);
    }
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for a point");
}

}  // namespace

bool Dominates(std::span<const double> a, std::span<const double> b) {
  bool better = false;
  for (std::size_t j = 0; j < a.size(); ++j) {
    if (!(a[j] <= b[j])) return false;
    better |= a[j] < b[j];
  }
  return better;
}

Result<NonDominatedSorting> NonDominatedSort(const MatrixView<double>& points,
                                             std::span<const double> violations) try {
  constexpr const char* kWhere = "NonDominatedSort";
  EQUIPOISE_RETURN_IF_ERROR(CheckShape(kWhere, points));
  const std::size_t n = points.rows;
  if (!violations.empty()) EQUIPOISE_CHECK_EQUAL(kWhere, violations.size(), n);
  NonDominatedSorting out;
  out.rank.assign(n, 0);
  std::vector<std::uint32_t> feasible, broken, nan;
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::uint32_t>(i);
    const double violation = violations.empty() ? 0 : violations[i];
    if (!(violation >= 0))
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: violations[{}] = {} is below 0", kWhere, i, violation),
                    {.field = "violations"});
    (HasNan(points.row_span(i)) ? nan : violation > 0 ? broken : feasible).push_back(row);
  }
  std::uint32_t next = RankByDominance(points, 0, &feasible, &out.rank);
  std::stable_sort(broken.begin(), broken.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return violations[a] < violations[b]; });
  for (std::size_t i = 0; i < broken.size(); ++i) {
    const bool equal = i > 0 && violations[broken[i]] == violations[broken[i - 1]];
    out.rank[broken[i]] = equal ? next - 1 : next++;
  }
  for (const std::uint32_t row : nan) out.rank[row] = next;
  out.not_a_number = nan.size();
  if (!nan.empty()) ++next;

  out.begin.assign(next + 1, 0);
  for (const std::uint32_t r : out.rank) ++out.begin[r + 1];
  std::partial_sum(out.begin.begin(), out.begin.end(), out.begin.begin());
  out.order.resize(n);
  std::vector<std::uint32_t> at(out.begin.begin(), out.begin.end() - 1);
  for (const auto* rows : {&feasible, &broken, &nan})
    for (const std::uint32_t row : *rows) out.order[at[out.rank[row]]++] = row;
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "NonDominatedSort: not enough memory for the ranks");
}

Result<std::vector<double>> IdealPoint(const MatrixView<double>& points,
                                       std::span<const std::uint32_t> members) {
  return Extreme("IdealPoint", points, members, true);
}

Result<std::vector<double>> NadirPoint(const MatrixView<double>& points,
                                       std::span<const std::uint32_t> members) {
  return Extreme("NadirPoint", points, members, false);
}

Result<std::uint32_t> Knee(const MatrixView<double>& points,
                           std::span<const std::uint32_t> members) {
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<double> ideal,
                             Extreme("Knee", points, members, true));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<double> nadir,
                             Extreme("Knee", points, members, false));
  std::uint32_t best = members[0];
  double least = kInfinity;
  for (const std::uint32_t member : members) {
    double sum = 0;
    for (std::size_t j = 0; j < points.cols; ++j) {
      const double value = points.row(member)[j];
      if (!std::isfinite(value))
        return Status(Code::kInvalidArgument,
                      fmt::format("Knee: objective {} of point {} is {}", j, member, value),
                      {.field = "points"});
      if (nadir[j] > ideal[j]) sum += (value - ideal[j]) / (nadir[j] - ideal[j]);
    }
    // The plane's normal is the same in all objectives, so that the least sum is the farthest from it.
    if (sum < least) {
      least = sum;
      best = member;
    }
  }
  return best;
}

}  // namespace equipoise
