/// Similarity of a batch of queries against a set of vectors, whole or only its best k, in float32,
/// float16, bfloat16 and 8-bit codes, on the CPU or on a GPU.
///
///   const MatrixView<float> queries(q, 2, d), items(x, 300, d);
///   float scores[2 * 300];
///   Status status = Similarity(queries, items, Metric::kCosine, scores);
///
///   auto set = ItemSet::Create(items, Metric::kInnerProduct);  // once
///   Scored best[2 * 10];
///   if (set.ok()) status = set->TopK(queries, 10, best);       // often
///
/// For one pair see dot.h, for one row rows.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

enum class Backend : std::uint8_t {
  kAuto = 0,  ///< the GPU where one is there and the work is worth it, else the CPU
  kCpu,
  kCuda,
};

/// "auto", "cpu" or "cuda".
EQUIPOISE_API std::string_view BackendName(Backend backend);

/// Multiply-adds (m · n · d) of one call below which kAuto stays on the CPU: what one core computes
/// in 8-bit codes while a GPU starts and ends its work (about 30 µs).
/// Source   ./dev bench kernels, table "from where on a GPU pays"; a machine without one prints the
///          CPU's side of it
inline constexpr std::uint64_t kGpuMinMultiplyAdds = 3'000'000;

struct SimilarityOptions {
  // Where.
  /// kCuda is an error where no GPU can be used; kAuto never is.
  Backend backend = Backend::kAuto;
  /// Of the CPU backend; kAuto: DefaultSimdLevel().
  SimdLevel simd = SimdLevel::kAuto;
  /// Threads of the CPU backend, [1, 1024]. The result does not depend on it.
  int threads = 1;
  /// kAuto takes the GPU from this many multiply-adds (m · n · d) of a call on.
  std::uint64_t gpu_min_multiply_adds = kGpuMinMultiplyAdds;

  // How exact, on a GPU.
  /// float32 products with 10-bit fractions (TF32): error <= 2e-3 |q| |x|, several times as fast.
  bool tf32 = false;

  /// Told when a GPU failed and the CPU answers instead, once for each set.
  LogCallback log{};
};

/// A set of vectors made ready for many calls: copied into the layout that the CPU's kernels read,
/// and kept on the GPU where one is used.
/// Threads  const; safe from many threads
/// Note     memory about n · d · (bytes of an element), and the same on the GPU
class EQUIPOISE_API ItemSet {
 public:
  /// Shapes   items [n, d]
  /// Range    n >= 1; 1 <= d (<= 32,768 for codes); n < 2³²; for codes and kCosine or kInnerProduct,
  ///          scale.center = 0
  /// Errors   kInvalidArgument: sizes out of range, a NaN or an infinity (row named), an option out
  ///          of range, EQUIPOISE_SIMD; kDevice: backend kCuda where no GPU can be used (why);
  ///          kOutOfMemory
  static Result<ItemSet> Create(VectorsView items, Metric metric,
                                const SimilarityOptions& options = {});
  ItemSet(ItemSet&&) noexcept;
  ItemSet& operator=(ItemSet&&) noexcept;
  ~ItemSet();

  std::size_t rows() const;
  std::size_t cols() const;
  ElementType type() const;
  Metric metric() const;
  /// Where a call with this many queries runs, and in a few words why.
  Backend BackendFor(std::size_t queries) const;
  std::string Why(std::size_t queries) const;

  /// Every score.
  /// Shapes   queries [m, d]; out [m, n] row-major
  /// Range    queries are float32, or of the items' own type. float32 queries of codes are quantized
  ///          first: for kL2 with the items' scale, else each with all of its 8 bits whatever its
  ///          length; codes for kL2 need the items' own scale
  /// Units    of the values, not the codes; of the metric
  /// Errors   kInvalidArgument: m = 0, d differs, type or scale do not fit, out.size() != m · n, a
  ///          NaN or an infinity in a query (row named); kOutOfMemory; after an error `out` holds
  ///          nothing of use
  /// Exact    codes: the same bits on every instruction set and on a GPU. float32, float16, bfloat16:
  ///          error <= 1e-5 |q| |x| of the values given (d <= 4,096), for kL2 1e-5 (|q| + |x|)²;
  ///          float16 and bfloat16 are summed in float32. What overflows float32 is ±infinity, and
  ///          −infinity where it would be NaN; a cosine does not overflow. A query's scores do not
  ///          depend on the batch that it comes in
  Status Similarity(VectorsView queries, std::span<float> out) const;

  /// The best k items of each query, without storing m × n scores.
  /// Shapes   queries [m, d]; out [m, k]: out[i · k + j] is the j-th best item of query i
  /// Range    1 <= k <= n; otherwise as Similarity
  /// Order    Better: score descending, ties by ascending id. Codes are ranked by exact integers, or
  ///          for kCosine by integer / |x| in float32, before that is scaled and rounded to a score
  /// Errors   as Similarity
  /// Threads  const, safe from many threads; memory below 128 MiB beside the queries, or for one
  ///          query O(k) of each thread
  /// Exact    scores are those of Similarity; the same at any number of threads
  Status TopK(VectorsView queries, std::size_t k, std::span<Scored> out) const;

 private:
  friend struct ItemSetMaker;
  struct State;
  explicit ItemSet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Every score of a set that is used once. Nothing is kept.
/// Shapes, range, errors, exactness as ItemSet::Create and ItemSet::Similarity.
/// Note     up to 8 queries read the items where they are; their sums may differ in the last bits from
///          those of a larger batch
EQUIPOISE_API Status Similarity(VectorsView queries, VectorsView items, Metric metric,
                                std::span<float> out, const SimilarityOptions& options = {});

/// The best k items of each query, of a set that is used once. As ItemSet::TopK.
EQUIPOISE_API Status TopK(VectorsView queries, VectorsView items, Metric metric, std::size_t k,
                          std::span<Scored> out, const SimilarityOptions& options = {});

}  // namespace equipoise
