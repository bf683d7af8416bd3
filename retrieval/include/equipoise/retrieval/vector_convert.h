/// Vector indexes to and from other programs: FAISS graphs both ways, rows as .npy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

/// What an export wrote.
struct VectorExportReport {
  std::uint64_t rows = 0;
  std::uint32_t dim = 0;
  /// Rows that were deleted from the index, ascending. FAISS gets them all the same, since its labels
  /// are row numbers; .npy leaves them out.
  std::vector<std::uint32_t> deleted{};
  // FAISS.
  int m = 0;
  /// Rows whose codes another row has. Our graph links only one of them; in the file the others are
  /// linked from that one, so that FAISS finds them too.
  std::uint64_t copies = 0;
  /// The index had no graph, as small ones do: one was built for the file, with the default options.
  bool built = false;
  // .npy.
  bool float16 = false;  ///< float32 otherwise
};

/// Writes the graph and the 8-bit codes as FAISS's IndexHNSWSQ (QT_8bit_uniform), which
/// faiss.read_index opens; labels are row numbers, efSearch is 64.
/// Units    cosine: FAISS gets unit rows and METRIC_INNER_PRODUCT, so give it queries of unit length;
///          ip: METRIC_INNER_PRODUCT, l2: METRIC_L2, in units of the input
/// Errors   kInvalidArgument: no rows, or `path` is no regular file; kCorruption: the index is
///          damaged (all of it is verified first); kCancelled; kIo; kOutOfMemory. `path` is then as
///          it was
/// Threads  the caller's only; memory that of the links
/// Exact    the codes as they are; the links as they are but for those that lead to copies. Rows
///          that the index keeps as float16 or float32 stay behind: FAISS scores by codes
/// Source   the layout is that of faiss/impl/index_write.cpp, 1.7.3 to 1.15.1;
///          vector_convert_test and tests/cli/test_convert.py have both versions read it
EQUIPOISE_API Result<VectorExportReport> WriteFaiss(const VectorIndex& index,
                                                    const std::string& path,
                                                    const ProgressCallback& progress = {});

/// Writes the rows that are not deleted, in order, as an .npy file [rows, dim].
///
/// They come as they are kept: float16 (of cosine: unit rows, unless float16 was the input), or
/// float32 with that storage. Where codes are all that is kept, they are the values of the codes. Where
/// float16 could not hold values without loss of what is kept (they lie far from 1), it is float32.
/// Errors   as WriteFaiss
/// Threads  the caller's only; memory up to n d values, where they are not written as they lie
EQUIPOISE_API Result<VectorExportReport> WriteNpy(const VectorIndex& index,
                                                  const std::string& path);

/// What a file of FAISS holds.
struct FaissFileInfo {
  std::uint64_t rows = 0;
  std::uint32_t dim = 0;
  Metric metric = Metric::kL2;  ///< kInnerProduct or kL2
  int m = 0;                    ///< half the links of a row on the lowest level
  int ef_construction = 0;
  std::string rows_kept_as{};  ///< "float32", "QT_8bit", ...
  /// Those of an IndexIDMap or IndexIDMap2 around the graph, in row order; else empty.
  std::vector<std::int64_t> ids{};
};

struct FaissImportOptions {
  /// Absent: the file's, where all rows under inner product are of unit length within 1e-3: cosine.
  /// The graph stays the one that was linked by the file's metric.
  std::optional<Metric> metric{};
  VectorStorage storage = VectorStorage::kInt8Float16;
  float target_recall = 0.995f;  ///< as VectorIndexOptions
  int threads = 1;               ///< as VectorIndexOptions
  bool tune = true;              ///< as VectorIndexOptions
  std::uint64_t seed = 12345;    ///< of the sketches' rotation
  /// Stages "vectors", "recall" and "tuning".
  ProgressCallback progress{};
};

/// An IndexHNSWFlat or IndexHNSWSQ that faiss.write_index wrote, by itself or within an IndexIDMap.
/// Threads  const after opening; safe from many threads
class EQUIPOISE_API FaissFile {
 public:
  /// Maps the file and checks how it is laid out. The bytes are held for hostile: what the file says
  /// of sizes is checked against its own size before anything is allocated.
  /// Errors   kNotFound, kIo; kCorruption: cut, or sizes that contradict each other; kUnsupported:
  ///          another kind of index, storage or metric (the message names it and what to do)
  static Result<FaissFile> Open(const std::string& path);
  FaissFile(FaissFile&&) noexcept;
  FaissFile& operator=(FaissFile&&) noexcept;
  ~FaissFile();

  const FaissFileInfo& info() const;

  /// Makes an index of ours with the same graph, for VectorIndex::Open; nothing is linked anew.
  ///
  /// Rows are decoded and kept as options.storage says. How recall depends on the margin is measured
  /// with rows of the lowest level, taken out of a copy of the graph; links to them are led on to
  /// their neighbours.
  /// Errors   kCorruption: links that lead nowhere, values that are NaN or infinite;
  ///          kInvalidArgument: options out of range; kCancelled; kIo; kOutOfMemory. Neither file
  ///          remains
  /// Threads  options.threads; the result does not depend on it; memory about n (5 d + 16 m) bytes
  /// Exact    the links are the same. With storage int8 or int4+int8, codes of QT_8bit_uniform around
  ///          zero (of l2: any) stay bit for bit, unless cosine scales their rows
  Status Build(const FaissImportOptions& options, const std::string& vectors_path,
               const std::string& graph_path) const;

 private:
  struct State;
  explicit FaissFile(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace equipoise
