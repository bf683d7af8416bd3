// The kernels' bodies for choosing the best k, run on emulated thread blocks, against a plain sort.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/topk.h>

#include "cuda/plan.h"
#include "emulated_block.h"

namespace equipoise::cuda {
namespace {

const float kInf = std::numeric_limits<float>::infinity();

TEST(OrderedFloat, OrdersAsFloatsDoAndComesBack) {
  const std::vector<float> ascending = {-kInf,  -3e38f, -1.5f, -1e-45f, 0.0f,
                                        1e-45f, 1e-20f, 1.0f,  3e38f,   kInf};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    EXPECT_EQ(FloatOfOrdered(OrderedFloat(ascending[i])), ascending[i]);
    if (i > 0) {
      EXPECT_LT(OrderedFloat(ascending[i - 1]), OrderedFloat(ascending[i]));
    }
  }
  EXPECT_EQ(OrderedFloat(-0.0f), OrderedFloat(0.0f));
  EXPECT_EQ(OrderedFloat(NAN), OrderedFloat(-kInf));
  EXPECT_EQ(OrderedFloat(-NAN), OrderedFloat(-kInf));
}

TEST(OrderedInt, OrdersAsIntegersDoAndComesBack) {
  const std::vector<std::int32_t> ascending = {INT32_MIN, -7, -1, 0, 1, 7, INT32_MAX};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    EXPECT_EQ(IntOfOrdered(OrderedInt(ascending[i])), ascending[i]);
    if (i > 0) {
      EXPECT_LT(OrderedInt(ascending[i - 1]), OrderedInt(ascending[i]));
    }
  }
}

TEST(KeyOf, PrefersTheLowerIdOfEqualScores) {
  EXPECT_GT(KeyOf(5, 3), KeyOf(5, 4));
  EXPECT_GT(KeyOf(6, 4), KeyOf(5, 3));
  EXPECT_GT(KeyOf(0, 0xfffffffe), 0U);
  EXPECT_EQ(IdOfKey(KeyOf(9, 123)), 123U);
  EXPECT_EQ(OrderedOfKey(KeyOf(9, 123)), 9U);
}

TEST(SortDescending, SortsEveryPowerOfTwo) {
  std::mt19937_64 random(1);
  Emulator emulator(1);
  for (unsigned n = 1; n <= 4096; n *= 2) {
    std::vector<std::uint64_t> keys(n);
    for (auto& key : keys) key = random() % (n + 1);  // with ties
    std::vector<std::uint64_t> expected = keys;
    std::sort(expected.rbegin(), expected.rend());
    emulator.Run(1, 1, 8 * n, [&](EmulatedBlock& block) {
      for (unsigned i = block.thread(); i < n; i += block.threads()) block.shared()[i] = keys[i];
      block.Sync();
      SortDescending(block, block.shared(), n);
      for (unsigned i = block.thread(); i < n; i += block.threads()) keys[i] = block.shared()[i];
    });
    EXPECT_EQ(keys, expected);
  }
}

// All the steps after the products, as item_set.cc takes them. products [rows, n] row-major.
template <ScoreKind kKind, typename Product>
std::vector<Scored> Select(const std::vector<Product>& products, std::uint32_t rows,
                           std::uint32_t n, std::uint32_t k, std::uint32_t slices,
                           std::uint32_t tile_columns, ScoreTile tile = {}) {
  Emulator emulator(n * 31 + k);
  const std::uint32_t capacity = ListCapacity(k);
  const std::size_t lists = std::size_t{rows} * slices;
  std::vector<std::uint64_t> keys(lists * capacity, 0xdeadbeef);
  std::vector<std::uint32_t> counts(lists, 0);
  std::vector<std::uint32_t> floors(lists, 0);
  tile.ld = n;
  tile.rows = rows;
  tile.parts = 1;
  for (std::uint32_t first = 0; first < n; first += tile_columns) {
    tile.products = products.data() + first;
    tile.columns = std::min(tile_columns, n - first);
    tile.first = first;
    const ScanArgs args{tile, slices, k, capacity, keys.data(), counts.data(), floors.data()};
    emulator.Run(slices, rows, 8 * (capacity + 1),
                 [&](EmulatedBlock& block) { ScanBody<kKind>(block, args); });
  }
  std::vector<Scored> found(std::size_t{rows} * k);
  std::vector<MergeArgs::Found> out(found.size());
  std::vector<std::uint64_t> merged[2] = {std::vector<std::uint64_t>(lists * k),
                                          std::vector<std::uint64_t>(lists * k)};
  MergeArgs args{};
  args.in = keys.data();
  args.counts = counts.data();
  args.lists = slices;
  args.stride = capacity;
  args.fan = 1;
  args.k = k;
  args.kind = kKind;
  args.factor = tile.factor;
  args.query_aux = tile.query_aux;
  for (int round = 0;; ++round) {
    const std::uint32_t left = CeilDivide(args.lists, args.fan);
    if (left == 1) args.found = out.data();
    args.out = merged[round % 2].data();
    emulator.Run(left, rows, 8 * kMostSorted,
                 [&](EmulatedBlock& block) { MergeBody(block, args); });
    if (left == 1) break;
    args.in = args.out;
    args.counts = nullptr;
    args.lists = left;
    args.stride = k;
    args.fan = MergeFan(k);
  }
  for (std::size_t i = 0; i < out.size(); ++i) found[i] = {out[i].id, out[i].score};
  return found;
}

std::vector<Scored> Sorted(const std::vector<float>& scores, std::uint32_t rows, std::uint32_t n,
                           std::uint32_t k) {
  std::vector<Scored> best;
  for (std::uint32_t row = 0; row < rows; ++row) {
    std::vector<Scored> all;
    for (std::uint32_t i = 0; i < n; ++i) {
      const float score = scores[std::size_t{row} * n + i];
      all.push_back({i, std::isnan(score) ? -kInf : score});
    }
    std::sort(all.begin(), all.end(), Better);
    best.insert(best.end(), all.begin(), all.begin() + k);
  }
  return best;
}

struct Sizes {
  std::uint32_t rows, n, k, slices, tile_columns;
};
class Selection : public ::testing::TestWithParam<Sizes> {};

TEST_P(Selection, AgreesWithASortForEveryOrderOfScores) {
  const auto [rows, n, k, slices, tile_columns] = GetParam();
  std::mt19937 random(7);
  std::vector<float> scores(std::size_t{rows} * n);
  for (const std::string order : {"random", "few values", "ascending", "descending", "equal"}) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto column = static_cast<float>(i % n);
      scores[i] = order == "random"       ? std::normal_distribution<float>()(random)
                  : order == "few values" ? static_cast<float>(random() % 3) - 1
                  : order == "ascending"  ? column
                  : order == "descending" ? -column
                                          : 0.5f;
    }
    EXPECT_EQ((Select<ScoreKind::kInnerProduct>(scores, rows, n, k, slices, tile_columns)),
              Sorted(scores, rows, n, k))
        << order;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Selection,
    ::testing::Values(Sizes{1, 1, 1, 1, 16}, Sizes{2, 5, 5, 1, 16}, Sizes{3, 257, 10, 2, 64},
                      Sizes{2, 720, 1, 1, 720}, Sizes{1, 4097, 100, 3, 1024},
                      Sizes{2, 2048, 2048, 1, 2048}, Sizes{1, 6000, 2048, 5, 4096},
                      Sizes{1, 9000, 7, 40, 4500}, Sizes{1, 5000, 1000, 9, 5000}),
    [](const auto& param) {
      const Sizes& s = param.param;
      return "m" + std::to_string(s.rows) + "_n" + std::to_string(s.n) + "_k" +
             std::to_string(s.k) + "_slices" + std::to_string(s.slices) + "_tile" +
             std::to_string(s.tile_columns);
    });

TEST(Selection, InfinitiesAndNaNHaveTheirPlace) {
  const std::vector<float> scores = {1, kInf, -kInf, NAN, -0.0f, 0.0f, -NAN, 3e38f};
  const auto found = Select<ScoreKind::kInnerProduct>(scores, 1, 8, 8, 1, 16);
  const std::vector<Scored> expected = {{1, kInf}, {7, 3e38f}, {0, 1},     {4, 0},
                                        {5, 0},    {2, -kInf}, {3, -kInf}, {6, -kInf}};
  EXPECT_EQ(found, expected);
}

TEST(Selection, CodesAreRankedByTheirIntegers) {
  // Beyond 2²⁴ neighbouring integers are one float32: the order must not be that of the scores.
  std::vector<std::int32_t> products(300);
  for (std::size_t i = 0; i < products.size(); ++i)
    products[i] = (1 << 28) + static_cast<std::int32_t>(i * 7 % 300);
  ScoreTile tile{};
  tile.factor = 0.5f;
  const auto found = Select<ScoreKind::kCodesInnerProduct>(products, 1, 300, 300, 1, 128, tile);
  for (std::uint32_t rank = 0; rank < 300; ++rank) {
    EXPECT_EQ(products[found[rank].id], (1 << 28) + 299 - static_cast<std::int32_t>(rank));
    EXPECT_EQ(found[rank].score, static_cast<float>(products[found[rank].id]) * 0.5f);
  }
}

TEST(Selection, CodesByDistanceSubtractTheItemsSquares) {
  const std::vector<std::int32_t> products = {10, 20, 30, -5};
  const std::vector<std::uint32_t> item_squares = {4, 36, 64, 1};
  const std::vector<std::uint32_t> query_squares = {100};
  ScoreTile tile{};
  tile.item_aux = item_squares.data();
  tile.query_aux = query_squares.data();
  tile.factor = 0.25f;
  const auto found = Select<ScoreKind::kCodesL2>(products, 1, 4, 4, 1, 16, tile);
  // 2 q·x − |x|²: 16, 4, −4, −11; less |q|².
  const std::vector<Scored> expected = {{0, -21}, {1, -24}, {2, -26}, {3, -27.75f}};
  EXPECT_EQ(found, expected);
}

TEST(Selection, CodesByCosineAreRankedByTheirQuotient) {
  const std::vector<std::int32_t> products = {10, -20, 30, 0};
  std::vector<std::uint32_t> item_inverse;
  for (float inverse : {0.5f, 0.125f, 0.1f, 0.0f})
    item_inverse.push_back(std::bit_cast<std::uint32_t>(inverse));
  const std::vector<std::uint32_t> query_inverse = {std::bit_cast<std::uint32_t>(0.01f)};
  ScoreTile tile{};
  tile.item_aux = item_inverse.data();
  tile.query_aux = query_inverse.data();
  const auto found = Select<ScoreKind::kCodesCosine>(products, 1, 4, 4, 1, 16, tile);
  const std::vector<Scored> expected = {
      {0, 5 * 0.01f}, {2, 30 * 0.1f * 0.01f}, {3, 0}, {1, -2.5f * 0.01f}};
  EXPECT_EQ(found, expected);
}

TEST(Emulator, FindsThreadsThatPartAtABarrier) {
  Emulator emulator(1);
  EXPECT_THROW(emulator.Run(1, 1, 0,
                            [](EmulatedBlock& block) {
                              if (block.thread() != 77) block.Sync();
                            }),
               std::logic_error);
}

}  // namespace
}  // namespace equipoise::cuda
