// The walk through an HNSW graph: which rows are probably nearest, by codes alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/core/stop_check.h>
#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_links.h"

namespace equipoise {

// Rows as 8-bit codes, or as the upper and lower halves of them.
struct CodeRows {
  Metric metric = Metric::kCosine;
  std::size_t dim = 0;
  CodeScale scale;
  const std::uint8_t* codes = nullptr;  // [rows, dim]
  const std::uint8_t* high = nullptr;   // [rows, nibble_bytes]
  const std::uint8_t* low = nullptr;
  std::size_t nibble_bytes = 0;
};

// A query as codes are compared with it: distance = (integer distance + offset) / unit, where a
// distance is |q - x|² for l2 and -<q, x> otherwise.
struct CodeQuery {
  std::vector<std::uint8_t> codes;
  // Inner products: the query. l2: how far it lies outside of what codes reach, where it does.
  std::vector<std::int8_t> values;
  double unit = 1;
  double offset = 0;       // of 8-bit distances
  double offset_high = 0;  // of distances by the upper halves
  bool clamped = false;    // l2: it lies outside of what codes reach
  // Where it does, an integer distance is shrink (|clamped query - x|² - gain <values, x>).
  double shrink = 1;
  double gain = 0;

  std::int32_t Beyond(std::int32_t squared, std::int32_t dot) const {
    return static_cast<std::int32_t>(shrink * (squared - gain * dot));
  }

  // By so much the integer distances of two rows that are equally far may differ, as codes are rounded:
  // three standard deviations of it. `walked`: of distances that walks go by.
  // Units    reach: largest norm of a row; distance: of the nearer row
  std::int32_t Rounding(const CodeRows& rows, float reach, std::int32_t distance,
                        bool walked) const;

  // Shapes   query [dim]
  void Set(const CodeRows& rows, const float* query);
  // One of the rows itself: distances are those of codes to codes, the same from either side, so
  // that they can be compared with those of other rows.
  // Range    rows.codes is there
  void SetRow(const CodeRows& rows, std::uint32_t row);

 private:
  void SetBeyond(const CodeRows& rows, const float* query);
};

// The 8-bit codes of a row, wherever they lie.
// Shapes   unpacked [dim]: scratch where they are kept in halves
const std::uint8_t* WholeCodes(const CodeRows& rows, std::uint32_t row, std::uint8_t* unpacked);

// The integer distance of 8-bit codes; `unpacked` [dim] is scratch where they are kept in halves.
std::int32_t CodeDistance(const CodeRows& rows, const CodeQuery& query, std::uint32_t row,
                          std::uint8_t* unpacked);

void PrefetchCodes(const CodeRows& rows, std::uint32_t row);

// What a walk cost.
struct WalkStats {
  std::uint64_t expanded = 0;   // rows whose links were followed
  std::uint64_t seen = 0;       // rows that came up; with groups links, each as often as it did
  std::uint64_t distances = 0;  // of codes
};

// Scratch of one thread's walks, kept between them.
class WalkScratch {
 public:
  struct Candidate {
    std::int32_t distance;
    std::uint32_t id;  // the top bit marks those whose links were followed
  };

  CodeQuery query;
  SketchQuery sketch;
  LinkSketchQuery link_sketch;
  // Nearest first; after a walk without marks.
  std::vector<Candidate> found;
  WalkStats stats;
  // Of whoever walks.
  std::vector<std::uint32_t> ids;
  std::vector<std::uint64_t> keys;
  std::vector<std::int32_t> sample;
  std::vector<std::uint64_t> words, linked;

 private:
  template <typename Links>
  friend class LinkCollector;
  template <typename Links>
  friend class BeamWalker;
  friend class Walker;
  std::vector<std::uint64_t> visited_;  // one bit a row, all zero between walks
  std::vector<std::uint32_t> log_;      // the rows whose bits are set
  std::vector<std::uint32_t> fresh_, kept_;
  std::vector<Candidate> frontier_;
};

// Everything that a walk reads. Views; const while walks run.
struct HnswGraph {
  HnswLinks links;
  CodeRows codes;
  const Sketcher* sketcher = nullptr;   // null: no sketches of rows
  const std::byte* sketches = nullptr;  // [rows]
  // Or of links: null, or links in groups.
  const LinkSketcher* link_sketcher = nullptr;
  const std::byte* groups = nullptr;  // one for each kLinkGroup of `links`
  // Unit vectors: 1. Inner product: the largest norm of a row. What makes -<q, x> of a query of
  // length 1 a quantity that grows like a squared distance.
  float reach = 1;
  WalkTuning tuning{};
};

struct WalkRequest {
  std::size_t k = 10;    // ranks that stop the walk
  std::size_t ef = 128;  // rows kept at most, >= k
  // Rows farther than (1 + margin) times the k-th best, in squared distance, are not followed.
  // Infinite: only ef stops the walk.
  float margin = 0;
  // One bit a row, null: all. Others are walked through, but not found.
  const std::uint64_t* allowed = nullptr;
  // Where few rows are allowed: step over those that are not, to their neighbours.
  bool two_hop = false;
  // Null: never. The walk ends with what it has found.
  StopCheck* stop = nullptr;
};

// Fills scratch->found with the rows nearest to the query by code distance.
// Shapes   query [dim], as the rows are that were encoded; unit length for cosine
// Range    graph.links.rows() >= 1
// Errors   kCorruption: links that lead nowhere; kOutOfMemory as std::bad_alloc
// Source   Malkov and Yashunin 2016, arXiv:1603.09320, algorithms 2 and 5; the beam as one sorted
//          array as in Fu et al. 2017, arXiv:1707.00143; the margin: Al-Jazzazi et al. 2025,
//          arXiv:2505.15636; sketches before codes: Gao and Long 2024, arXiv:2405.12497, and of
//          links Gou et al. 2025, arXiv:2411.12229; two hops: Patel et al. 2024, arXiv:2403.04871
//          (ACORN-1)
Status WalkGraph(const HnswGraph& graph, const float* query, const WalkRequest& request,
                 WalkScratch* scratch);

}  // namespace equipoise
