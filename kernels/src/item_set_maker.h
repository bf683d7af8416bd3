// How an ItemSet comes by a GPU: the one that was found, or in tests one that fails when told to.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <equipoise/kernels/similarity.h>

#include "gpu/gpu.h"

namespace equipoise {

struct ItemSetMaker {
  bool usable = false;
  std::string reason;  ///< why not, where not
  std::function<Result<std::unique_ptr<GpuItems>>(const VectorsView&, Metric, bool tf32)> upload{};

  /// The GPU of this machine.
  static ItemSetMaker OfThisMachine();
  /// As ItemSet::Create. Throws std::bad_alloc.
  Result<ItemSet> Make(const VectorsView& items, Metric metric,
                       const SimilarityOptions& options) const;
};

}  // namespace equipoise
