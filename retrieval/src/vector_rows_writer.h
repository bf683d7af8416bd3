// The file of rows of a vector index: those of an index that is there, and new ones behind them.
#pragma once

#include <string>

#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/vector_index.h>

#include "stored_rows.h"
#include "vector_files.h"

namespace equipoise {

inline bool KeepsFloat32(VectorStorage storage) { return storage == VectorStorage::kFloat32; }
inline bool KeepsCodesOnly(VectorStorage storage) {
  return storage == VectorStorage::kInt8 || storage == VectorStorage::kInt4Int8;
}

// So large or small that squares and reciprocals come near the ends of float32.
inline bool IsExtreme(double size) { return size < 1e-15 || size > 1e15; }

// Writes the rows whatever the storage keeps in the end; see DropRows. Those of `before`, which may be
// null, stay bit for bit, unless larger ones come that take another power of two; where it keeps codes
// alone, they are what these stand for. Of options: metric, storage, progress.
// Range    before: of the same dimension, metric and storage
// Errors   kCancelled, kIo
Status WriteVectors(const StoredRows* before, const EmbeddingsView& rows,
                    const VectorIndexOptions& options, const std::string& path);

// Where codes are all that is kept, the file of rows holds their description alone.
Status DropRows(VectorsInfo info, const std::string& path);

}  // namespace equipoise
