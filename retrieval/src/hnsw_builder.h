// FAISS builds the graph, with our distances, and writes it as any FAISS can read it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_index.h>

#include "vector_files.h"

namespace equipoise {

// Copies rows [begin, end) as float32 to `to` [end - begin, dim].
using RowReader = std::function<void(std::size_t begin, std::size_t end, float* to)>;

// Builds an IndexHNSWSQ over the rows, appends its stream to the current section of `out`, and sets
// `copies` to the rows that are not linked because an earlier row has the same codes, in order.
// Range    1 <= rows < 2^31; 1 <= dim <= kMaxCodeDim
// Errors   kCancelled, kIo, kOutOfMemory, kInternal (what FAISS threw)
// Threads  options.threads; the OpenMP setting of the calling thread is restored
Status BuildHnsw(std::size_t rows, std::size_t dim, CodeScale scale, const RowReader& read,
                 const VectorIndexOptions& options, CheckedFileWriter* out,
                 std::vector<Copy>* copies);

// "1.7.3"
std::string FaissVersion();

}  // namespace equipoise
