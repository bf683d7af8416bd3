/// Vector recall: an HNSW graph over 8-bit codes, rescored from the rows themselves.
///
/// Two checked files, both mapped:
/// "vectors" holds the rows, "graph" the codes, one-bit sketches of them, the links, and what recall
/// was measured at. Small collections have no graph and are scanned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/core/stop_check.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/retrieval/row_set.h>

namespace equipoise {

/// What is kept of each vector of d values. The numbers are stored in files.
enum class VectorStorage : std::uint8_t {
  /// 8-bit codes to walk by, float16 rows to score by: 3 d bytes.
  kInt8Float16 = 0,
  /// The same, with sketches of a row's neighbours beside its links instead of one sketch a row: the
  /// fastest, for about (d / 8 + 8) bytes a link more, of which there are groups of 16 a row.
  kInline = 1,
  /// 8-bit codes alone: d bytes. Scores are those of the codes (error about |q| |x| / 250).
  kInt8 = 2,
  /// 8-bit codes kept as two halves: the walk reads the upper one only. d bytes; scores as kInt8.
  kInt4Int8 = 3,
  /// 8-bit codes to walk by, float32 rows to score by: 5 d bytes. Nothing is rounded.
  kFloat32 = 4,
};

/// "int8+float16", "inline", "int8", "int4+int8", "float32".
EQUIPOISE_API std::string_view VectorStorageName(VectorStorage storage);
/// Errors   kInvalidArgument: no such name (those there are listed)
EQUIPOISE_API Result<VectorStorage> ParseVectorStorage(std::string_view name);

/// Recall that was measured when an index was built: of rows of the collection itself, each searched
/// as if it were not in it, against an exact search.
struct RecallPoint {
  float target = 0;  ///< recall@10 asked for
  /// The smallest stopping margin (see SearchParams) whose recall reaches the target.
  float margin = 0;
  float recall = 0;       ///< mean over the sample
  float lower_bound = 0;  ///< of the mean: one-sided 95 % confidence (normal)
  std::uint32_t sample = 0;
  /// 0 where no margin reached the target: the widest one is kept then.
  std::uint32_t reached = 0;
};

/// How far ahead a walk fetches what it will read, in cache lines of 64 bytes. No answer depends on it.
struct WalkTuning {
  static constexpr std::uint32_t kAll = 1024;  ///< the largest value, as many as any of these has

  std::uint32_t code_lines = kAll;  ///< of the codes of a row that will be compared
  std::uint32_t list_lines = 3;     ///< of the links of a row that may be followed next
  /// Of the links of the row that would be the next one, whose sketches are fetched.
  std::uint32_t likely_sketches = 0;
  std::uint32_t next_lines =
      24;  ///< storage inline: of the sketches beside the links of the next row
  std::uint32_t likely_lines = 8;  ///< the same of the one that would be the next
  /// Time of walks by the defaults over time by these, when the index was built; 1: these are the defaults,
  /// because nothing was clearly faster.
  float gain = 1;
};
static_assert(sizeof(WalkTuning) == 24);

struct VectorIndexOptions {
  // What is found.
  Metric metric = Metric::kCosine;
  /// The recall@10 that a search aims at which names neither a target nor ef_search. [0.5, 0.999]
  float target_recall = 0.995f;

  // How fast, at which recall.
  VectorStorage storage = VectorStorage::kInt8Float16;
  /// Links of a node on upper levels, twice as many on the lowest. More: better recall, more
  /// memory, slower to build. With storage inline 20 is the fastest at recall 0.95 and 0.99, and
  /// takes less memory than 24 and more do (2.3 groups of links a row). [2, 256]
  int m = 32;
  /// Beam while building. More: better graph, slower to build. [8, 4096]
  int ef_construction = 200;
  /// Collections of fewer rows get no graph: a search that scans their sketches and codes takes some
  /// 25 µs at most there, finds more than a walk (recall@10 >= 0.999), and there is nothing to build.
  /// A walk takes about half of that at 2,000 rows.
  /// Source   ./dev bench peers-vector, table "scan or walk", int8+float16, 384 dimensions, AMD Zen 4
  std::size_t graph_from = 2000;
  /// Threads while building, >= 1. The files are byte-identical for the same input and seed with any
  /// number of them, but for what `tune` chooses.
  int threads = 1;
  /// Choose how far ahead walks fetch by timing some on this machine, and keep it in the file of the
  /// graph: half a second for 115,659 x 384. Graphs below 8 MB are not tuned. What is chosen may differ
  /// from machine to machine and from run to run; all other bytes are the same with it and without.
  bool tune = true;
  /// Seed of the nodes' levels and of the sketches' rotation.
  std::uint64_t seed = 12345;

  /// Stages "vectors" and "graph", in rows, "recall" and "tuning", in steps.
  ProgressCallback progress{};
};

/// Builds both files from scratch.
/// Shapes   rows [n, d]
/// Range    n < 2³¹; 1 <= d <= 32,768 (n = 0: d may be 0); values finite
/// Errors   kInvalidArgument: options or sizes out of range, a NaN or infinite value (row named)
///          before anything is written, one path twice; kCancelled; kIo; kOutOfMemory. After an error neither file
///          remains.
/// Threads  options.threads; memory about n (1.2 d + 16 m + 60) bytes, with storage inline also that of the
///          sketches of links
/// Note     rows of which the largest norm is below 1e-15 or above 1e15 get no graph (cosine: all
///          do): their squared distances are not floats.
///          Where rows are kept as float16, float16 rows are kept bit for bit; float32 rows are
///          rounded (cosine: after they were scaled to unit length; else after all were scaled by one
///          power of two, so that neither large nor small values leave the range). Codes are rounded
///          and clamped with one scale that 1 % of the rows may exceed (inner product: by twice
///          before they are clamped): an outlier costs itself precision, not the others
EQUIPOISE_API Status BuildVectorIndex(const EmbeddingsView& rows, const VectorIndexOptions& options,
                                      const std::string& vectors_path,
                                      const std::string& graph_path);

/// How an index was built, for manifests and `inspect`.
struct VectorIndexSettings {
  Metric metric = Metric::kCosine;
  VectorStorage storage = VectorStorage::kInt8Float16;
  bool has_graph = false;
  int m = 0;
  int ef_construction = 0;
  std::uint64_t seed = 0;
  float code_scale = 0;   ///< codes are round(code_scale · (x − code_center)) + 128; 0: no codes
  float code_center = 0;  ///< 0 unless the metric is l2
  std::optional<WalkTuning> tuning{};  ///< absent where nothing was tuned: the defaults
  std::string linked_by{};  ///< "equipoise"; "imported" where the links came from a file of FAISS
};

struct VectorIndexBytes {
  std::uint64_t rows = 0;      ///< float16 or float32 rows and norms
  std::uint64_t codes = 0;     ///< 8-bit codes
  std::uint64_t links = 0;     ///< the graph
  std::uint64_t sketches = 0;  ///< one-bit sketches, of rows or of links
};

/// How a search was answered.
enum class VectorPlan : std::uint8_t {
  kNothing = 0,      ///< no row, or none allowed
  kScan = 1,         ///< every row that may be found, by the rows themselves
  kScanCodes = 2,    ///< every row by sketches and codes, the best of them by the rows
  kScanAllowed = 3,  ///< the same for the rows that are allowed
  kTwoHop = 4,       ///< the graph, stepping over rows that are not allowed
  kWalk = 5,         ///< the graph
};

/// "nothing", "scan", "scan codes", "scan allowed", "two hops", "walk".
EQUIPOISE_API std::string_view VectorPlanName(VectorPlan plan);

/// What one search did.
struct VectorSearchReport {
  VectorPlan plan = VectorPlan::kNothing;
  std::uint64_t allowed = 0;   ///< rows that might have been found
  std::uint64_t expanded = 0;  ///< rows whose links were followed
  /// Rows that came up; with storage inline links, so that a row counts each time.
  std::uint64_t seen = 0;
  std::uint64_t distances = 0;  ///< of codes
  std::uint64_t rescored = 0;   ///< rows scored exactly
  std::uint64_t bytes = 0;      ///< about as many bytes of the files were read
};

/// An open index.
/// Threads  const after opening; any number of threads may search at once, without locks, but for the
///          first search that scans all sketches (of fewer than 8,000 rows): it puts them in groups, as
///          many bytes again, and whoever needs them waits for it. Each thread that searches a graph keeps
///          one bit a row (of the largest index it searched) as scratch until it ends.
class EQUIPOISE_API VectorIndex {
 public:
  /// Maps both files. Reads what is small (the upper levels, norms) and checks it; codes, links and
  /// rows are read when a search needs them, each link checked then, and wholly by Verify.
  /// Errors   kNotFound, kIo; kCorruption: not such files, changed, or of different collections;
  ///          kUnsupported: written by another version; kOutOfMemory
  static Result<VectorIndex> Open(const std::string& vectors_path, const std::string& graph_path);

  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;
  ~VectorIndex();

  static constexpr float kNoMargin = std::numeric_limits<float>::infinity();

  struct SearchParams {
    std::size_t k = 10;

    // How thorough. The first of these that is set decides: ef_search, margin, target_recall, the
    // index's own target.
    /// Beam of the walk: it ends when the ef_search nearest rows that were found have all been
    /// expanded. 0: not set. Raised to k where smaller.
    std::size_t ef_search = 0;
    /// The walk does not follow rows farther than (1 + margin) times the k-th best found so far (of a
    /// k below 10, the tenth), in squared distance: easy queries end early. Beside ef_search, each of
    /// the two may end it. Negative: not set; kNoMargin: only ef_search ends
    /// the walk (and what it finds for a smaller k is then a prefix of what it finds for a larger
    /// one, as long as `rescore` is set and the same). Without ef_search, more than ten of fewer than
    /// 8,000 rows, all of them allowed, come from a scan of all sketches instead; not with int4+int8.
    float margin = -1;
    /// recall@10 as in RecallPoint; the next higher one that was measured is taken. 0: not set.
    float target_recall = 0;

    /// Best rows by codes that are scored by the rows themselves, at least k. 0: those of k and a half
    /// more, at least 10 more (with storage int4+int8 3 k + 20), that the rounding of codes might have
    /// kept from the best k, by three standard deviations of it.
    std::size_t rescore = 0;
    /// Score every row by itself: no graph, no codes.
    bool exact = false;
    /// Only these rows may be found; null: all. rows() must equal the index's.
    const RowSet* allowed = nullptr;
    /// How to answer a filtered search, to measure what is chosen otherwise: kScan, kScanAllowed,
    /// kTwoHop or kWalk, where the index has what it takes. kNothing: chosen by the rows allowed.
    VectorPlan plan = VectorPlan::kNothing;
    /// Asked now and then, about every 50 µs: once it says so, Search ends with what it has found, with true
    /// scores. Null: never. SearchMany does not ask.
    StopCheck* stop = nullptr;
  };

  /// The k best rows: min(k, rows allowed) of them, whatever the filter.
  /// Shapes   query [dim]
  /// Range    k >= 1; query finite; a zero query under cosine scores 0 with every row
  /// Order    score descending, ties by ascending id
  /// Errors   kInvalidArgument: k = 0, another dimension, NaN or infinite values, a target recall out
  ///          of [0, 1), a filter of other rows; kCorruption: a link or row that has changed since
  ///          the file was written; kOutOfMemory
  /// Threads  the caller's only
  /// Exact    the same answer on every instruction set, up to the rounding of float scores
  Result<std::vector<Scored>> Search(std::span<const float> query, const SearchParams& params,
                                     VectorSearchReport* report = nullptr) const;

  /// Search for each row of `queries`, over `threads` threads.
  /// Shapes   queries [m, dim]; result [m]
  /// Errors   as Search; of the first query that failed (row named)
  Result<std::vector<std::vector<Scored>>> SearchMany(const MatrixView<float>& queries,
                                                      const SearchParams& params,
                                                      int threads) const;

  /// Scores of given rows: bit for bit those that Search returns.
  /// Shapes   query [dim]; docs, scores [m]; docs < rows, in any order, repeats allowed
  /// Errors   kInvalidArgument: as Search; docs.size() != scores.size(); a row out of range
  Status Score(std::span<const float> query, std::span<const std::uint32_t> docs,
               std::span<float> scores) const;

  /// The rows themselves as float32: in units of the input, of cosine of unit length. Where only codes
  /// are kept, what the codes stand for.
  /// Shapes   docs [m], in any order, repeats allowed; values [m, dim]
  /// Errors   kInvalidArgument: values.size() != m dim; a row out of range; kOutOfMemory
  Status Read(std::span<const std::uint32_t> docs, std::span<float> values) const;

  std::size_t rows() const;
  std::size_t dim() const;
  Metric metric() const;
  /// Largest norm of a row: 1 (0 where all are zero) for cosine, else that of the input.
  float max_norm() const;
  const VectorIndexSettings& settings() const;
  /// By ascending target; empty without a graph.
  std::span<const RecallPoint> recall_points() const;
  /// The target of searches that name none.
  float target_recall() const;
  VectorIndexBytes bytes() const;
  /// Checksum of all that answers depend on: the file of the graph, but for its tuning, and through it that
  /// of the vectors.
  std::uint64_t fingerprint() const;

  /// Reads every byte of both files, compares every checksum and follows every link.
  /// Errors   kCorruption naming file and section
  Status Verify() const;

 private:
  friend class VectorIndexAccess;
  struct State;
  explicit VectorIndex(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace equipoise
