// Sizes and shapes of a call, decided on the host: nothing here needs a GPU, and tests check it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/dot_tile.h"
#include "cuda/rows.h"
#include "cuda/select.h"

namespace equipoise::cuda {

enum class Type : std::uint32_t { kFloat32 = 0, kFloat16 = 1, kBFloat16 = 2, kInt8 = 3 };
enum class Distance : std::uint32_t { kCosine = 0, kL2 = 1, kInnerProduct = 2 };

inline std::size_t TypeBytes(Type type) {
  return type == Type::kFloat32 ? 4 : type == Type::kInt8 ? 1 : 2;
}

template <typename T>
T RoundUp(T value, T multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
template <typename T>
T CeilDivide(T value, T by) {
  return (value + by - 1) / by;
}

struct DeviceShape {
  unsigned processors = 132;
  std::size_t l2_bytes = std::size_t{50} << 20;
};

/// Items as they lie on the device: rows of a multiple of 16 bytes, 16 rows of zeros at most after
/// the last, so that every tile has a width that 8-bit products take.
struct ItemShape {
  std::uint64_t rows = 0;
  std::uint32_t cols = 0;
  std::uint32_t stride = 0;  // elements
  Type type = Type::kFloat32;

  std::uint64_t padded_rows() const { return RoundUp<std::uint64_t>(rows, 16); }
  std::size_t row_bytes() const { return stride * TypeBytes(type); }
  std::size_t bytes() const { return padded_rows() * row_bytes(); }
};

inline ItemShape MakeItemShape(std::uint64_t rows, std::uint64_t cols, Type type) {
  const std::uint64_t elements = 16 / TypeBytes(type);
  return {rows, static_cast<std::uint32_t>(cols),
          static_cast<std::uint32_t>(RoundUp(cols, elements)), type};
}

/// How a set's scores are made, and how its rows are prepared.
inline ScoreKind KindOf(Type type, Distance distance) {
  if (type == Type::kInt8)
    return distance == Distance::kL2       ? ScoreKind::kCodesL2
           : distance == Distance::kCosine ? ScoreKind::kCodesCosine
                                           : ScoreKind::kCodesInnerProduct;
  return distance == Distance::kL2       ? ScoreKind::kL2
         : distance == Distance::kCosine ? ScoreKind::kCosine
                                         : ScoreKind::kInnerProduct;
}
inline bool NeedsAux(ScoreKind kind) {
  return kind != ScoreKind::kCodesInnerProduct && kind != ScoreKind::kInnerProduct;
}
inline Aux AuxOf(ScoreKind kind) {
  return kind == ScoreKind::kL2 || kind == ScoreKind::kCodesL2 ? Aux::kSquares : Aux::kInverse;
}

/// 16-bit matrices that stand for a float32 one: 11 or 8 leading bits each.
inline std::uint32_t PartsOf(Type items, Type queries) {
  if (queries != Type::kFloat32 || items == Type::kFloat32 || items == Type::kInt8) return 1;
  return items == Type::kFloat16 ? 2 : 3;
}
inline float PartScale(Type items) { return items == Type::kFloat16 ? 0x1p-11f : 1.0f; }

/// Whether the kernel for a few queries takes the products, and with how many queries (the rest are
/// zeros); 0: the matrix product does.
inline unsigned DotQueries(std::uint64_t queries, const ItemShape& items) {
  if (queries > kDotQueries) return 0;
  const unsigned width = queries == 1 ? 1 : queries <= 4 ? 4 : 8;
  // Queries are float32 there, except codes; 48 KiB is what a block has everywhere.
  const std::size_t query_bytes = items.stride * (items.type == Type::kInt8 ? 1 : 4);
  return width * query_bytes <= (std::size_t{48} << 10) ? width : 0;
}

/// The product S = Q Xᵀ, row-major [rows, columns], as cuBLAS's column-major call
/// C [m, n] = op(A) op(B): A is the items, transposed, B the queries as they are, and C column by
/// column is S row by row.
struct GemmShape {
  int m, n, k;
  int lda, ldb, ldc;
};
inline GemmShape MakeGemm(std::uint32_t query_rows, std::uint32_t columns, std::uint32_t stride,
                          std::uint64_t ld) {
  const auto k = static_cast<int>(stride);
  return {static_cast<int>(columns), static_cast<int>(query_rows), k, k, k, static_cast<int>(ld)};
}

/// Columns of a tile: two of them with `rows` scores of 4 bytes a column fit into the L2 cache and
/// leave a fifth of it to what passes through. Where it can, a multiple of the columns that occupy
/// every processor once with blocks of 128 × 256, so that the last wave is full.
inline std::uint32_t TileColumns(const DeviceShape& device, std::uint32_t rows,
                                 std::uint64_t items) {
  const std::uint64_t budget = device.l2_bytes * 4 / 10;
  std::uint64_t columns = std::max<std::uint64_t>(budget / (std::uint64_t{4} * rows), 256);
  const std::uint64_t wave = device.processors / CeilDivide<std::uint32_t>(rows, 128) * 256;
  if (wave > 0 && columns > wave) columns = columns / wave * wave;
  // A few tiles, not one, so that choosing among one tile's scores overlaps the next one's products.
  columns = std::min(columns, std::max<std::uint64_t>(65536, CeilDivide<std::uint64_t>(items, 4)));
  columns = std::min(RoundUp<std::uint64_t>(columns, 16), RoundUp<std::uint64_t>(items, 16));
  return static_cast<std::uint32_t>(columns);
}

/// Lists of a query: two blocks a processor over all queries, none with less than 4,096 columns, and
/// no more than merge in a few steps.
inline std::uint32_t SlicesOf(const DeviceShape& device, std::uint32_t queries,
                              std::uint32_t columns, std::uint32_t k) {
  std::uint32_t slices = CeilDivide<std::uint32_t>(2 * device.processors, queries);
  slices = std::min(slices, CeilDivide<std::uint32_t>(columns, 4096));
  return std::max<std::uint32_t>(1, std::min<std::uint32_t>(slices, 32768 / k));
}

inline std::uint32_t ListCapacity(std::uint32_t k) { return NextPowerOfTwo(k + kRoom); }
/// Lists of k that one block merges.
inline std::uint32_t MergeFan(std::uint32_t k) {
  return std::max<std::uint32_t>(2, kMostSorted / k);
}

/// Queries of one pass; a larger batch takes several.
inline std::uint32_t PassRows(std::uint32_t parts) {
  return parts == 1 ? 1024 : parts == 2 ? 512 : 336;
}

/// One pass over all items: where each buffer lies in the workspace's single allocation.
struct PassPlan {
  std::uint32_t rows = 0;         // queries
  std::uint32_t padded_rows = 0;  // and rows of zeros
  std::uint32_t parts = 1;
  unsigned dot_queries = 0;
  std::uint32_t tile_columns = 0;
  std::uint32_t tiles = 0;
  std::uint32_t k = 0;  // 0: every score is wanted
  std::uint32_t slices = 0;
  std::uint32_t capacity = 0;
  std::uint32_t fan = 0;

  std::size_t query_bytes = 0;  // [padded_rows, stride] in their own type
  std::size_t queries = 0, split = 0, unscale = 0, aux = 0;
  std::size_t tile[2] = {0, 0};
  std::size_t lists = 0, counts = 0, floors = 0, merge[2] = {0, 0}, found = 0;
  std::size_t zeroed_bytes = 0;  // counts and floors, side by side
  std::size_t found_bytes = 0;
  std::size_t bytes = 0;  // of all

  std::size_t part_bytes(const ItemShape& items) const {
    return std::size_t{padded_rows} * items.row_bytes();
  }
};

inline PassPlan PlanPass(const DeviceShape& device, const ItemShape& items, Type query_type,
                         std::uint32_t queries, std::uint32_t k) {
  PassPlan plan;
  plan.rows = queries;
  plan.padded_rows = RoundUp<std::uint32_t>(queries, 8);
  plan.k = k;
  plan.dot_queries = DotQueries(queries, items);
  plan.parts = plan.dot_queries > 0 ? 1 : PartsOf(items.type, query_type);
  const std::uint32_t tile_rows =
      plan.dot_queries > 0 ? plan.dot_queries : plan.parts * plan.padded_rows;
  plan.tile_columns = TileColumns(device, tile_rows, items.rows);
  plan.tiles = static_cast<std::uint32_t>(CeilDivide<std::uint64_t>(items.rows, plan.tile_columns));

  const auto take = [&plan](std::size_t bytes) {
    const std::size_t at = plan.bytes;
    plan.bytes += RoundUp<std::size_t>(bytes, 256);
    return at;
  };
  // The kernel for a few queries reads float32.
  const Type staged =
      plan.dot_queries > 0 && items.type != Type::kInt8 ? Type::kFloat32 : query_type;
  plan.query_bytes = std::size_t{plan.padded_rows} * items.stride * TypeBytes(staged);
  plan.queries = take(plan.query_bytes);
  plan.split = take(plan.parts > 1 ? plan.parts * plan.part_bytes(items) : 0);
  plan.unscale = take(plan.parts > 1 ? std::size_t{4} * queries : 0);
  plan.aux = take(std::size_t{4} * queries);
  const std::size_t tile_bytes = std::size_t{4} * tile_rows * plan.tile_columns;
  plan.tile[0] = take(tile_bytes);
  plan.tile[1] = plan.tiles > 1 ? take(tile_bytes) : plan.tile[0];
  if (k == 0) return plan;

  plan.slices = SlicesOf(device, queries, plan.tile_columns, k);
  plan.capacity = ListCapacity(k);
  plan.fan = MergeFan(k);
  const std::size_t lists = std::size_t{queries} * plan.slices;
  plan.lists = take(8 * lists * plan.capacity);
  plan.zeroed_bytes = 8 * lists;
  plan.counts = take(plan.zeroed_bytes);
  plan.floors = plan.counts + 4 * lists;
  plan.merge[0] = take(plan.slices > 1 ? 8 * lists * k : 0);
  plan.merge[1] = take(plan.slices > 1 ? 8 * lists * k : 0);
  plan.found_bytes = 8 * std::size_t{queries} * k;
  plan.found = take(plan.found_bytes);
  return plan;
}

}  // namespace equipoise::cuda
