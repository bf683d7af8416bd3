// Items laid out side by side, 32 a panel (kernel_table.h), with what their metric needs beside them.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/vectors.h>

#include "cpu/aligned_buffer.h"
#include "cpu/kernel_table.h"

namespace equipoise {

/// A set of items: packed into panels of its own, or borrowed where it lies.
struct ItemPanels {
  const KernelTable* kernels = nullptr;
  Metric metric = Metric::kCosine;
  VectorsView items;  ///< packed: sizes, type and scale alone
  bool packed = false;
  AlignedBuffer<std::byte> panels;
  // [items rounded up to whole panels]: 1 / |x| for cosine, |x|² for L2, the latter of codes integer.
  AlignedBuffer<float> floats;
  AlignedBuffer<std::int32_t> integers;
};

inline std::size_t PanelsOf(std::size_t rows) { return (rows + kPanel - 1) / kPanel; }
inline std::size_t CodeGroups(std::size_t d) { return (d + kCodeGroup - 1) / kCodeGroup; }
inline std::size_t PanelBytes(ElementType type, std::size_t d) {
  return type == ElementType::kInt8 ? CodeGroups(d) * kPanel * kCodeGroup
                                    : d * kPanel * ElementBytes(type);
}
inline bool NeedsNorms(Metric metric) { return metric != Metric::kInnerProduct; }

/// Where PackPanel puts a panel; null pointers are left out.
struct PanelTarget {
  std::byte* panel = nullptr;
  ElementType type = ElementType::kFloat32;  ///< of the panel: the rows' own, or float32
  float* floats = nullptr;                   ///< [32], where the metric needs them
  std::int32_t* integers = nullptr;          ///< [32], likewise
};

/// Lays out up to 32 rows as a panel and finds their norms. For cosine, rows so long or short that their
/// products would overflow or lose bits are scaled by a power of two first; then the rows as laid out are
/// returned, [n, d] in scratch, else null.
/// Shapes   scratch [2, 32 d] for rows of floats
const float* PackPanel(const KernelTable& kernels, const VectorsView& rows, Metric metric,
                       float* scratch, const PanelTarget& to);

}  // namespace equipoise
