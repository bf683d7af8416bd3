#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cuda/plan.h"

namespace equipoise::cuda {
namespace {

const DeviceShape kH200{132, std::size_t{60} << 20};
const DeviceShape kA100{108, std::size_t{40} << 20};
const DeviceShape kTiny{1, std::size_t{1} << 20};

TEST(TileColumns, TwoTilesFitIntoTheCache) {
  for (const DeviceShape& device : {kH200, kA100})
    for (std::uint32_t rows : {1U, 8U, 32U, 100U, 512U, 1024U, 3 * 336U}) {
      const std::uint32_t columns = TileColumns(device, rows, 10'000'000);
      EXPECT_LE(std::uint64_t{2} * 4 * rows * columns, device.l2_bytes * 9 / 10) << rows;
      EXPECT_EQ(columns % 16, 0U);
      EXPECT_GE(columns, 1024U);
    }
}

TEST(TileColumns, FillEveryProcessorAsOftenAsTheOthers) {
  // 1,024 rows are 8 blocks of 128: 16 columns of blocks of 256 occupy 128 of 132 processors.
  EXPECT_EQ(TileColumns(kH200, 1024, 10'000'000), 4096U);
}

TEST(TileColumns, NeverExceedThePaddedItems) {
  for (const DeviceShape& device : {kH200, kTiny})
    for (std::uint64_t items : {1ULL, 15ULL, 16ULL, 17ULL, 720ULL, 100'000ULL}) {
      const std::uint32_t columns = TileColumns(device, 32, items);
      EXPECT_LE(columns, RoundUp<std::uint64_t>(items, 16));
      EXPECT_GT(columns, 0U);
    }
  EXPECT_EQ(TileColumns(kH200, 32, 720), 720U);
}

TEST(SlicesOf, FillTheDeviceAndMergeInAFewSteps) {
  for (std::uint32_t queries : {1U, 2U, 8U, 32U, 500U, 1024U})
    for (std::uint32_t k : {1U, 10U, 100U, 1000U, 2048U}) {
      const std::uint32_t slices = SlicesOf(kH200, queries, 1'000'000, k);
      EXPECT_GE(slices, 1U);
      EXPECT_LE(slices * k, 32768U + k);
      EXPECT_LE(queries * slices, 2 * 132 + queries);
      // Each merge leaves fewer lists, and its keys fit.
      EXPECT_LE(MergeFan(k) * k, kMostSorted);
      EXPECT_GE(MergeFan(k), 2U);
    }
  EXPECT_EQ(SlicesOf(kH200, 1, 1'000'000, 100), 245U);
  EXPECT_EQ(SlicesOf(kH200, 32, 720, 10), 1U);
}

TEST(ListCapacity, HasRoomForOneStepMoreThanK) {
  for (std::uint32_t k = 1; k <= kMostK; ++k) {
    EXPECT_GE(ListCapacity(k), k + kRoom);
    EXPECT_LE(ListCapacity(k), kMostSorted);
    EXPECT_EQ(ListCapacity(k) & (ListCapacity(k) - 1), 0U);
  }
}

TEST(MakeItemShape, RowsAreMultiplesOf16Bytes) {
  for (Type type : {Type::kFloat32, Type::kFloat16, Type::kBFloat16, Type::kInt8})
    for (std::uint64_t d : {1, 3, 4, 5, 16, 17, 384, 1535}) {
      const ItemShape shape = MakeItemShape(100, d, type);
      EXPECT_EQ(shape.row_bytes() % 16, 0U);
      EXPECT_GE(shape.stride, d);
      EXPECT_LT((shape.stride - d) * TypeBytes(type), 16U);
    }
  EXPECT_EQ(MakeItemShape(33, 1, Type::kInt8).padded_rows(), 48U);
  // 10 million rows of 1,536 float32 are past 2³¹ elements.
  EXPECT_EQ(MakeItemShape(10'000'000, 1536, Type::kFloat32).bytes(), 61'440'000'000U);
}

// What cuBLAS computes, from its documentation: column-major, C = op(A) op(B).
std::vector<float> ColumnMajorGemm(const GemmShape& shape, const std::vector<float>& a,
                                   const std::vector<float>& b) {
  std::vector<float> c(static_cast<std::size_t>(shape.ldc) * static_cast<std::size_t>(shape.n), -1);
  const auto at = [](int row, int column, int ld) {
    return static_cast<std::size_t>(row) +
           static_cast<std::size_t>(column) * static_cast<std::size_t>(ld);
  };
  for (int i = 0; i < shape.m; ++i)
    for (int j = 0; j < shape.n; ++j) {
      float sum = 0;
      for (int l = 0; l < shape.k; ++l)
        sum += a[at(l, i, shape.lda)] * b[at(l, j, shape.ldb)];  // op(A) = Aᵀ, op(B) = B
      c[at(i, j, shape.ldc)] = sum;
    }
  return c;
}

TEST(MakeGemm, GivesTheRowMajorProductOfQueriesAndItems) {
  std::mt19937 random(3);
  std::uniform_int_distribution<int> value(-9, 9);
  constexpr std::uint32_t kQueries = 5;
  constexpr std::uint32_t kItems = 7;
  constexpr std::uint32_t kStride = 12;
  constexpr std::uint64_t kLd = 16;
  std::vector<float> queries(kQueries * kStride);
  std::vector<float> items(kItems * kStride);
  for (float& x : queries) x = static_cast<float>(value(random));
  for (float& x : items) x = static_cast<float>(value(random));
  const std::vector<float> scores =
      ColumnMajorGemm(MakeGemm(kQueries, kItems, kStride, kLd), items, queries);
  for (std::size_t q = 0; q < kQueries; ++q)
    for (std::size_t x = 0; x < kItems; ++x) {
      float sum = 0;
      for (std::size_t j = 0; j < kStride; ++j)
        sum += queries[q * kStride + j] * items[x * kStride + j];
      EXPECT_EQ(scores[q * kLd + x], sum);
    }
}

TEST(DotQueries, StayWithinABlocksSharedMemory) {
  for (Type type : {Type::kFloat32, Type::kFloat16, Type::kBFloat16, Type::kInt8})
    for (std::uint64_t d : {1, 384, 1536, 3072, 32768})
      for (std::uint64_t queries = 1; queries <= 9; ++queries) {
        const ItemShape shape = MakeItemShape(1000, d, type);
        const unsigned width = DotQueries(queries, shape);
        if (width == 0) continue;
        EXPECT_GE(width, queries);
        EXPECT_LE(width, 8U);
        const std::size_t bytes =
            type == Type::kInt8      ? DotSharedBytes<std::int8_t>(shape.row_bytes(), width)
            : type == Type::kFloat32 ? DotSharedBytes<float>(shape.row_bytes(), width)
                                     : DotSharedBytes<Half>(shape.row_bytes(), width);
        EXPECT_LE(bytes, 49152U);
      }
  EXPECT_EQ(DotQueries(8, MakeItemShape(1000, 1536, Type::kFloat16)), 8U);
  EXPECT_EQ(DotQueries(9, MakeItemShape(1000, 384, Type::kInt8)), 0U);
}

TEST(PlanPass, BuffersDoNotOverlapAndFitTheSize) {
  for (const DeviceShape& device : {kH200, kTiny})
    for (Type type : {Type::kFloat32, Type::kFloat16, Type::kBFloat16, Type::kInt8})
      for (Type queries : {Type::kFloat32, type})
        for (std::uint32_t m : {1U, 8U, 9U, 32U, 336U})
          for (std::uint64_t n : {1ULL, 720ULL, 1'000'000ULL})
            for (std::uint32_t k : {0U, 1U, 100U, 2048U}) {
              if (type == Type::kInt8 && queries != type) continue;
              const ItemShape items = MakeItemShape(n, 385, type);
              const PassPlan plan = PlanPass(device, items, queries, m, k);
              const std::size_t tile_rows =
                  plan.dot_queries > 0 ? plan.dot_queries : plan.parts * plan.padded_rows;
              const std::size_t lists = std::size_t{m} * plan.slices;
              std::vector<std::pair<std::size_t, std::size_t>> buffers = {
                  {plan.queries, plan.query_bytes},
                  {plan.split, plan.parts > 1 ? plan.parts * plan.part_bytes(items) : 0},
                  {plan.unscale, plan.parts > 1 ? 4 * m : 0},
                  {plan.aux, 4 * m},
                  {plan.tile[0], 4 * tile_rows * plan.tile_columns}};
              if (plan.tiles > 1)
                buffers.push_back({plan.tile[1], 4 * tile_rows * plan.tile_columns});
              if (k > 0) {
                buffers.push_back({plan.lists, 8 * lists * plan.capacity});
                buffers.push_back({plan.counts, 4 * lists});
                buffers.push_back({plan.floors, 4 * lists});
                buffers.push_back({plan.found, std::size_t{8} * m * k});
                if (plan.slices > 1) {
                  buffers.push_back({plan.merge[0], 8 * lists * k});
                  buffers.push_back({plan.merge[1], 8 * lists * k});
                }
              }
              std::erase_if(buffers, [](const auto& buffer) { return buffer.second == 0; });
              std::sort(buffers.begin(), buffers.end());
              for (std::size_t i = 0; i + 1 < buffers.size(); ++i)
                ASSERT_LE(buffers[i].first + buffers[i].second, buffers[i + 1].first);
              ASSERT_LE(buffers.back().first + buffers.back().second, plan.bytes);
              ASSERT_GE(std::uint64_t{plan.tiles} * plan.tile_columns, n);
              ASSERT_LT(std::uint64_t{plan.tiles - 1} * plan.tile_columns, n);
            }
}

TEST(PlanPass, DeviceMemoryIsBounded) {
  for (std::uint64_t n : {1'000'000ULL, 100'000'000ULL})
    for (std::uint32_t m : {1U, 8U, 64U, 1024U})
      for (std::uint32_t k : {1U, 100U, 2048U}) {
        const ItemShape items = MakeItemShape(n, 1536, Type::kFloat32);
        EXPECT_LE(PlanPass(kH200, items, Type::kFloat32, m, k).bytes, std::size_t{256} << 20);
      }
}

}  // namespace
}  // namespace equipoise::cuda
