/// One-bit sketches of a row's neighbours beside its links: from a few lines that follow one another,
/// estimates of all their distances to a query at once.
///
/// What is sketched is the step from the row to its neighbour, and what it is added to is the row's own
/// distance, which a search knows when it follows the links: short steps leave little to estimate.
/// 16 neighbours make a group, in which each value of 4 bits is looked up in a table of the query: 16
/// look-ups are one instruction.
///
///   auto sketcher = LinkSketcher::Make(384, Metric::kCosine, seed);
///   sketcher->Encode(row, neighbors, 16, groups);
///   LinkSketchQuery query;
///   sketcher->Prepare(vector, &query);
///   n = LinkSketchBelow(query, groups, 2, distance_of_row, worst_distance, kept);
///
/// Source   Gao & Long 2024, arXiv:2405.12497 (RaBitQ): the estimate; Gou et al. 2025,
///          arXiv:2411.12229 (SymphonyQG): around the node whose links are followed, beside them;
///          Andre et al. 2015, doi:10.14778/2856318.2856324 and 2017, arXiv:1704.07355: tables in
///          registers
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/rotation.h>

namespace equipoise {

/// Neighbours of a group.
inline constexpr std::size_t kLinkGroup = 16;

/// Bytes of a group: with u = ceil(dim / 8), u units of 16 bytes, of which byte l belongs to neighbour
/// l: in its lower half the signs of values 4 i .. 4 i + 3 of unit i, in its upper half those of values
/// 4 (u + i) ..; then 16 factors and 16 addends (float), then zeros up to a multiple of 64. 896 for 384
/// dimensions.
EQUIPOISE_API std::size_t LinkGroupBytes(std::size_t dim);

/// What an estimate needs of a query.
struct LinkSketchConstants {
  const std::uint8_t* table = nullptr;  ///< [2 units, 16]: for each 4 values what 4 signs sum to
  std::size_t units = 0;                ///< ceil(dim / 8)
  std::size_t group_bytes = 0;          ///< LinkGroupBytes(dim)
  float base = 0;                       ///< sum of signs and query: base + step * sum of the table
  float step = 0;
};

/// A query as LinkSketcher::Prepare leaves it; used again for the next query it allocates nothing.
/// Threads  a value type; one thread at a time prepares, many may read
class EQUIPOISE_API LinkSketchQuery {
 public:
  LinkSketchQuery();
  LinkSketchQuery(LinkSketchQuery&& other) noexcept;
  LinkSketchQuery& operator=(LinkSketchQuery&& other) noexcept;
  ~LinkSketchQuery();

  const LinkSketchConstants& constants() const { return constants_; }

 private:
  friend class LinkSketcher;
  struct Memory;
  LinkSketchConstants constants_;
  std::unique_ptr<Memory> memory_;
};

/// Makes groups of neighbours and tables of queries. Rebuilt from the same dim, metric and seed it makes
/// the same bytes on every instruction set.
/// Threads  const, safe from many threads; a value type
class EQUIPOISE_API LinkSketcher {
 public:
  /// Range    1 <= dim <= kMaxRotationDim; any seed
  /// Errors   kInvalidArgument: dim out of range; kOutOfMemory
  static Result<LinkSketcher> Make(std::size_t dim, Metric metric, std::uint64_t seed);

  /// The group of some neighbours of a row.
  /// Shapes   row [dim]; neighbors [count, dim]; group [LinkGroupBytes(dim)], no alignment needed (a
  ///          multiple of 64 is faster)
  /// Range    count <= kLinkGroup; what lacks is never kept by LinkSketchBelow. A neighbour equal to
  ///          the row is estimated as far as the row; one that is not finite, or so far that float32
  ///          does not hold its numbers, is always kept
  /// Errors   kOutOfMemory
  /// Exact    the same bytes on every instruction set
  Status Encode(const float* row, const float* neighbors, std::size_t count,
                std::byte* group) const;

  /// The table of a query, of the same length as rows are (unit vectors for cosine).
  /// Shapes   query [dim]
  /// Range    a query of zeros is fine; for one that is not finite LinkSketchBelow keeps everything
  /// Errors   kOutOfMemory, only at the first use of `out`, or when it served other dimensions
  /// Exact    the same table and constants on every instruction set
  Status Prepare(const float* query, LinkSketchQuery* out) const;

  std::size_t dim() const { return rotation_.dim(); }
  Metric metric() const { return metric_; }

 private:
  LinkSketcher() = default;

  Metric metric_ = Metric::kCosine;
  Rotation rotation_;
};

/// The estimated distance of a neighbour to a query: -<query, neighbour> for cosine and inner product,
/// |query - neighbour|² for L2.
/// Units    distance: the row's, which it is added to, of the same kind
/// Range    lane < kLinkGroup; `query` prepared by the LinkSketcher that made the group
/// Threads  safe from many threads
/// Exact    (distance + addend) + factor * (base + step * sum) in float32, in this order and without
///          fused operations, where `sum`, of integers of the table, is exact: the same on every
///          instruction set. With r the step from row to neighbour, the error of a given pair is about
///          normal over rotations, without bias, with a standard deviation of 0.76 |query - row| |r| /
///          √dim (twice that for L2); the table adds about 0.04 |query| |r| / √dim. link_sketch_test
///          checks all of this
EQUIPOISE_API float LinkSketchEstimate(const LinkSketchQuery& query, const std::byte* group,
                                       std::size_t lane, float distance);

/// Keeps the neighbours that may be nearer than a threshold: those with LinkSketchEstimate < threshold.
/// Shapes   groups [count, LinkGroupBytes(dim)]; kept [16 count] gets positions, 16 * group + lane,
///          ascending; what lies behind those that were kept is undefined
/// Units    distance, threshold: as LinkSketchEstimate
/// Range    count any; `query` prepared. Where threshold or estimate is NaN the neighbour is kept;
///          under an infinite threshold all but the lanes that no neighbour has
/// Threads  safe from many threads
/// Exact    the same neighbours are kept on every instruction set
/// Returns  how many were kept
EQUIPOISE_API std::size_t LinkSketchBelow(const LinkSketchQuery& query, const std::byte* groups,
                                          std::size_t count, float distance, float threshold,
                                          std::uint32_t* kept);

}  // namespace equipoise
