/// Sketches of rows in groups, to look at all rows of a small collection: 16 of them at a time through
/// the tables of link_sketch.h, faster than SketchBelow takes rows that follow one another.
///
///   GroupSketches(records + 16 * g * SketchBytes(384), 16, 384, groups + g * LinkGroupBytes(384));
///   LinkSketcher::Make(384, metric, seed)->Prepare(query, &prepared);   // the seed of the sketches
///   n = LinkSketchBelow(prepared, groups, count, -Dot(query, center, 384), threshold, kept);
#pragma once

#include <cstddef>

#include <equipoise/core/export.h>

namespace equipoise {

/// The group of some records that a Sketcher made.
/// Shapes   records [count, SketchBytes(dim)]; group [LinkGroupBytes(dim)], a multiple of 64 is faster
/// Range    count <= kLinkGroup; what lacks is never kept by LinkSketchBelow
/// Units    LinkSketchEstimate is that of SketchEstimate where the query of the first was prepared by a
///          LinkSketcher with the dim and seed of the Sketcher, and `distance` is -<query, center>; for l2
///          from query - center, and its squared length. Its error is that of SketchError, which is not
///          in the group, and about 0.05 times as much for the table
/// Threads  safe from many threads
/// Exact    the same bytes on every instruction set; sketch_groups_test checks the estimates
EQUIPOISE_API void GroupSketches(const std::byte* records, std::size_t count, std::size_t dim,
                                 std::byte* group);

}  // namespace equipoise
