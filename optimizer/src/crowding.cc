#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/pareto.h>

#include "key_sort.h"
#include "pareto_input.h"

namespace equipoise {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Places in `members` of points that differ, in lexicographic order; of equal ones the first.
std::vector<KeyedRow> Distinct(const MatrixView<double>& points,
                               std::span<const std::uint32_t> members, KeySort* sort) {
  const std::size_t m = points.cols;
  std::vector<KeyedRow> places;
  places.reserve(members.size());
  for (std::size_t i = 0; i < members.size(); ++i)
    if (!HasNan(points.row_span(members[i])))
      places.push_back({points.row(members[i])[0], static_cast<std::uint32_t>(i)});
  const auto value = [&](const KeyedRow& place, std::size_t j) {
    return points.row(members[place.row])[j];
  };
  const auto compare = [&](const KeyedRow& a, const KeyedRow& b) {
    for (std::size_t j = 0; j < m; ++j)
      if (value(a, j) != value(b, j)) return value(a, j) < value(b, j);
    return false;
  };
  sort->Sort(&places);
  OrderTies(&places, compare);
  places.erase(std::unique(places.begin(), places.end(),
                           [&](const KeyedRow& a, const KeyedRow& b) {
                             return a.key == b.key && !compare(a, b);
                           }),
               places.end());
  return places;
}

// What one objective adds. Both infinite: nothing can be said of the share, and of equal infinities not of
// the gap.
double Share(double gap, double range) {
  return std::isfinite(range) ? gap / range : gap == kInfinity ? kInfinity : 0;
}

// The least of numbers that become larger or smaller one at a time, the last of equal ones.
class Least {
 public:
  explicit Least(std::vector<double> values) : values_(std::move(values)) {
    values_.resize((values_.size() + kBlock - 1) / kBlock * kBlock, kInfinity);
    least_.resize(values_.size() / kBlock);
    for (std::size_t block = 0; block < least_.size(); ++block) Renew(block);
  }

  double operator[](std::size_t i) const { return values_[i]; }
  void Set(std::size_t i, double value) {
    const double before = values_[i];
    double& least = least_[i / kBlock];
    values_[i] = value;
    if (value <= least)
      least = value;
    else if (before == least)
      Renew(i / kBlock);
  }
  std::size_t Find() const {
    std::size_t block = 0;
    for (std::size_t i = 1; i < least_.size(); ++i) block = least_[i] <= least_[block] ? i : block;
    std::size_t at = block * kBlock;
    for (std::size_t i = at + 1; i < (block + 1) * kBlock; ++i)
      at = values_[i] <= values_[at] ? i : at;
    return at;
  }

 private:
  static constexpr std::size_t kBlock = 16;

  void Renew(std::size_t block) {
    const double* v = values_.data() + block * kBlock;
    std::array<double, 4> least = {v[0], v[1], v[2], v[3]};
    for (std::size_t i = 4; i < kBlock; i += 4)
      for (std::size_t lane = 0; lane < 4; ++lane)
        least[lane] = v[i + lane] < least[lane] ? v[i + lane] : least[lane];
    least_[block] = std::min(std::min(least[0], least[1]), std::min(least[2], least[3]));
  }

  std::vector<double> values_, least_;  // of each place, of each block
};

// Neighbours in one objective.
struct Neighbours {
  std::uint32_t before, after;
};

}  // namespace

Result<std::vector<double>> CrowdingDistance(const MatrixView<double>& points,
                                             std::span<const std::uint32_t> members) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckMembers("CrowdingDistance", points, members));
  const std::size_t m = points.cols;
  std::vector<double> out(members.size(), 0);
  const auto value = [&](const KeyedRow& place, std::size_t j) {
    return points.row(members[place.row])[j];
  };
  KeySort sort;
  std::vector<KeyedRow> places = Distinct(points, members, &sort);
  const std::size_t k = places.size();
  if (k <= 2) {
    for (const KeyedRow& place : places) out[place.row] = kInfinity;
    return out;
  }
  for (std::size_t j = 0; j < m; ++j) {
    if (j > 0) {
      for (KeyedRow& place : places) place.key = value(place, j);
      sort.Sort(&places);
    }
    const double range = places[k - 1].key - places[0].key;
    if (!(range > 0)) continue;
    out[places[0].row] = out[places[k - 1].row] = kInfinity;
    for (std::size_t i = 1; i + 1 < k; ++i) {
      const double gap = places[i + 1].key - places[i - 1].key;
      out[places[i].row] += Share(gap, range);
    }
  }
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "CrowdingDistance: not enough memory");
}

Result<LeastCrowded> Prune(const MatrixView<double>& points, std::span<const std::uint32_t> members,
                           std::size_t keep) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckMembers("Prune", points, members));
  EQUIPOISE_CHECK_RANGE("Prune", keep, std::size_t{1}, members.size());
  const std::size_t m = points.cols, count = members.size();
  constexpr auto kNobody = std::numeric_limits<std::uint32_t>::max();
  KeySort sort;
  std::vector<KeyedRow> places = Distinct(points, members, &sort);
  std::vector<Neighbours> neighbours(count * m, {kNobody, kNobody});  // [count, m]
  std::vector<double> values(count * m);                              // [count, m]
  for (std::size_t place = 0; place < count; ++place)
    std::copy_n(points.row(members[place]), m, values.data() + place * m);
  std::vector<double> ranges(m);
  for (std::size_t j = 0; j < m && !places.empty(); ++j) {
    if (j > 0) {
      for (KeyedRow& place : places) place.key = values[place.row * m + j];
      sort.Sort(&places);
    }
    ranges[j] = places.back().key - places.front().key;
    for (std::size_t i = 0; i < places.size(); ++i)
      neighbours[places[i].row * m + j] = {i > 0 ? places[i - 1].row : kNobody,
                                           i + 1 < places.size() ? places[i + 1].row : kNobody};
  }
  // As CrowdingDistance adds it up, while who is at the end of an objective stays there.
  const auto distance = [&](std::uint32_t place) {
    double sum = 0;
    for (std::size_t j = 0; j < m; ++j) {
      if (!(ranges[j] > 0)) continue;
      const Neighbours& near = neighbours[place * m + j];
      if (near.before == kNobody || near.after == kNobody) return kInfinity;
      const double gap = values[near.after * m + j] - values[near.before * m + j];
      sum += Share(gap, ranges[j]);
    }
    return sum;
  };
  std::vector<double> first(count, 0);
  for (const KeyedRow& place : places)
    first[place.row] = places.size() <= 2 ? kInfinity : distance(place.row);
  Least crowding(std::move(first));
  std::vector<bool> gone(count, false);
  std::size_t left = count;
  for (; left > keep; --left) {
    const std::size_t place = crowding.Find();
    if (crowding[place] == kInfinity) break;
    gone[place] = true;
    crowding.Set(place, kInfinity);
    // A copy of a point, or one with NaN, is nobody's neighbour.
    for (std::size_t j = 0; j < m; ++j) {
      const Neighbours near = neighbours[place * m + j];
      if (near.before != kNobody) neighbours[near.before * m + j].after = near.after;
      if (near.after != kNobody) neighbours[near.after * m + j].before = near.before;
    }
    for (std::size_t j = 0; j < m; ++j)
      for (const std::uint32_t other :
           {neighbours[place * m + j].before, neighbours[place * m + j].after})
        if (other != kNobody) crowding.Set(other, distance(other));
  }
  LeastCrowded out;
  for (std::uint32_t place = 0; place < count; ++place) {
    if (gone[place]) continue;
    out.places.push_back(place);
    out.crowding.push_back(crowding[place]);
  }
  // Ends of objectives only: without one of them others may be an end no longer.
  while (out.places.size() > keep) {
    const auto at = static_cast<std::size_t>(
        std::min_element(out.crowding.rbegin(), out.crowding.rend()).base() - out.crowding.begin() -
        1);
    out.places.erase(out.places.begin() + static_cast<std::ptrdiff_t>(at));
    std::vector<std::uint32_t> rest;
    for (const std::uint32_t place : out.places) rest.push_back(members[place]);
    EQUIPOISE_ASSIGN_OR_RETURN(out.crowding, CrowdingDistance(points, rest));
  }
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Prune: not enough memory");
}

}  // namespace equipoise
