// The graph itself: its shape, whatever the rows, and that it does not depend on threads.
#include "hnsw_builder.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>

#include "retrieval/vector_data.h"
#include "retrieval/vector_truth.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

// Rows as the builder takes them.
class Encoded {
 public:
  Encoded(Matrix rows, Metric metric) : rows_(std::move(rows)), metric_(metric) {
    float largest = 1e-30f;
    for (std::size_t i = 0; i < rows_.n; ++i) {
      if (metric == Metric::kCosine) Normalize(rows_.row(i).data(), rows_.d);
      for (const float value : rows_.row(i)) largest = std::max(largest, std::fabs(value));
    }
    scale_ = {127.0f / largest, 0.0f};
    codes_.resize(rows_.n * rows_.d);
    QuantizeI8(rows_.values.data(), codes_.size(), scale_, codes_.data());
    const std::vector<float> center(rows_.d);
    sketcher_ = *Sketcher::Make(rows_.d, metric, center, 1);
    sketches_.resize(rows_.n * SketchBytes(rows_.d));
    for (std::size_t i = 0; i < rows_.n; ++i)
      EXPECT_TRUE(
          sketcher_->Encode(rows_.row(i).data(), &sketches_[i * SketchBytes(rows_.d)]).ok());
  }

  HnswRows View() const {
    return {.count = rows_.n,
            .codes = {.metric = metric_, .dim = rows_.d, .scale = scale_, .codes = codes_.data()},
            .sketcher = &*sketcher_,
            .sketches = sketches_.data()};
  }
  // All rows but copies, in order.
  HnswOrder Order() const {
    std::vector<bool> copied(rows_.n);
    for (const Copy& pair : FindCopies(codes_, rows_.d)) copied[pair.copy] = true;
    HnswOrder out;
    for (std::uint32_t i = 0; i < rows_.n; ++i) {
      if (!copied[i]) out.rows.push_back(i);
    }
    return out;
  }
  const Matrix& rows() const { return rows_; }

 private:
  Matrix rows_;
  Metric metric_;
  CodeScale scale_;
  std::vector<std::uint8_t> codes_;
  std::optional<Sketcher> sketcher_;
  std::vector<std::byte> sketches_;
};

VectorIndexOptions Options(Metric metric, int m = 8, int ef_construction = 40, int threads = 2) {
  VectorIndexOptions out;
  out.metric = metric;
  out.m = m;
  out.ef_construction = ef_construction;
  out.threads = threads;
  return out;
}

std::span<const std::int32_t> Slots(const SlottedGraph& graph, std::uint32_t row,
                                    std::size_t level) {
  return std::span(graph.neighbors)
      .subspan(graph.offsets[row] + static_cast<std::size_t>(graph.slot_ends[level]),
               static_cast<std::size_t>(graph.slot_ends[level + 1] - graph.slot_ends[level]));
}

// Every list is within its slots, without gaps, and leads to other linked rows of its level, once.
void ExpectWellFormed(const SlottedGraph& graph, std::span<const std::uint32_t> linked, int m) {
  EXPECT_TRUE(OwnedLinks::Make(graph, graph.levels.size()).ok());
  std::vector<bool> is_linked(graph.levels.size());
  for (const std::uint32_t row : linked) is_linked[row] = true;
  EXPECT_TRUE(is_linked[graph.entry]);
  for (std::uint32_t row = 0; row < graph.levels.size(); ++row) {
    for (std::size_t level = 0; std::cmp_less(level, graph.levels[row]); ++level) {
      const auto slots = Slots(graph, row, level);
      EXPECT_EQ(slots.size(), static_cast<std::size_t>(level == 0 ? 2 * m : m));
      const auto end = std::find(slots.begin(), slots.end(), -1);
      EXPECT_TRUE(std::all_of(end, slots.end(), [](std::int32_t link) { return link == -1; }));
      std::set<std::int32_t> seen;
      for (auto link = slots.begin(); link != end; ++link) {
        ASSERT_LT(static_cast<std::size_t>(*link), graph.levels.size());
        EXPECT_NE(static_cast<std::uint32_t>(*link), row);
        EXPECT_TRUE(is_linked[static_cast<std::size_t>(*link)]);
        EXPECT_GT(graph.levels[static_cast<std::size_t>(*link)], static_cast<int>(level));
        EXPECT_TRUE(seen.insert(*link).second) << "twice in a list";
      }
      if (!is_linked[row]) {
        EXPECT_TRUE(seen.empty());
      }
    }
  }
}

// Rows of level 0 that links lead to from the entry.
std::size_t Reached(const SlottedGraph& graph) {
  std::vector<bool> seen(graph.levels.size());
  std::vector<std::uint32_t> queue{graph.entry};
  seen[graph.entry] = true;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const std::int32_t link : Slots(graph, queue[i], 0)) {
      if (link < 0 || seen[static_cast<std::size_t>(link)]) continue;
      seen[static_cast<std::size_t>(link)] = true;
      queue.push_back(static_cast<std::uint32_t>(link));
    }
  }
  return queue.size();
}

Matrix Uniform(std::size_t n, std::size_t d, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Matrix out(n, d);
  for (float& value : out.values) value = normal(random);
  return out;
}

TEST(BuildHnsw, IsTheSameWithAnyNumberOfThreads) {
  for (const Metric metric : kAllMetrics) {
    const Encoded rows(Clustered(5000, 24, 12, 1), metric);
    const HnswOrder order = rows.Order();
    std::vector<SlottedGraph> graphs;
    for (const int threads : {1, 2, 5}) {
      auto graph = BuildHnsw(rows.View(), Options(metric, 8, 40, threads), order);
      ASSERT_TRUE(graph.ok()) << graph.error().ToString();
      graphs.push_back(*std::move(graph));
    }
    for (const SlottedGraph& graph : graphs) {
      EXPECT_EQ(graph.neighbors, graphs[0].neighbors);
      EXPECT_EQ(graph.levels, graphs[0].levels);
      EXPECT_EQ(graph.entry, graphs[0].entry);
    }
  }
}

TEST(BuildHnsw, ListsAreWellFormedWhateverTheRows) {
  for (const Metric metric : kAllMetrics) {
    std::vector<Matrix> sets;
    sets.push_back(Clustered(2500, 16, 10, 2));
    sets.push_back(Clustered(2500, 12, 20, 3, 1e-2f));  // clusters of near-equal rows
    for (const std::size_t d : {1, 7, 383}) sets.push_back(Uniform(d == 383 ? 300 : 1500, d, 4));
    sets.push_back(Uniform(60, 4096, 5));
    sets.push_back(Matrix(500, 3));  // one row and its copies
    sets.push_back(Uniform(1500, 16, 6));
    for (float& value : sets.back().row(17)) value *= 1000;  // an outlier
    for (Matrix& set : sets) {
      const Encoded rows(std::move(set), metric);
      const HnswOrder order = rows.Order();
      for (const int m : {2, 8}) {
        auto graph = BuildHnsw(rows.View(), Options(metric, m), order);
        ASSERT_TRUE(graph.ok()) << graph.error().ToString();
        ExpectWellFormed(*graph, order.rows, m);
      }
    }
  }
}

TEST(BuildHnsw, LinksWhatIsHeldOutAfterItWasMeasured) {
  const Encoded rows(Clustered(3000, 16, 10, 7), Metric::kCosine);
  HnswOrder order = rows.Order();
  order.held_out = 600;
  const std::span<const std::uint32_t> shown = std::span(order.rows).first(order.rows.size() - 600);
  int calls = 0;
  order.measure = [&](const SlottedGraph& graph) -> Status {
    ++calls;
    ExpectWellFormed(graph, shown, 8);
    return {};
  };
  auto graph = BuildHnsw(rows.View(), Options(Metric::kCosine), order);
  ASSERT_TRUE(graph.ok());
  EXPECT_EQ(calls, 1);
  ExpectWellFormed(*graph, order.rows, 8);
  order.measure = [](const SlottedGraph&) { return Status(Code::kCancelled, "enough"); };
  EXPECT_EQ(BuildHnsw(rows.View(), Options(Metric::kCosine), order).error().code(),
            Code::kCancelled);
}

TEST(ExtendHnsw, AddsRowsToAGraph) {
  for (const Metric metric : kAllMetrics) {
    const Encoded rows(Clustered(5000, 16, 10, 8), metric);
    const HnswOrder all = rows.Order();
    HnswOrder half;
    half.rows.assign(all.rows.begin(), all.rows.begin() + 2500);
    auto graph = BuildHnsw(rows.View(), Options(metric), half);
    ASSERT_TRUE(graph.ok());
    ExpectWellFormed(*graph, half.rows, 8);
    auto whole = ExtendHnsw(*graph, 2500, rows.View(), Options(metric), all);
    ASSERT_TRUE(whole.ok()) << whole.error().ToString();
    ExpectWellFormed(*whole, all.rows, 8);
    // Short rows are nobody's best inner product.
    if (metric != Metric::kInnerProduct) {
      EXPECT_GE(Reached(*whole), all.rows.size() * 999 / 1000);
    }
    EXPECT_EQ(ExtendHnsw(*graph, 2500, rows.View(), Options(metric, 9), all).error().code(),
              Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace equipoise
