/// Collections to and from other programs: what vector_convert.h does, with ids.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/vector_convert.h>

namespace equipoise {

struct CollectionExportReport {
  VectorExportReport vectors;
  std::string ids_file{};  ///< that was written; empty: none was
};

/// Writes the vectors' graph for FAISS, see WriteFaiss; and, where `ids_path` is not empty, the ids
/// of its labels (row numbers): a text file, label i in line i + 1.
/// Errors   as WriteFaiss; kInvalidArgument: a collection without vectors, or an id that is no line of
///          text where `ids_path` names a text file
EQUIPOISE_API Result<CollectionExportReport> ExportFaiss(const Collection& collection,
                                                         const std::string& path,
                                                         const std::string& ids_path = {},
                                                         const ProgressCallback& progress = {});

/// Writes folder/vectors.npy, see WriteNpy, and folder/ids.txt: the id of row i in line i + 1. Where an
/// id is no line of text (it is empty or has a line break), ids.json instead, one array. The folder is
/// made if it is not there; the other file of ids is removed if it is.
/// Errors   as ExportFaiss
EQUIPOISE_API Result<CollectionExportReport> ExportNpy(const Collection& collection,
                                                       const std::string& folder);

struct CollectionImportReport {
  std::uint64_t rows = 0;
  std::uint32_t dim = 0;
  Metric metric = Metric::kCosine;
};

/// Makes the index `folder` of a FAISS file: a collection without text, its documents in row order.
/// Range    ids: one for each row; empty: those of the file's IndexIDMap, or "0", "1", ...
/// Errors   as FaissFile::Open and Build and CollectionBuilder; kInvalidArgument: another number of
///          ids. An index that was at `folder` then stays as it was
EQUIPOISE_API Result<CollectionImportReport> ImportFaiss(const std::string& faiss_path,
                                                         std::span<const std::string> ids,
                                                         const FaissImportOptions& options,
                                                         const std::string& folder);

}  // namespace equipoise
