// The best rows of many queries without any index: the batched kernels over a part of the rows at a
// time.
#pragma once

#include <cstddef>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

// The k best of the rows that are not left out, for each query, best first.
// Shapes   queries [m, d]; rows [n, d]; left_out [n] or null; result [m] of min(k, rows that remain)
// Range    k >= 1; finite values; float32 queries or of the rows' own type
// Errors   kOutOfMemory, kDevice
// Threads  `threads`; memory for 16,384 rows and m (k + 10) results
Result<std::vector<std::vector<Scored>>> ExactTopK(const VectorsView& queries,
                                                   const VectorsView& rows, Metric metric,
                                                   std::size_t k, int threads,
                                                   const std::vector<bool>* left_out);

}  // namespace equipoise
