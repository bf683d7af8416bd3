#include "cpu/cpu_items.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include <equipoise/core/parallel.h>

#include "cpu/best_keys.h"
#include "cpu/finite_rows.h"
#include "cpu/panel_reader.h"
#include "cpu/query_block.h"

namespace equipoise {
namespace {

// Queries that share one pass over the items, and how many results all workers may keep for them.
constexpr std::size_t kQueriesAtOnce = 1024;
constexpr std::size_t kMostKept = std::size_t{1} << 23;
// Up to so many queries, borrowed items are read where they are; with more, laying them out as panels
// costs less than it saves.
constexpr std::size_t kFewQueries = 8;

std::size_t Workers(std::size_t panels, int threads) {
  return std::min(panels, static_cast<std::size_t>(std::clamp(threads, 1, 1024)));
}

// Scores in the metric's own terms, from keys that rank the items of one query.
class Scores {
 public:
  Scores(const VectorsView& items, const VectorsView& queries, const PreparedQueries& prepared,
         Metric metric)
      : prepared_(prepared), metric_(metric) {
    if (items.type != ElementType::kInt8) return;
    codes_ = true;
    factor_ = 1.0f / (queries.scale.scale * items.scale.scale);
  }

  float Of(float key, std::size_t query) const {
    return codes_ ? key * prepared_.inverse_norm[query] : key;
  }
  float Of(std::int32_t key, std::size_t query) const {
    if (metric_ == Metric::kL2)
      return static_cast<float>(key - prepared_.code_norm2[query]) * factor_;
    return static_cast<float>(key) * factor_;
  }

 private:
  const PreparedQueries& prepared_;
  Metric metric_;
  bool codes_ = false;
  float factor_ = 1;
};

// Calls sink(worker, query, panel, valid rows, keys[32]) for every query and panel; a worker sees its
// panels in ascending order. Raw is what products are made of, Key what ranks.
template <typename Raw, typename Key, typename Sink>
Status ForEachPanel(const ItemPanels& items, const PreparedQueries& prepared, bool few, int threads,
                    const Sink& sink) {
  const std::size_t n = items.items.rows;
  const Metric metric = items.metric;
  const std::size_t panels = PanelsOf(n);
  std::vector<std::size_t> bad(Workers(panels, threads), n);
  // Made before the threads start: an exception must not cross them.
  std::vector<PanelReader> readers;
  readers.reserve(bad.size());
  for (std::size_t w = 0; w < bad.size(); ++w) readers.emplace_back(items, prepared, few);
  std::vector<QueryBlock> row_blocks;
  if (few)
    for (std::size_t q = 0; q < prepared.count; q += kRowQueries)
      row_blocks.push_back({q, std::min(kRowQueries, prepared.count - q)});
  const std::vector<QueryBlock>& blocks = few ? row_blocks : prepared.blocks;

  ParallelFor(panels, threads, [&](std::size_t begin, std::size_t end, int worker) {
    PanelReader& reader = readers[static_cast<std::size_t>(worker)];
    const KernelTable& kernels = reader.kernels();
    constexpr std::size_t kMostQueries = 16;
    alignas(64) Raw raw[kMostQueries * kPanel] = {};
    alignas(64) Key keys[kPanel];
    for (std::size_t first = begin; first < end; first += reader.chunk()) {
      const std::size_t last = std::min(end, first + reader.chunk());
      reader.Prepare(first, last - first);
      for (const QueryBlock& block : blocks) {
        for (std::size_t panel = first; panel < last; ++panel) {
          reader.Products(panel, block, raw);
          if constexpr (std::is_same_v<Raw, float>) {
            // One query is enough: a NaN or an infinity in an item shows in every product.
            if (!items.packed && block.first == 0 &&
                reader.FoundBadItem(panel, raw, &bad[static_cast<std::size_t>(worker)]))
              return;
          }
          for (std::size_t r = 0; r < block.count; ++r) {
            Raw* values = raw + r * kPanel;
            const Key* ranked = nullptr;
            if constexpr (std::is_same_v<Raw, Key>) {
              ranked = values;
              if constexpr (std::is_same_v<Raw, float>) {
                if (metric == Metric::kCosine) kernels.times(values, reader.floats(panel));
                if (metric == Metric::kL2)
                  kernels.negative_distances(values, reader.floats(panel),
                                             prepared.norm2[block.first + r]);
              } else {
                if (metric == Metric::kL2) kernels.twice_less_i32(values, reader.integers(panel));
              }
            } else {
              kernels.times_i32(values, reader.floats(panel), keys);
              ranked = keys;
            }
            sink(worker, block.first + r, panel, reader.rows_of(panel), ranked);
          }
        }
      }
    }
  });
  const std::size_t row = *std::min_element(bad.begin(), bad.end());
  return row < n ? BadRow("items", row) : Status();
}

template <typename Key>
Key Rankable(Key key) {
  // Only an overflow makes a NaN here; it ranks last.
  if constexpr (std::is_same_v<Key, float>)
    return !std::isnan(key) ? key : -std::numeric_limits<float>::infinity();
  return key;
}

// A worker's best need not be more than the items that it sees.
std::size_t KeptByWorker(std::size_t panels, std::size_t workers, std::size_t k) {
  return std::min(k, (panels + workers - 1) / workers * kPanel);
}

template <typename Raw, typename Key>
Status CollectTopK(const ItemPanels& items, const PreparedQueries& prepared, const Scores& scores,
                   bool few, std::size_t k, int threads, Scored* out) {
  const KernelTable& kernels = *items.kernels;
  const std::size_t panels = PanelsOf(items.items.rows);
  const std::size_t workers = Workers(panels, threads);
  std::vector<BestKeys<Key>> best;
  best.reserve(workers * prepared.count);
  for (std::size_t i = 0; i < workers * prepared.count; ++i)
    best.emplace_back(KeptByWorker(panels, workers, k));
  const auto sink = [&](int worker, std::size_t query, std::size_t panel, std::size_t rows,
                        const Key* keys) {
    BestKeys<Key>& kept = best[static_cast<std::size_t>(worker) * prepared.count + query];
    const auto base = static_cast<std::uint32_t>(panel * kPanel);
    std::uint32_t mask = PanelReader::ValidMask(rows);
    if (kept.selective()) {
      if constexpr (std::is_same_v<Key, float>)
        mask &= kernels.above_f32(keys, kept.bar());
      else
        mask &= kernels.above_i32(keys, kept.bar());
    }
    for (; mask != 0; mask &= mask - 1) {
      const auto i = static_cast<std::uint32_t>(std::countr_zero(mask));
      kept.Push(Rankable(keys[i]), base + i);
    }
  };
  Status status = ForEachPanel<Raw, Key>(items, prepared, few, threads, sink);
  if (!status.ok()) return status;
  std::vector<typename BestKeys<Key>::Item> all;
  for (std::size_t q = 0; q < prepared.count; ++q) {
    all.clear();
    for (std::size_t w = 0; w < workers; ++w) {
      const auto& kept = best[w * prepared.count + q].items();
      all.insert(all.end(), kept.begin(), kept.end());
    }
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(k);
    std::partial_sort(all.begin(), end, all.end(), BestKeys<Key>::Before);
    for (std::size_t j = 0; j < k; ++j) out[q * k + j] = {all[j].id, scores.Of(all[j].key, q)};
  }
  return {};
}

}  // namespace

Result<CpuItems> CpuItems::Pack(const KernelTable& kernels, const VectorsView& items, Metric metric,
                                int threads) {
  CpuItems out = Borrow(kernels, items, metric);
  ItemPanels& set = out.set_;
  set.packed = true;
  const std::size_t panels = PanelsOf(items.rows);
  const std::size_t bytes = PanelBytes(items.type, items.cols);
  const bool codes = items.type == ElementType::kInt8;
  set.panels = AlignedBuffer<std::byte>(panels * bytes);
  if (NeedsNorms(metric)) {
    if (metric == Metric::kL2 && codes)
      set.integers = AlignedBuffer<std::int32_t>(panels * kPanel);
    else
      set.floats = AlignedBuffer<float>(panels * kPanel);
  }

  std::vector<AlignedBuffer<float>> scratch(Workers(panels, threads));
  for (AlignedBuffer<float>& buffer : scratch)
    buffer = AlignedBuffer<float>(codes ? 0 : 2 * kPanel * items.cols);
  std::vector<std::size_t> bad(scratch.size(), items.rows);
  ParallelFor(panels, threads, [&](std::size_t begin, std::size_t end, int worker) {
    const auto w = static_cast<std::size_t>(worker);
    for (std::size_t p = begin; p < end; ++p) {
      const std::size_t first = p * kPanel;
      const VectorsView rows = items.Slice(first, std::min(kPanel, items.rows - first));
      for (std::size_t i = 0; i < rows.rows; ++i) {
        if (RowIsFinite(rows, i)) continue;
        bad[w] = first + i;
        return;
      }
      PackPanel(kernels, rows, metric, scratch[w].data(),
                {.panel = set.panels.data() + p * bytes,
                 .type = items.type,
                 .floats = set.floats.size() > 0 ? &set.floats[first] : nullptr,
                 .integers = set.integers.size() > 0 ? &set.integers[first] : nullptr});
    }
  });
  const std::size_t row = *std::min_element(bad.begin(), bad.end());
  if (row < items.rows) return BadRow("items", row);
  set.items.data = nullptr;
  return out;
}

CpuItems CpuItems::Borrow(const KernelTable& kernels, const VectorsView& items, Metric metric) {
  CpuItems out;
  out.set_.kernels = &kernels;
  out.set_.items = items;
  out.set_.metric = metric;
  return out;
}

// Calls run(first query, prepared, scores, few) for parts of at most `at_once` queries.
template <typename Run>
Status CpuItems::InParts(const VectorsView& queries, std::size_t at_once, const Run& run) const {
  const bool few = !set_.packed && queries.rows <= kFewQueries;
  for (std::size_t first = 0; first < queries.rows; first += at_once) {
    const VectorsView part = queries.Slice(first, std::min(at_once, queries.rows - first));
    const PreparedQueries prepared = set_.items.type == ElementType::kInt8
                                         ? PrepareCodes(*set_.kernels, part, set_.metric, !few)
                                         : PrepareFloats(*set_.kernels, part, set_.metric, !few);
    const Scores scores(set_.items, queries, prepared, set_.metric);
    if (Status status = run(first, prepared, scores, few); !status.ok()) return status;
  }
  return {};
}

Status CpuItems::Similarity(const VectorsView& queries, int threads, std::span<float> out) const {
  const std::size_t n = set_.items.rows;
  return InParts(queries, kQueriesAtOnce,
                 [&](std::size_t first, const PreparedQueries& prepared, const Scores& scores,
                     bool few) -> Status {
                   const auto sink = [&](int, std::size_t query, std::size_t panel,
                                         std::size_t rows, const auto* keys) {
                     float* to = out.data() + (first + query) * n + panel * kPanel;
                     for (std::size_t i = 0; i < rows; ++i)
                       to[i] = scores.Of(Rankable(keys[i]), query);
                   };
                   if (set_.items.type != ElementType::kInt8)
                     return ForEachPanel<float, float>(set_, prepared, few, threads, sink);
                   if (set_.metric == Metric::kCosine)
                     return ForEachPanel<std::int32_t, float>(set_, prepared, few, threads, sink);
                   return ForEachPanel<std::int32_t, std::int32_t>(set_, prepared, few, threads,
                                                                   sink);
                 });
}

Status CpuItems::TopK(const VectorsView& queries, std::size_t k, int threads,
                      std::span<Scored> out) const {
  // A buffer holds twice what it keeps. A query's scores do not depend on the part that it is in.
  const std::size_t panels = PanelsOf(set_.items.rows), workers = Workers(panels, threads);
  const std::size_t kept = 2 * workers * KeptByWorker(panels, workers, k);
  return InParts(
      queries, std::clamp<std::size_t>(kMostKept / kept, 1, kQueriesAtOnce),
      [&](std::size_t first, const PreparedQueries& prepared, const Scores& scores,
          bool few) -> Status {
        Scored* to = out.data() + first * k;
        if (set_.items.type != ElementType::kInt8)
          return CollectTopK<float, float>(set_, prepared, scores, few, k, threads, to);
        if (set_.metric == Metric::kCosine)
          return CollectTopK<std::int32_t, float>(set_, prepared, scores, few, k, threads, to);
        return CollectTopK<std::int32_t, std::int32_t>(set_, prepared, scores, few, k, threads, to);
      });
}

}  // namespace equipoise
