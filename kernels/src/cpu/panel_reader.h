// One worker's view of a set of items: panels that are there, or made from rows chunk by chunk, or rows
// read where they lie; and their products with blocks of queries.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cpu/finite_rows.h"
#include "cpu/panels.h"
#include "cpu/query_block.h"

namespace equipoise {

// A panel that is read again for each block of queries stays in the second-level cache.
inline constexpr std::size_t kChunkBytes = 192 * 1024;

/// What one worker needs to turn items into panels and panels into keys.
class PanelReader {
 public:
  PanelReader(const ItemPanels& items, const PreparedQueries& queries, bool few)
      : items_(items),
        kernels_(*items.kernels),
        view_(items.items),
        queries_(queries),
        few_(few),
        codes_(view_.type == ElementType::kInt8) {
    const std::size_t panel_bytes = PanelBytes(tile_type(), view_.cols);
    chunk_ =
        few_ ? 1 : std::max<std::size_t>(1, kChunkBytes / std::max<std::size_t>(panel_bytes, 1));
    if (items_.packed) return;
    if (!few_) panels_ = AlignedBuffer<std::byte>(chunk_ * panel_bytes);
    if (!few_ || NeedsNorms(items_.metric))
      rows_ = AlignedBuffer<float>(codes_ ? 0 : 2 * kPanel * view_.cols);
    if (NeedsNorms(items_.metric)) {
      floats_ = AlignedBuffer<float>(chunk_ * kPanel);
      integers_ = AlignedBuffer<std::int32_t>(chunk_ * kPanel);
    }
  }

  /// Panels that are prepared together.
  std::size_t chunk() const { return chunk_; }

  void Prepare(std::size_t first, std::size_t count) {
    first_ = first;
    if (items_.packed) return;
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
                         queries_.start.data() + block.first, CodeGroups(view_.cols), block.count,
                         out);
      }
    } else if (few_) {
      const float* queries = queries_.dense.data() + block.first * view_.cols;
      const void* rows = view_.row(panel * kPanel);
      const std::size_t n = rows_of(panel), d = view_.cols, m = block.count;
      if (scaled_ != nullptr) return kernels_.rows_f32(scaled_, d, n, queries, m, d, out);
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
    return items_.packed ? items_.floats.data() + panel * kPanel
                         : floats_.data() + (panel - first_) * kPanel;
  }
  const std::int32_t* integers(std::size_t panel) const {
    return items_.packed ? items_.integers.data() + panel * kPanel
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

 private:
  /// Borrowed halves become float32 panels: the conversion is done once for all queries.
  ElementType tile_type() const {
    return items_.packed || codes_ ? view_.type : ElementType::kFloat32;
  }

  const std::byte* PanelAt(std::size_t panel) const {
    const std::size_t bytes = PanelBytes(tile_type(), view_.cols);
    return items_.packed ? items_.panels.data() + panel * bytes
                         : panels_.data() + (panel - first_) * bytes;
  }

  void PrepareOne(std::size_t panel, std::size_t slot) {
    if (few_ && !NeedsNorms(items_.metric)) return;
    std::byte* to = few_ ? nullptr : panels_.data() + slot * PanelBytes(tile_type(), view_.cols);
    const bool norms = NeedsNorms(items_.metric);
    const float* scaled = PackPanel(kernels_, view_.Slice(panel * kPanel, rows_of(panel)),
                                    items_.metric, rows_.data(),
                                    {.panel = to,
                                     .type = tile_type(),
                                     .floats = norms ? &floats_[slot * kPanel] : nullptr,
                                     .integers = norms ? &integers_[slot * kPanel] : nullptr});
    scaled_ = few_ ? scaled : nullptr;
  }

  const ItemPanels& items_;
  const KernelTable& kernels_;
  const VectorsView& view_;
  const PreparedQueries& queries_;
  bool few_;
  bool codes_;
  std::size_t chunk_ = 1;
  std::size_t first_ = 0;
  const float* scaled_ = nullptr;  // rows of the panel at hand, where they had to be scaled
  AlignedBuffer<std::byte> panels_;
  AlignedBuffer<float> rows_;
  AlignedBuffer<float> floats_;
  AlignedBuffer<std::int32_t> integers_;
};

}  // namespace equipoise
