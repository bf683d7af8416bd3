#include "cpu/cpu_items.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include <equipoise/core/parallel.h>

#include "cpu/best_keys.h"
#include "cpu/query_block.h"

namespace equipoise {
namespace {

// A panel that is read again for each block of queries stays in the second-level cache.
constexpr std::size_t kChunkBytes = 192 * 1024;
// Queries that share one pass over the items, and how many results may be kept for them meanwhile.
constexpr std::size_t kQueriesAtOnce = 1024;
constexpr std::size_t kMostKept = std::size_t{1} << 23;
// Up to so many queries, borrowed items are read where they are; with more, laying them out as panels
// costs less than it saves (./dev bench kernels, table "layout").
constexpr std::size_t kFewQueries = 8;

std::size_t PanelsOf(std::size_t rows) { return (rows + kPanel - 1) / kPanel; }
std::size_t Groups(std::size_t d) { return (d + kCodeGroup - 1) / kCodeGroup; }

std::size_t PanelBytes(ElementType type, std::size_t d) {
  return type == ElementType::kInt8 ? Groups(d) * kPanel * kCodeGroup
                                    : d * kPanel * ElementBytes(type);
}

// The exponent's bits are all set in a NaN and an infinity alone.
template <typename T>
bool AllFinite(const T* values, std::size_t n, T exponent_bits) {
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < n; ++i)
    found |= (values[i] & exponent_bits) == exponent_bits ? 1u : 0u;
  return found == 0;
}

bool AllFinite(const float* values, std::size_t n) {
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < n; ++i)
    found |= (std::bit_cast<std::uint32_t>(values[i]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  return found == 0;
}

bool RowIsFinite(const VectorsView& rows, std::size_t i) {
  const void* row = rows.row(i);
  switch (rows.type) {
    case ElementType::kFloat32:
      return AllFinite(static_cast<const float*>(row), rows.cols);
    case ElementType::kFloat16:
      return AllFinite(static_cast<const std::uint16_t*>(row), rows.cols, std::uint16_t{0x7c00});
    case ElementType::kBFloat16:
      return AllFinite(static_cast<const std::uint16_t*>(row), rows.cols, std::uint16_t{0x7f80});
    case ElementType::kInt8:
      break;
  }
  return true;
}

Status BadRow(const char* name, std::size_t row) {
  return Status(Code::kInvalidArgument,
                std::string(name) + ": a value is NaN or infinite; remove or replace the row",
                {.row = static_cast<std::int64_t>(row), .field = name});
}

// Codes of up to 32 rows as a panel. A last group that a row does not fill is read code by code.
void PackCodes(const KernelTable& kernels, const VectorsView& rows, std::uint8_t* panel) {
  const std::size_t whole = rows.cols / kCodeGroup;
  kernels.transpose(static_cast<const std::byte*>(rows.data), rows.stride, rows.rows, whole,
                    reinterpret_cast<std::uint32_t*>(panel));
  if (rows.cols % kCodeGroup == 0) return;
  std::uint8_t* last = panel + whole * kPanel * kCodeGroup;
  std::fill_n(last, kPanel * kCodeGroup, std::uint8_t{0});
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const auto* row = static_cast<const std::uint8_t*>(rows.row(i));
    std::copy(row + whole * kCodeGroup, row + rows.cols, last + i * kCodeGroup);
  }
}

}  // namespace

Status CheckFiniteRows(const VectorsView& rows, const char* name, std::size_t first_row) {
  for (std::size_t i = 0; i < rows.rows; ++i)
    if (!RowIsFinite(rows, i)) return BadRow(name, first_row + i);
  return {};
}

/// What one worker needs to turn items into panels and panels into keys.
class PanelReader {
 public:
  PanelReader(const CpuItems& items, const PreparedQueries& queries, bool few)
      : items_(items),
        kernels_(*items.kernels_),
        view_(items.items_),
        queries_(queries),
        few_(few),
        codes_(view_.type == ElementType::kInt8) {
    const std::size_t panel_bytes = PanelBytes(tile_type(), view_.cols);
    chunk_ =
        few_ ? 1 : std::max<std::size_t>(1, kChunkBytes / std::max<std::size_t>(panel_bytes, 1));
    if (items_.packed_) return;
    if (!few_) panels_ = AlignedBuffer<std::byte>(chunk_ * panel_bytes);
    if (!few_ || NeedsNorms()) rows_ = AlignedBuffer<float>(codes_ ? 0 : 2 * kPanel * view_.cols);
    if (NeedsNorms()) {
      floats_ = AlignedBuffer<float>(chunk_ * kPanel);
      integers_ = AlignedBuffer<std::int32_t>(chunk_ * kPanel);
    }
  }

  /// Panels that are prepared together.
  std::size_t chunk() const { return chunk_; }

  void Prepare(std::size_t first, std::size_t count) {
    first_ = first;
    if (items_.packed_) return;
    for (std::size_t p = 0; p < count; ++p) PrepareOne(first + p, p);
  }

  std::size_t rows_of(std::size_t panel) const {
    return std::min(kPanel, view_.rows - panel * kPanel);
  }

  /// Keys of a block of queries and the items of one panel: [block.count, 32].
  template <typename Raw>
  void Products(std::size_t panel, const QueryBlock& block, Raw* out) const {
    if constexpr (std::is_same_v<Raw, std::int32_t>) {
      if (few_) {
        kernels_.rows_i8(static_cast<const std::uint8_t*>(view_.row(panel * kPanel)), view_.stride,
                         rows_of(panel), queries_.signed_codes.data() + block.first * view_.cols,
                         queries_.start.data() + block.first, block.count, view_.cols, out);
      } else {
        kernels_.tile_i8(reinterpret_cast<const std::uint8_t*>(PanelAt(panel)),
                         queries_.block_words(block, kernels_.code_words),
                         queries_.start.data() + block.first, Groups(view_.cols), block.count, out);
      }
    } else if (few_) {
      const float* queries = queries_.dense.data() + block.first * view_.cols;
      const void* rows = view_.row(panel * kPanel);
      const std::size_t n = rows_of(panel), d = view_.cols, m = block.count;
      if (view_.type == ElementType::kFloat32)
        kernels_.rows_f32(static_cast<const float*>(rows), view_.stride, n, queries, m, d, out);
      if (view_.type == ElementType::kFloat16)
        kernels_.rows_f16(static_cast<const std::uint16_t*>(rows), view_.stride, n, queries, m, d,
                          out);
      if (view_.type == ElementType::kBFloat16)
        kernels_.rows_bf16(static_cast<const std::uint16_t*>(rows), view_.stride, n, queries, m, d,
                           out);
    } else {
      const std::byte* at = PanelAt(panel);
      const float* queries = queries_.block_floats(block);
      const ElementType type = tile_type();
      if (type == ElementType::kFloat32)
        kernels_.tile_f32(reinterpret_cast<const float*>(at), queries, view_.cols, block.count,
                          out);
      if (type == ElementType::kFloat16)
        kernels_.tile_f16(reinterpret_cast<const std::uint16_t*>(at), queries, view_.cols,
                          block.count, out);
      if (type == ElementType::kBFloat16)
        kernels_.tile_bf16(reinterpret_cast<const std::uint16_t*>(at), queries, view_.cols,
                           block.count, out);
    }
  }

  const float* floats(std::size_t panel) const {
    return items_.packed_ ? items_.floats_.data() + panel * kPanel
                          : floats_.data() + (panel - first_) * kPanel;
  }
  const std::int32_t* integers(std::size_t panel) const {
    return items_.packed_ ? items_.integers_.data() + panel * kPanel
                          : integers_.data() + (panel - first_) * kPanel;
  }

  /// Whether any of the panel's products is no finite number because an item is not: then `*row` says
  /// which. Finite values may overflow; that is no error.
  bool FoundBadItem(std::size_t panel, const float* products, std::size_t* row) const {
    const std::uint32_t suspects = kernels_.not_finite(products) & ValidMask(rows_of(panel));
    if (suspects == 0) return false;
    for (std::uint32_t rest = suspects; rest != 0; rest &= rest - 1) {
      const std::size_t i = panel * kPanel + static_cast<std::size_t>(std::countr_zero(rest));
      if (RowIsFinite(view_, i)) continue;
      *row = i;
      return true;
    }
    return false;
  }

  static std::uint32_t ValidMask(std::size_t rows) {
    return rows == kPanel ? ~std::uint32_t{0} : (std::uint32_t{1} << rows) - 1;
  }

  const KernelTable& kernels() const { return kernels_; }

  /// Fills a panel, and the norms of its items, from rows. scratch: [2, 32 d], of floats only.
  static void Pack(const KernelTable& kernels, const VectorsView& rows, Metric metric,
                   float* scratch, std::byte* panel, ElementType panel_type, float* floats,
                   std::int32_t* integers) {
    if (rows.type == ElementType::kInt8) {
      if (panel != nullptr) PackCodes(kernels, rows, reinterpret_cast<std::uint8_t*>(panel));
      if (metric == Metric::kInnerProduct) return;
      for (std::size_t i = 0; i < kPanel; ++i) {
        const std::int32_t norm2 =
            i < rows.rows ? CodeNorm2(static_cast<const std::uint8_t*>(rows.row(i)), rows.cols) : 0;
        if (metric == Metric::kL2) integers[i] = norm2;
        if (metric == Metric::kCosine)
          floats[i] = InverseNorm(std::sqrt(static_cast<double>(norm2)));
      }
      return;
    }
    const std::size_t d = rows.cols;
    const float* values = static_cast<const float*>(rows.data);
    std::size_t stride = rows.stride;
    if (rows.type != ElementType::kFloat32) {
      ToFloats(kernels, rows, scratch);
      values = scratch;
      stride = d;
    }
    if (metric != Metric::kInnerProduct) {
      for (std::size_t i = 0; i < kPanel; ++i) {
        const double norm2 = i < rows.rows ? kernels.norm2(values + i * stride, d) : 0;
        floats[i] =
            metric == Metric::kL2 ? static_cast<float>(norm2) : InverseNorm(std::sqrt(norm2));
      }
    }
    if (panel == nullptr) return;
    const auto* bytes = reinterpret_cast<const std::byte*>(values);
    if (panel_type == ElementType::kFloat32) {
      kernels.transpose(bytes, stride * sizeof(float), rows.rows, d,
                        reinterpret_cast<std::uint32_t*>(panel));
      return;
    }
    // Through float32 and back: exact, and one transposition for all types.
    float* wide = scratch + kPanel * d;
    kernels.transpose(bytes, stride * sizeof(float), rows.rows, d,
                      reinterpret_cast<std::uint32_t*>(wide));
    auto* to = reinterpret_cast<std::uint16_t*>(panel);
    if (panel_type == ElementType::kFloat16)
      kernels.f32_to_f16(wide, to, kPanel * d);
    else
      kernels.f32_to_bf16(wide, to, kPanel * d);
  }

 private:
  bool NeedsNorms() const { return items_.metric_ != Metric::kInnerProduct; }

  /// Borrowed halves become float32 panels: the conversion is done once for all queries.
  ElementType tile_type() const {
    return items_.packed_ || codes_ ? view_.type : ElementType::kFloat32;
  }

  const std::byte* PanelAt(std::size_t panel) const {
    const std::size_t bytes = PanelBytes(tile_type(), view_.cols);
    return items_.packed_ ? items_.panels_.data() + panel * bytes
                          : panels_.data() + (panel - first_) * bytes;
  }

  void PrepareOne(std::size_t panel, std::size_t slot) {
    if (few_ && !NeedsNorms()) return;
    std::byte* to = few_ ? nullptr : panels_.data() + slot * PanelBytes(tile_type(), view_.cols);
    Pack(kernels_, view_.Slice(panel * kPanel, rows_of(panel)), items_.metric_, rows_.data(), to,
         tile_type(), NeedsNorms() ? &floats_[slot * kPanel] : nullptr,
         NeedsNorms() ? &integers_[slot * kPanel] : nullptr);
  }

  const CpuItems& items_;
  const KernelTable& kernels_;
  const VectorsView& view_;
  const PreparedQueries& queries_;
  bool few_;
  bool codes_;
  std::size_t chunk_ = 1;
  std::size_t first_ = 0;
  AlignedBuffer<std::byte> panels_;
  AlignedBuffer<float> rows_;
  AlignedBuffer<float> floats_;
  AlignedBuffer<std::int32_t> integers_;
};

namespace {

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
    if (metric_ == Metric::kL2) return std::min(0.0f, key - prepared_.norm2[query]);
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
Status ForEachPanel(const CpuItems& items, const PreparedQueries& prepared, Metric metric,
                    std::size_t n, bool packed, bool few, int threads, const Sink& sink) {
  const std::size_t panels = PanelsOf(n);
  const auto most = static_cast<std::size_t>(std::clamp(threads, 1, 1024));
  std::vector<std::size_t> bad(std::min(most, panels), n);
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
            if (!packed && block.first == 0 &&
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
                if (metric == Metric::kL2) kernels.twice_less(values, reader.floats(panel));
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
    return key == key ? key : -std::numeric_limits<float>::infinity();
  return key;
}

}  // namespace

Result<CpuItems> CpuItems::Pack(const KernelTable& kernels, const VectorsView& items, Metric metric,
                                int threads) {
  CpuItems out = Borrow(kernels, items, metric);
  out.packed_ = true;
  const std::size_t panels = PanelsOf(items.rows);
  const std::size_t bytes = PanelBytes(items.type, items.cols);
  out.panels_ = AlignedBuffer<std::byte>(panels * bytes);
  const bool codes = items.type == ElementType::kInt8;
  if (metric == Metric::kCosine || (metric == Metric::kL2 && !codes))
    out.floats_ = AlignedBuffer<float>(panels * kPanel);
  if (metric == Metric::kL2 && codes) out.integers_ = AlignedBuffer<std::int32_t>(panels * kPanel);

  const auto workers = std::min(panels, static_cast<std::size_t>(std::clamp(threads, 1, 1024)));
  std::vector<AlignedBuffer<float>> scratch(workers);
  for (AlignedBuffer<float>& buffer : scratch)
    buffer = AlignedBuffer<float>(codes ? 0 : 2 * kPanel * items.cols);
  std::vector<std::size_t> bad(workers, items.rows);
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
      PanelReader::Pack(kernels, rows, metric, scratch[w].data(), out.panels_.data() + p * bytes,
                        items.type, out.floats_.size() > 0 ? out.floats_.data() + first : nullptr,
                        out.integers_.size() > 0 ? out.integers_.data() + first : nullptr);
    }
  });
  const std::size_t row = *std::min_element(bad.begin(), bad.end());
  if (row < items.rows) return BadRow("items", row);
  out.items_.data = nullptr;
  return out;
}

CpuItems CpuItems::Borrow(const KernelTable& kernels, const VectorsView& items, Metric metric) {
  CpuItems out;
  out.kernels_ = &kernels;
  out.items_ = items;
  out.metric_ = metric;
  return out;
}

Status CpuItems::Similarity(const VectorsView& queries, int threads, std::span<float> out) const {
  const std::size_t n = items_.rows;
  const bool codes = items_.type == ElementType::kInt8;
  for (std::size_t first = 0; first < queries.rows; first += kQueriesAtOnce) {
    const VectorsView part = queries.Slice(first, std::min(kQueriesAtOnce, queries.rows - first));
    const bool few = !packed_ && part.rows <= kFewQueries;
    const PreparedQueries prepared = codes ? PrepareCodes(*kernels_, part, metric_, !few)
                                           : PrepareFloats(*kernels_, part, metric_, !few);
    const Scores scores(items_, queries, prepared, metric_);
    const auto sink = [&](int, std::size_t query, std::size_t panel, std::size_t rows,
                          const auto* keys) {
      float* to = out.data() + (first + query) * n + panel * kPanel;
      for (std::size_t i = 0; i < rows; ++i) to[i] = scores.Of(keys[i], query);
    };
    Status status;
    if (!codes)
      status = ForEachPanel<float, float>(*this, prepared, metric_, n, packed_, few, threads, sink);
    else if (metric_ == Metric::kCosine)
      status = ForEachPanel<std::int32_t, float>(*this, prepared, metric_, n, packed_, few, threads,
                                                 sink);
    else
      status = ForEachPanel<std::int32_t, std::int32_t>(*this, prepared, metric_, n, packed_, few,
                                                        threads, sink);
    if (!status.ok()) return status;
  }
  return {};
}

namespace {

template <typename Raw, typename Key>
Status CollectTopK(const CpuItems& items, const KernelTable& kernels,
                   const PreparedQueries& prepared, const Scores& scores, Metric metric,
                   std::size_t n, bool packed, bool few, std::size_t k, int threads, Scored* out) {
  const auto workers =
      std::min(PanelsOf(n), static_cast<std::size_t>(std::clamp(threads, 1, 1024)));
  std::vector<BestKeys<Key>> best;
  best.reserve(workers * prepared.count);
  for (std::size_t i = 0; i < workers * prepared.count; ++i) best.emplace_back(k);
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
  Status status = ForEachPanel<Raw, Key>(items, prepared, metric, n, packed, few, threads, sink);
  if (!status.ok()) return status;
  for (std::size_t q = 0; q < prepared.count; ++q) {
    BestKeys<Key>& all = best[q];
    for (std::size_t w = 1; w < workers; ++w) all.Merge(best[w * prepared.count + q]);
    std::size_t j = 0;
    for (const auto& item : all.Sorted()) out[q * k + j++] = {item.id, scores.Of(item.key, q)};
  }
  return {};
}

}  // namespace

Status CpuItems::TopK(const VectorsView& queries, std::size_t k, int threads,
                      std::span<Scored> out) const {
  const std::size_t n = items_.rows;
  const bool codes = items_.type == ElementType::kInt8;
  const auto workers = static_cast<std::size_t>(std::clamp(threads, 1, 1024));
  const std::size_t at_once = std::clamp<std::size_t>(kMostKept / (k * workers), 1, kQueriesAtOnce);
  for (std::size_t first = 0; first < queries.rows; first += at_once) {
    const VectorsView part = queries.Slice(first, std::min(at_once, queries.rows - first));
    const bool few = !packed_ && part.rows <= kFewQueries;
    const PreparedQueries prepared = codes ? PrepareCodes(*kernels_, part, metric_, !few)
                                           : PrepareFloats(*kernels_, part, metric_, !few);
    const Scores scores(items_, queries, prepared, metric_);
    const auto collect = [&](auto function) {
      return function(*this, *kernels_, prepared, scores, metric_, n, packed_, few, k, threads,
                      out.data() + first * k);
    };
    Status status = !codes                       ? collect(CollectTopK<float, float>)
                    : metric_ == Metric::kCosine ? collect(CollectTopK<std::int32_t, float>)
                                                 : collect(CollectTopK<std::int32_t, std::int32_t>);
    if (!status.ok()) return status;
  }
  return {};
}

}  // namespace equipoise
