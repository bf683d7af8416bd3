/// One-bit sketches: from one cache line of a row, an estimate of its distance to a query and how far
/// off that estimate may be, to tell whether the row itself is worth reading.
///
/// A record keeps the signs of a randomly rotated row and four numbers; a query is rotated likewise
/// and kept to 4 bits a dimension, as 4 planes of bits, so that a product is ANDs and counts of bits.
///
///   auto sketcher = Sketcher::Make(384, Metric::kCosine, center, seed);
///   sketcher->Encode(row, records + i * SketchBytes(384));
///   SketchQuery query;
///   sketcher->Prepare(vector, &query);
///   n = SketchBelow(query, records, ids, count, worst_distance, 1.0f, kept, {codes, 384, 6});
///
/// Source   Gao & Long 2024, arXiv:2405.12497 (RaBitQ): estimate, its error, the query's planes
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/rotation.h>

namespace equipoise {

/// Most dimensions of a sketch, as of 8-bit codes.
inline constexpr std::size_t kMaxSketchDim = kMaxRotationDim;

/// Bytes of a record: 4 floats (SketchHeader), then ceil(dim / 64) words of 64 bits, value i at bit
/// i % 64 of word i / 64, then zeros up to a multiple of 32. One cache line for 129 to 384 dimensions.
EQUIPOISE_API std::size_t SketchBytes(std::size_t dim);

/// The first 16 bytes of a record.
struct SketchHeader {
  float factor = 0;     ///< of the product of bits and query
  float error = 0;      ///< one standard error of the estimate for a query whose error_scale is 1
  float half_ones = 0;  ///< half the number of bits that are 1
  float add = 0;        ///< the row's own part of the distance
};

/// What an estimate needs of a query: constants beside the planes.
struct SketchConstants {
  const std::byte* planes = nullptr;  ///< 4 of them, laid out as a record behind 16 zero bytes
  std::size_t plane_stride = 0;       ///< bytes from one plane to the next, a multiple of 64
  std::size_t record_bytes = 0;       ///< SketchBytes(dim)
  float base = 0;                     ///< the query's own part of the distance
  float two_step = 0;                 ///< twice the width of a step of the query's 4-bit values
  float sum = 0;                      ///< of the query's 4-bit values
  float error_scale = 0;              ///< |query|, or 2 |query - center| for L2
};

/// A query as Sketcher::Prepare leaves it; used again for the next query it allocates nothing.
/// Threads  a value type; one thread at a time prepares, many may read
class EQUIPOISE_API SketchQuery {
 public:
  SketchQuery();
  SketchQuery(SketchQuery&& other) noexcept;
  SketchQuery& operator=(SketchQuery&& other) noexcept;
  ~SketchQuery();

  const SketchConstants& constants() const { return constants_; }

 private:
  friend class Sketcher;
  struct Memory;
  SketchConstants constants_;
  std::unique_ptr<Memory> memory_;
};

/// Makes records of rows and planes of queries: the center and the random rotation that both share.
/// Rebuilt from the same dim, metric, center and seed it makes the same bytes on every instruction set.
/// Threads  const, safe from many threads; a value type
class EQUIPOISE_API Sketcher {
 public:
  /// Shapes   center [dim]: best the mean of the rows; zeros will do
  /// Range    1 <= dim <= kMaxSketchDim; any seed
  /// Errors   kInvalidArgument: dim out of range, center of another size or not finite; kOutOfMemory
  static Result<Sketcher> Make(std::size_t dim, Metric metric, std::span<const float> center,
                               std::uint64_t seed);

  /// The record of a row.
  /// Shapes   row [dim]; record [SketchBytes(dim)], no alignment needed (a multiple of 64 is faster)
  /// Range    a row that is the center has factor and error 0; a row that is not finite, or so large
  ///          that float32 does not hold its record, is never dropped by SketchBelow
  /// Errors   kOutOfMemory, only for dim > 4,096
  /// Exact    the same bytes on every instruction set
  Status Encode(const float* row, std::byte* record) const;

  /// The planes of a query, of the same length as rows are (unit vectors for cosine).
  /// Shapes   query [dim]
  /// Range    a query of zeros is fine; for one that is not finite SketchBelow keeps everything
  /// Errors   kOutOfMemory, only at the first use of `out`, or when it served fewer dimensions
  /// Exact    the same planes and constants on every instruction set
  Status Prepare(const float* query, SketchQuery* out) const;

  std::size_t dim() const { return rotation_.dim(); }
  Metric metric() const { return metric_; }
  std::span<const float> center() const { return center_; }

 private:
  Sketcher() = default;

  Metric metric_ = Metric::kCosine;
  std::vector<float> center_;
  Rotation rotation_;
};

/// The estimated distance of a record to a query: -<query, row> for cosine and inner product,
/// |query - row|² for L2.
/// Range    `query` prepared by the Sketcher that made the record
/// Threads  safe from many threads
/// Exact    base + add + factor * (two_step * (bits + half_ones) - sum) in float32, in this order and
///          without fused operations, where `bits` is the exact product of the record's bits and the
///          query's values: the same on every instruction set. Its error is about normal with a
///          standard deviation of SketchError. A row in nearly the query's direction from the center
///          is estimated up to 5 % of |query| |row - center| too near (twice that for L2), since the
///          query's values have 16 steps. sketch_test checks all of this
EQUIPOISE_API float SketchEstimate(const SketchQuery& query, const std::byte* record);

/// One standard error of SketchEstimate.
EQUIPOISE_API float SketchError(const SketchQuery& query, const std::byte* record);

/// What to bring into the cache for each row that is kept: `lines` cache lines from
/// base + id * stride on. 0 lines: nothing.
struct PrefetchTarget {
  const std::byte* base = nullptr;
  std::size_t stride = 0;  ///< bytes
  std::size_t lines = 0;
};

/// Keeps the rows that may be nearer than a threshold: those with
/// SketchEstimate - slack * SketchError < threshold.
/// Shapes   records [any, SketchBytes(dim)]; ids, kept [count]: the record of ids[i]. `kept` gets ids in
///          the order given, and may be `ids` itself; what lies behind those that were kept is
///          undefined
/// Units    threshold: distance, as SketchEstimate; slack: standard errors
/// Range    slack >= 0; count any; `query` prepared. Where threshold or estimate is NaN the row is kept
/// Threads  safe from many threads
/// Exact    the same rows are kept on every instruction set
/// Returns  how many were kept
EQUIPOISE_API std::size_t SketchBelow(const SketchQuery& query, const std::byte* records,
                                      const std::uint32_t* ids, std::size_t count, float threshold,
                                      float slack, std::uint32_t* kept, PrefetchTarget next);

}  // namespace equipoise
