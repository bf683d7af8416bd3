/// Changes to a vector index that is there: rows that come in addition, rows that are no longer found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

/// How rows are added. All else is as the index was built: metric, storage, links, beam, seed, target.
struct AddRowsOptions {
  /// As VectorIndexOptions::graph_from: an index without a graph gets one once it has so many rows.
  std::size_t graph_from = VectorIndexOptions{}.graph_from;
  /// As VectorIndexOptions::threads: the files do not depend on it, but for what `tune` chooses.
  int threads = 1;
  /// As VectorIndexOptions::tune.
  bool tune = true;
  /// Stages "vectors" and "graph", in rows, "recall" and "tuning", in steps.
  ProgressCallback progress{};
};

/// Writes an index of the rows that are there, with their numbers, and of `rows` behind them; returns
/// the number of the first that was added. The new rows are linked into the graph as if building had
/// gone on, so that adding some costs their share of building; but both files are written anew, so add
/// many at a time. Recall is measured again.
///
/// Rows that were deleted stay so. Old rows keep their bits, for l2 and inner product as long as no new one
/// is so large that all need another power of two: in float16 where it does not fit the old one, in
/// float32 beyond 1e15. What then is too small for their common scale becomes 0. Codes get a new scale if the
/// rows are there to make them from; an index that keeps codes alone keeps their scale, and clamps new
/// rows that leave it: if your rows change in size, build it again.
/// Shapes   rows [m, d]; m may be 0
/// Range    d as that of the index, any where that has no rows; sizes and values as BuildVectorIndex.
///          The paths of the new files are not those of the old: an open index goes on reading these
/// Errors   kInvalidArgument: another dimension, values or sizes out of range, the old paths;
///          kNotFound; kCorruption: the index is damaged (it is verified first); kUnsupported: a graph
///          that was imported and keeps other lists than m allows; kCancelled; kIo; kOutOfMemory.
///          After an error neither new file remains
/// Threads  options.threads; memory as BuildVectorIndex
/// Source   tests/unit/retrieval/vector_add_test.cc: recall after adding half of the rows, against that
///          of one building
EQUIPOISE_API Result<std::uint32_t> AddVectorRows(const EmbeddingsView& rows,
                                                  const AddRowsOptions& options,
                                                  const std::string& vectors_path,
                                                  const std::string& graph_path,
                                                  const std::string& out_vectors_path,
                                                  const std::string& out_graph_path);

/// Marks rows as deleted and returns how many were not before. Searches walk through them, but return
/// none of them: min(k, rows alive) of the others. All rows keep their numbers, VectorIndex::rows()
/// counts the deleted ones too, and their bytes stay in the files.
///
/// Only the file of the graph is written, as a new one that takes its name when it is complete. An
/// index that is open goes on reading the old one. Two changes of one index at a time: the later one
/// wins, and the other is lost.
/// Shapes   rows [m], in any order, repeats allowed
/// Range    rows < VectorIndex::rows(); those that are deleted already stay so
/// Errors   kInvalidArgument: a row out of range; kNotFound; kCorruption: the index is damaged (all
///          of the graph's file is verified first); kIo: the disk is full, ...; kOutOfMemory.
///          `out_graph_path` is then as it was
/// Threads  the caller's only; memory one bit a row. `out_graph_path` may be `graph_path`
/// Exact    links, codes, sketches and what recall was measured are as they were: recall of a search
///          stays what it is for a filter that leaves out as many rows
EQUIPOISE_API Result<std::size_t> DeleteVectorRows(std::span<const std::uint32_t> rows,
                                                   const std::string& vectors_path,
                                                   const std::string& graph_path,
                                                   const std::string& out_graph_path);

}  // namespace equipoise
