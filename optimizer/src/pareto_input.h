// What the tools of Pareto fronts ask of their points.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/pareto.h>

namespace equipoise {

inline bool HasNan(std::span<const double> point) {
  return std::any_of(point.begin(), point.end(), [](double v) { return std::isnan(v); });
}

inline Status CheckShape(const char* where, const MatrixView<double>& points) {
  if (points.rows == 0) return {};
  EQUIPOISE_CHECK_RANGE(where, points.cols, std::size_t{1}, kMaxObjectives);
  EQUIPOISE_CHECK_RANGE(where, points.rows, std::size_t{1},
                        std::size_t{std::numeric_limits<std::uint32_t>::max()});
  return {};
}

inline Status CheckMembers(const char* where, const MatrixView<double>& points,
                           std::span<const std::uint32_t> members) {
  EQUIPOISE_RETURN_IF_ERROR(CheckShape(where, points));
  for (const std::uint32_t member : members)
    if (member >= points.rows)
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: member {} of {} points", where, member, points.rows),
                    {.field = "members"});
  return {};
}

}  // namespace equipoise
