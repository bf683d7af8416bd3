/// Points with several objectives, all of them to be minimized: which are worth having at all.
///
///   auto sorting = NonDominatedSort(points);             // n × m
///   sorting->front(0);                                   // what no other point is better than
///   auto crowding = CrowdingDistance(points, sorting->front(0));
///   std::size_t knee = *Knee(points, sorting->front(0));
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Most objectives of a point.
inline constexpr std::size_t kMaxObjectives = 16;

/// a is nowhere worse than b and somewhere better. Equal points do not dominate each other, and with NaN
/// nothing does.
/// Shapes   a, b [m]
/// Threads  pure
EQUIPOISE_API bool Dominates(std::span<const double> a, std::span<const double> b);

/// Points by rank: those of rank 0 nothing dominates, those of rank r + 1 something of rank r does.
struct NonDominatedSorting {
  std::vector<std::uint32_t> rank;  ///< [n]
  std::vector<std::uint32_t>
      order;  ///< [n] points: by rank, in it by objectives, equal ones by number
  std::vector<std::uint32_t> begin;  ///< [ranks + 1] where each rank's begin in `order`
  std::size_t not_a_number = 0;      ///< points with NaN: all of them together the last rank

  std::size_t ranks() const { return begin.size() - 1; }
  std::span<const std::uint32_t> front(std::size_t r) const {
    return std::span(order).subspan(begin[r], begin[r + 1] - begin[r]);
  }
};

/// Sorts points into ranks.
/// Shapes   points [n, m]; violations [n] or empty
/// Range    1 <= m <= kMaxObjectives; n < 2^32; infinite objectives compare as numbers do. violations: how
///          far a point breaks its constraints, 0 for those that are feasible: these come first, then the
///          others by violation, equal ones in one rank
/// Errors   kInvalidArgument: a shape or a violation out of range; kOutOfMemory
/// Threads  pure; O(n log n) for two objectives, O(n log² n) for three where ranks are not huge, else
///          O(m n²) at worst
/// Source   Deb et al. 2002, doi:10.1109/4235.996017 (ranks, constraints); Zhang et al. 2015,
///          doi:10.1109/TEVC.2014.2308305 (one point at a time, binary search among the ranks); Jensen
///          2003, doi:10.1109/TEVC.2003.817234 (that two objectives need only a rank's last point)
EQUIPOISE_API Result<NonDominatedSorting> NonDominatedSort(const MatrixView<double>& points,
                                                           std::span<const double> violations = {});

/// How much room each point of one rank has around it: over the objectives, the distance between its two
/// neighbours as a share of the whole range.
/// Shapes   points [n, m]; members [k], numbers of points, each once; the result [k]
/// Range    infinite at the ends of an objective that is not the same for all, and for one or two different
///          points. Of points that are equal the first in `members` counts, and the others have 0: they add
///          nothing. A neighbour at infinity is infinitely far; members with NaN have 0
/// Errors   kInvalidArgument: a member that is no point; kOutOfMemory
/// Threads  pure; O(m k log k)
/// Source   Deb et al. 2002, section III-B; equal points: Fortin & Parizeau 2013,
///          doi:10.1145/2463372.2463456
EQUIPOISE_API Result<std::vector<double>> CrowdingDistance(const MatrixView<double>& points,
                                                           std::span<const std::uint32_t> members);

/// The `keep` members that have the most room around them: the least crowded is taken away, of equal ones the
/// last, its neighbours' distances are renewed, and so on. To take away all at once leaves holes where several
/// neighbours are crowded by each other.
/// Shapes   points [n, m]; members as for CrowdingDistance
/// Range    1 <= keep <= members; the result: places in `members`, ascending, with CrowdingDistance of what is left
/// Errors   as CrowdingDistance; kInvalidArgument: keep out of range
/// Threads  pure; O(m k log k + k² / 16)
/// Source   Kukkonen & Deb 2006, doi:10.1109/CEC.2006.1688443
struct LeastCrowded {
  std::vector<std::uint32_t> places;  ///< [keep]
  std::vector<double> crowding;       ///< [keep]
};
EQUIPOISE_API Result<LeastCrowded> Prune(const MatrixView<double>& points,
                                         std::span<const std::uint32_t> members, std::size_t keep);

/// The least, or the largest, of each objective over the members. Over a front these are its ideal and its
/// nadir point.
/// Shapes   points [n, m]; members [k], k >= 1; the result [m]
/// Errors   kInvalidArgument: no members, or one that is no point; kOutOfMemory
/// Threads  pure
EQUIPOISE_API Result<std::vector<double>> IdealPoint(const MatrixView<double>& points,
                                                     std::span<const std::uint32_t> members);
EQUIPOISE_API Result<std::vector<double>> NadirPoint(const MatrixView<double>& points,
                                                     std::span<const std::uint32_t> members);

/// The member that bulges most towards the ideal point: with objectives scaled to [0, 1] between ideal and
/// nadir, the farthest from the plane through the points that are best in all but one. The first of equals.
/// Shapes   points [n, m]; members [k], k >= 1, finite; the result: a number of a point
/// Errors   as IdealPoint; kInvalidArgument: an objective that is not finite
/// Threads  pure
/// Source   Das 1999, doi:10.1007/s001580050111
EQUIPOISE_API Result<std::uint32_t> Knee(const MatrixView<double>& points,
                                         std::span<const std::uint32_t> members);

}  // namespace equipoise
