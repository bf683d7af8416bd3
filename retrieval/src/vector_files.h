// What the two files of a vector index hold beside rows and links.
#pragma once

#include <compare>
#include <cstdint>

namespace equipoise {

inline constexpr char kVectorsKind[] = "vectors";
inline constexpr char kGraphKind[] = "graph";
inline constexpr std::uint32_t kVectorFilesVersion = 1;

// "vectors": sections
//   info   VectorsInfo
//   rows   float16 [rows, dim]
//   norms  float [rows], cosine only: 1 / |stored row|, 0 for zero rows
struct VectorsInfo {
  std::uint64_t rows = 0;
  std::uint32_t dim = 0;
  std::uint32_t metric = 0;
  float max_norm = 0;
  std::int32_t exponent = 0;  // l2: stored value = value · 2^exponent
};
static_assert(sizeof(VectorsInfo) == 24);

// Of either sign, for any rows of finite float32 numbers, subnormal ones included.
inline constexpr std::int32_t kMaxExponent = 163;

// "graph": sections
//   info   GraphInfo
//   faiss  as faiss::write_index makes it, where has_graph; in input units
//   copies Copy [], where has_graph
//
// Rows whose codes are equal would fill each other's lists of links and shut the walk in. Only the
// first of them is linked; the others are nodes without links, and are named here.
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
  std::uint32_t dim = 0;
  std::uint32_t metric = 0;
  std::uint32_t has_graph = 0;
  std::int32_t m = 0;
  std::int32_t ef_construction = 0;
  float code_scale = 0;
  float code_center = 0;
  char faiss_version[20] = {};
};
static_assert(sizeof(GraphInfo) == 72);

}  // namespace equipoise
