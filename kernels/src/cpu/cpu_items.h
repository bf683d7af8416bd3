// A set of vectors as the CPU's kernels read it, and batches of queries against it.
#pragma once

#include <cstddef>
#include <span>

#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/kernels/vectors.h>

#include "cpu/kernel_table.h"
#include "cpu/panels.h"

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

 private:
  template <typename Run>
  Status InParts(const VectorsView& queries, std::size_t at_once, const Run& run) const;

  ItemPanels set_;
};

}  // namespace equipoise
