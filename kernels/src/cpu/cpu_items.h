// A set of vectors as the CPU's kernels read it, and batches of queries against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/kernels/vectors.h>

#include "cpu/aligned_buffer.h"
#include "cpu/kernel_table.h"

namespace equipoise {

/// The caller has checked sizes, types, scales and the queries' values.
/// Threads  const; safe from many threads
class CpuItems {
 public:
  /// Copies the items into panels. Throws std::bad_alloc.
  /// Errors   kInvalidArgument: a NaN or an infinity (row named)
  static Result<CpuItems> Pack(const KernelTable& kernels, const VectorsView& items, Metric metric,
                               int threads);
  /// Uses the items where they are, during the calls below.
  static CpuItems Borrow(const KernelTable& kernels, const VectorsView& items, Metric metric);

  /// As ItemSet::Similarity. Throws std::bad_alloc.
  /// Errors   of borrowed items: kInvalidArgument: a NaN or an infinity in an item (row named)
  Status Similarity(const VectorsView& queries, int threads, std::span<float> out) const;
  /// As ItemSet::TopK. Throws std::bad_alloc.
  Status TopK(const VectorsView& queries, std::size_t k, int threads, std::span<Scored> out) const;

  const VectorsView& view() const { return items_; }

 private:
  friend class PanelReader;
  const KernelTable* kernels_ = nullptr;
  Metric metric_ = Metric::kCosine;
  VectorsView items_;  ///< packed: sizes and type, data null
  bool packed_ = false;
  AlignedBuffer<std::byte> panels_;
  // [n rounded up to whole panels], of packed items: 1 / |x|, or |x|².
  AlignedBuffer<float> floats_;
  AlignedBuffer<std::int32_t> integers_;
};

/// Refuses a NaN or an infinity in rows of floats.
/// Errors   kInvalidArgument: "NAME: ..." with the row, plus `first_row`
Status CheckFiniteRows(const VectorsView& rows, const char* name, std::size_t first_row);

}  // namespace equipoise
