/// How good a front is, as one number.
#pragma once

#include <span>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// The volume that the points dominate, up to the reference point. More is better.
/// Shapes   points [n, m]; reference [m]
/// Range    1 <= m <= kMaxObjectives; n any, dominated points and duplicates too. A point that is not
///          better than the reference in every objective, or has NaN, adds nothing
/// Errors   kInvalidArgument: a shape, a reference that is not finite, a point at minus infinity (its volume
///          would be infinite); kOutOfMemory
/// Threads  pure; O(n log n) for two objectives, O(n log n) and moving a part of the front for each point
///          for three; exponential in m at worst beyond
/// Exact    up to the rounding of sums in double
/// Source   two and three objectives: Beume et al. 2009, doi:10.1109/TEVC.2009.2015575; beyond: While et
///          al. 2012, doi:10.1109/TEVC.2010.2077298 (WFG)
EQUIPOISE_API Result<double> Hypervolume(const MatrixView<double>& points,
                                         std::span<const double> reference);

/// Mean distance from each point of a reference front to the nearest point, as far as that is worse. Less is
/// better; 0: nothing of the reference is better than the points.
/// Shapes   points [n, m], n >= 1; reference [r, m], r >= 1
/// Errors   kInvalidArgument: a shape, or a value that is not finite
/// Threads  pure; O(n r m)
/// Source   Ishibuchi et al. 2015, doi:10.1007/978-3-319-15892-1_8 (IGD+)
EQUIPOISE_API Result<double> IgdPlus(const MatrixView<double>& points,
                                     const MatrixView<double>& reference);

}  // namespace equipoise
