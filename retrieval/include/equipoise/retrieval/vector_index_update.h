/// Changes to a vector index that is there: rows that are no longer found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

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
