// What the two files of a vector index hold.
#pragma once

#include <compare>
#include <cstdint>

namespace equipoise {

inline constexpr char kVectorsKind[] = "vectors";
inline constexpr char kGraphKind[] = "graph";
inline constexpr std::uint32_t kVectorFilesVersion = 4;
inline constexpr char kTuningSection[] = "tuning";

// "vectors": sections
//   info   VectorsInfo
//   rows   float16 or float32 [rows, dim]; absent where the codes are all that is kept
//   norms  float [rows], cosine only: 1 / |stored row|, 0 for zero rows
struct VectorsInfo {
  std::uint64_t rows = 0;
  std::uint32_t dim = 0;
  std::uint32_t metric = 0;
  float max_norm = 0;
  std::int32_t exponent = 0;  // l2, inner product: stored value = value · 2^exponent
  std::uint32_t storage = 0;  // VectorStorage
  std::uint32_t unused = 0;
};
static_assert(sizeof(VectorsInfo) == 32);

// Of either sign, for any rows of finite float32 numbers, subnormal ones included.
inline constexpr std::int32_t kMaxExponent = 163;

// Codes are a section "codes": uint8 [rows, dim], code = round(scale · (x − center)) + 128. With
// storage int4+int8 they are "high" and "low", nibbles as PackHighNibbles lays them out.

// "graph": sections
//   info          GraphInfo
//   from some hundred rows on:
//   codes | high, low
//   center        float [dim], that sketches are made around
//   sketches      SketchBytes(dim) for each row; this and `center` are absent where `groups` is there
//   where has_graph:
//   starts        uint32 [rows + 1]: where the level-0 links of a row begin, in units of kLinkUnit
//   links         uint32: rows; a list is filled up to a whole unit with the row's own number, with
//                 storage inline to a multiple of kLinkGroup
//   upper_rows    uint32: the rows that have links on higher levels, ascending
//   upper_lists   uint32 [upper rows + 1]: the first of each one's lists in upper_starts
//   upper_starts  uint32 [lists + 1]: where a list begins in upper_links; levels 1, 2, ...
//   upper_links   uint32: positions in upper_rows
//   groups        storage inline: LinkGroupBytes(dim) for each kLinkGroup of `links`
//   copies        Copy []
//   deleted       uint64 [ceil(rows / 64)], one bit a row; absent where none is
//   calibration   RecallPoint [], by ascending target
//   tuning        WalkTuning; absent where nothing was tuned. Always the last one: it depends on the
//                 machine, and the rest of the file is the same with it and without
inline constexpr std::size_t kLinkUnit = 4;

// Rows whose codes are equal would fill each other's lists of links and shut the walk in. Only the
// first of them is linked; the others have no links, and are named here.
struct Copy {
  std::uint32_t original = 0;
  std::uint32_t copy = 0;

  friend auto operator<=>(const Copy&, const Copy&) = default;  // NOLINT(modernize-use-nullptr)
};
static_assert(sizeof(Copy) == 8);

struct GraphInfo {
  std::uint64_t vectors_checksum = 0;  // of the file that it belongs to
  std::uint64_t rows = 0;
  std::uint64_t seed = 0;
  std::uint64_t sketch_seed = 0;
  std::uint32_t dim = 0;
  std::uint32_t metric = 0;
  std::uint32_t storage = 0;
  std::uint32_t has_graph = 0;
  std::int32_t m = 0;
  std::int32_t ef_construction = 0;
  float code_scale = 0;
  float code_center = 0;
  std::uint32_t entry_row = 0;
  std::uint32_t top_level = 0;
  char linked_by[20] = {};
  float target_recall = 0;
};
static_assert(sizeof(GraphInfo) == 96);

}  // namespace equipoise
