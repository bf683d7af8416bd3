/// Vector recall: an HNSW graph over 8-bit codes, rescored exactly from float16 rows.
///
/// Two checked files. "vectors" holds the rows as float16 and is only mapped; "graph" holds the
/// codes and the links as a standard FAISS stream (IndexHNSWSQ, QT_8bit_uniform) and is checked
/// wholly when it is opened. Small collections have no graph and are scanned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/topk.h>

namespace equipoise {

struct VectorIndexOptions {
  // What is found.
  /// kCosine or kL2.
  Metric metric = Metric::kCosine;

  // How fast, at which recall.
  /// Links of a node on upper levels, twice as many on the lowest. More: better recall, more
  /// memory, slower to build. [2, 256]
  int m = 32;
  /// Beam while building. More: better graph, slower to build. [8, 4096]
  int ef_construction = 200;
  /// Collections of fewer rows get no graph: each search scans all rows exactly.
  std::size_t exact_below = 1000;
  /// Threads while building, >= 1. With 1 the files are byte-identical for the same input and seed;
  /// with more, the order in which FAISS links the nodes, and so the graph, depends on scheduling.
  int threads = 1;
  /// Seed of the nodes' levels.
  std::uint64_t seed = 12345;

  /// Stages "vectors" and "graph", in rows.
  ProgressCallback progress{};
};

/// Builds both files from scratch.
/// Shapes   rows [n, d]
/// Range    n < 2³¹; 1 <= d <= 32,768 (n = 0: d may be 0); values finite
/// Errors   kInvalidArgument: options or sizes out of range, a NaN or infinite value (row named)
///          before anything is written; kCancelled; kIo; kOutOfMemory. After an error neither file
///          remains.
/// Threads  options.threads; memory about n (d + 4 (2 m + 3)) bytes
/// Note     float16 rows are kept bit for bit; float32 rows are rounded to float16 (cosine: after
///          they were scaled to unit length; l2: after all were scaled by one power of two, so that
///          neither large nor small values leave the range)
EQUIPOISE_API Status BuildVectorIndex(const EmbeddingsView& rows, const VectorIndexOptions& options,
                                      const std::string& vectors_path,
                                      const std::string& graph_path);

/// How an index was built, for manifests and `inspect`.
struct VectorIndexSettings {
  Metric metric = Metric::kCosine;
  bool has_graph = false;
  int m = 0;
  int ef_construction = 0;
  std::uint64_t seed = 0;
  float code_scale = 0;   ///< codes are round(code_scale · (x − code_center)) + 128; 0: no graph
  float code_center = 0;  ///< 0 for cosine
  std::string faiss_version{};
};

struct VectorIndexBytes {
  std::uint64_t rows = 0;   ///< float16 rows and norms
  std::uint64_t codes = 0;  ///< 8-bit codes
  std::uint64_t links = 0;  ///< the graph
};

/// An open index.
/// Threads  const after opening; any number of threads may search at once, without locks. Each
///          thread that searches a graph keeps 2 bytes a row (of the largest index it searched) as
///          scratch until it ends.
class EQUIPOISE_API VectorIndex {
 public:
  /// Maps both files; checks the graph wholly, of the rows only sizes (see Verify).
  /// Errors   kNotFound, kIo; kCorruption: not such files, changed, or of different collections;
  ///          kUnsupported: written by a newer version; kOutOfMemory
  static Result<VectorIndex> Open(const std::string& vectors_path, const std::string& graph_path);

  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;
  ~VectorIndex();

  struct SearchParams {
    std::size_t k = 10;
    /// Beam of the walk; all of it is rescored. 0: kDefaultEfSearch. Raised to k where smaller.
    std::size_t ef_search = 0;
    /// Scan all rows instead of walking the graph.
    bool exact = false;
  };
  static constexpr std::size_t kDefaultEfSearch = 128;

  /// The k best rows.
  /// Shapes   query [dim]; result min(k, rows)
  /// Range    k >= 1; query finite; a zero query under cosine scores 0 with every row
  /// Order    score descending, ties by ascending id. For one effective ef_search the answer to a
  ///          smaller k is a prefix of that to a larger one.
  /// Errors   kInvalidArgument: k = 0, another dimension, NaN or infinite values; kOutOfMemory
  /// Threads  the caller's only
  Result<std::vector<Scored>> Search(std::span<const float> query,
                                     const SearchParams& params) const;

  /// Scores of given rows: bit for bit those that Search returns.
  /// Shapes   query [dim]; docs, scores [m]; docs < rows, in any order, repeats allowed
  /// Errors   kInvalidArgument: as Search; docs.size() != scores.size(); a row out of range
  Status Score(std::span<const float> query, std::span<const std::uint32_t> docs,
               std::span<float> scores) const;

  std::size_t rows() const;
  std::size_t dim() const;
  Metric metric() const;
  /// Largest norm of a row: 1 (0 where all are zero) for cosine, that of the input for l2.
  float max_norm() const;
  const VectorIndexSettings& settings() const;
  VectorIndexBytes bytes() const;

  /// Reads every byte of both files and compares every checksum.
  /// Errors   kCorruption naming file and section
  Status Verify() const;

 private:
  struct State;
  explicit VectorIndex(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace equipoise
