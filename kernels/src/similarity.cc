#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <new>
#include <utility>
#include <vector>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/similarity.h>

#include "cpu/cpu_items.h"
#include "cpu/dispatch.h"
#include "cpu/finite_rows.h"
#include "gpu/gpu.h"
#include "item_set_maker.h"
#include "options.h"

namespace equipoise {
namespace {

constexpr std::size_t kMostItems = 0xffffffffu;
// What bringing an element to the GPU for one call costs, in multiply-adds of the CPU: a copy into pinned
// memory and the bus, some 0.3 ns for a float32, against up to 200 multiply-adds a nanosecond.
constexpr std::size_t kUploadCost = 64;
// The largest batch that a set of items is expected to meet, when kAuto decides about the GPU.
constexpr std::uint64_t kLargestBatch = 1024;

Status Refuse(std::string message, const char* field) {
  return Status(Code::kInvalidArgument, std::move(message), {.field = field});
}

std::string Sized(const char* name, std::size_t value) {
  return std::string(name) + " = " + std::to_string(value);
}

Status CheckScale(const VectorsView& rows, const char* name) {
  if (rows.type != ElementType::kInt8) return {};
  if (!(rows.scale.scale > 0) || !std::isfinite(rows.scale.scale) ||
      !std::isfinite(rows.scale.center))
    return Refuse(
        std::string(name) + ".scale: scale must be above 0, and scale and center must be finite",
        "scale");
  return {};
}

// Scores of codes are integers times this.
Status CheckFactor(float query_scale, float item_scale) {
  const float factor = 1.0f / (query_scale * item_scale);
  if (factor > 0 && std::isfinite(factor)) return {};
  return Refuse(
      "the product of the scales of queries and items, or its inverse, is no finite float32",
      "scale");
}

Status CheckShape(const VectorsView& rows, const char* name) {
  if (rows.type > ElementType::kInt8) return Refuse(std::string(name) + ".type is unknown", name);
  if (rows.rows < 1 || rows.rows > kMostItems)
    return Refuse(Sized((std::string(name) + ".rows").c_str(), rows.rows) +
                      " is out of range [1, 4294967295]",
                  name);
  if (rows.cols < 1) return Refuse(std::string(name) + ".cols = 0 must be at least 1", name);
  if (rows.stride < rows.cols)
    return Refuse(Sized((std::string(name) + ".stride").c_str(), rows.stride) + " is below " +
                      Sized("cols", rows.cols),
                  name);
  if (rows.data == nullptr) return Refuse(std::string(name) + ".data is null", name);
  return CheckScale(rows, name);
}

Status CheckItems(const VectorsView& items, Metric metric) {
  if (metric > Metric::kInnerProduct) return Refuse("metric is unknown", "metric");
  if (Status status = CheckShape(items, "items"); !status.ok()) return status;
  if (items.type == ElementType::kInt8) {
    if (items.cols > kMaxCodeDim)
      return Refuse(
          Sized("items.cols", items.cols) + " is above " + Sized("kMaxCodeDim", kMaxCodeDim),
          "items");
    if (metric != Metric::kL2 && items.scale.center != 0)
      return Refuse(
          "items.scale.center must be 0 for cosine and inner product: quantize with "
          "SymmetricCodeScale",
          "items");
  }
  return {};
}

// The largest |x|, as a number: the bits of floats without a sign are in their order.
float LargestMagnitude(const float* values, std::size_t d) {
  std::int32_t largest = 0;
  for (std::size_t k = 0; k < d; ++k)
    largest = std::max(largest, std::bit_cast<std::int32_t>(values[k]) & 0x7fffffff);
  return std::bit_cast<float>(largest);
}

// The queries as the items' arithmetic takes them: float queries of codes become codes.
class FittedQueries {
 public:
  Status Fit(const VectorsView& items, Metric metric, const VectorsView& queries) {
    if (Status status = CheckShape(queries, "queries"); !status.ok()) return status;
    if (queries.cols != items.cols)
      return Refuse(
          Sized("queries.cols", queries.cols) + " must equal " + Sized("items.cols", items.cols),
          "queries");
    if (queries.type != items.type && queries.type != ElementType::kFloat32)
      return Refuse("queries are " + std::string(ElementTypeName(queries.type)) + ", items " +
                        std::string(ElementTypeName(items.type)) +
                        ": queries must be float32 or of the items' type",
                    "queries");
    if (Status status = CheckFiniteRows(queries, "queries"); !status.ok()) return status;
    view_ = queries;
    if (items.type != ElementType::kInt8) return {};
    if (queries.type == ElementType::kFloat32) Quantize(items, metric, queries);
    if (metric == Metric::kL2 &&
        !(view_.scale.scale == items.scale.scale && view_.scale.center == items.scale.center))
      return Refuse("queries.scale must equal items.scale for l2", "queries");
    if (metric != Metric::kL2 && view_.scale.center != 0)
      return Refuse("queries.scale.center must be 0 for cosine and inner product", "queries");
    return CheckFactor(view_.scale.scale, items.scale.scale);
  }

  const VectorsView& view() const { return view_; }

  /// Gives scores the size that their queries had before they were quantized.
  void Finish(std::span<float> scores) const {
    const std::size_t n = steps_.empty() ? 0 : scores.size() / steps_.size();
    for (std::size_t i = 0; i < n * steps_.size(); ++i) scores[i] *= steps_[i / n];
  }
  void Finish(std::span<Scored> best) const {
    const std::size_t k = steps_.empty() ? 0 : best.size() / steps_.size();
    for (std::size_t i = 0; i < k * steps_.size(); ++i) best[i].score *= steps_[i / k];
  }

 private:
  // For L2 on the items' own grid. Else a query's length does not change the ranking: each query gets
  // all of its 8 bits, and for the inner product the step between two codes is multiplied in at the end.
  void Quantize(const VectorsView& items, Metric metric, const VectorsView& queries) {
    const std::size_t d = queries.cols;
    codes_.resize(queries.rows * d);
    std::vector<float> row;
    if (metric == Metric::kInnerProduct) steps_.resize(queries.rows);
    for (std::size_t i = 0; i < queries.rows; ++i) {
      const auto* values = static_cast<const float*>(queries.row(i));
      std::uint8_t* to = codes_.data() + i * d;
      if (metric == Metric::kL2) {
        QuantizeI8(values, d, items.scale, to);
        continue;
      }
      const float largest = LargestMagnitude(values, d);
      const float scale = 127.0f / largest;
      if (std::isfinite(scale)) {
        QuantizeI8(values, d, {.scale = scale}, to);
      } else {  // a zero vector, or one so short that its scale overflows
        row.resize(d);
        const double steps = largest > 0 ? 127 / double{largest} : 0;
        for (std::size_t k = 0; k < d; ++k) row[k] = static_cast<float>(values[k] * steps);
        QuantizeI8(row.data(), d, {}, to);
      }
      if (!steps_.empty()) steps_[i] = largest / 127;
    }
    view_ = VectorsView(MatrixView<std::uint8_t>(codes_.data(), queries.rows, d),
                        metric == Metric::kL2 ? items.scale : CodeScale{});
  }

  VectorsView view_;
  std::vector<std::uint8_t> codes_;
  std::vector<float> steps_;
};

Status OutOfMemory(const char* function) {
  return Status(Code::kOutOfMemory, std::string(function) + ": not enough memory");
}

Status CheckOut(std::size_t size, std::size_t rows, std::size_t columns, const char* what) {
  if (size == rows * columns) return {};
  return Refuse(Sized("out.size()", size) + " must be queries.rows * " + what + " = " +
                    std::to_string(rows * columns),
                "out");
}

Status CheckK(std::size_t k, std::size_t n) {
  if (k >= 1 && k <= n) return {};
  return Refuse(Sized("k", k) + " is out of range [1, items.rows = " + std::to_string(n) + "]",
                "k");
}

}  // namespace

struct ItemSet::State {
  VectorsView shape;  ///< sizes, type and scale; no data
  Metric metric = Metric::kCosine;
  SimilarityOptions options;
  CpuItems cpu;
  std::unique_ptr<GpuItems> gpu;
  std::string gpu_reason;  ///< why it is not used, where it is not
  mutable std::atomic<bool> warned{false};

  /// Runs a call where it belongs. A GPU that fails is no reason to have no answer: the CPU gives it,
  /// and the first failure of a set is told.
  template <typename OnGpu, typename OnCpu>
  Status Run(bool on_gpu, const OnGpu& gpu_call, const OnCpu& cpu_call) const {
    if (on_gpu) {
      Status status = gpu_call();
      if (status.ok() || !IsGpuFailure(status)) return status;
      if (!warned.exchange(true)) Warn(options.log, status);
    }
    return cpu_call();
  }
};

ItemSet::ItemSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
ItemSet::ItemSet(ItemSet&&) noexcept = default;
ItemSet& ItemSet::operator=(ItemSet&&) noexcept = default;
ItemSet::~ItemSet() = default;

ItemSetMaker ItemSetMaker::OfThisMachine() {
  return {.usable = FindGpu().usable, .reason = FindGpu().reason, .upload = UploadItems};
}

Result<ItemSet> ItemSetMaker::Make(const VectorsView& items, Metric metric,
                                   const SimilarityOptions& options) const {
  if (Status status = CheckOptions(options); !status.ok()) return status;
  if (Status status = CheckItems(items, metric); !status.ok()) return status;
  auto kernels = FindKernels(options.simd);
  if (!kernels) return kernels.error();
  if (options.backend == Backend::kCuda && !usable)
    return Status(Code::kDevice, "ItemSet: options.backend = cuda: " + reason,
                  {.field = "options.backend"});
  auto packed = CpuItems::Pack(**kernels, items, metric, options.threads);
  if (!packed) return packed.error();

  auto state = std::make_unique<ItemSet::State>();
  state->shape = items;
  state->shape.data = nullptr;
  state->metric = metric;
  state->options = options;
  state->cpu = *std::move(packed);
  const std::uint64_t largest = std::uint64_t{items.rows} * items.cols * kLargestBatch;
  if (options.backend == Backend::kCpu) {
    state->gpu_reason = "the CPU was asked for";
  } else if (options.backend == Backend::kAuto && largest < options.gpu_min_multiply_adds) {
    state->gpu_reason = "too few items for a GPU to pay";
  } else if (!usable) {
    state->gpu_reason = reason;
  } else if (auto uploaded = upload(items, metric, options.tf32); uploaded.ok()) {
    state->gpu = *std::move(uploaded);
  } else if (IsGpuFailure(uploaded.error())) {
    state->gpu_reason = uploaded.error().message();
    Warn(options.log, uploaded.error());
  } else {
    return uploaded.error();
  }
  return ItemSet(std::move(state));
}

Result<ItemSet> ItemSet::Create(VectorsView items, Metric metric,
                                const SimilarityOptions& options) {
  try {
    return ItemSetMaker::OfThisMachine().Make(items, metric, options);
  } catch (const std::bad_alloc&) {
    return OutOfMemory("ItemSet");
  }
}

std::size_t ItemSet::rows() const { return state_->shape.rows; }
std::size_t ItemSet::cols() const { return state_->shape.cols; }
ElementType ItemSet::type() const { return state_->shape.type; }
Metric ItemSet::metric() const { return state_->metric; }

Backend ItemSet::BackendFor(std::size_t queries) const {
  if (!state_->gpu) return Backend::kCpu;
  if (state_->options.backend == Backend::kCuda) return Backend::kCuda;
  const std::uint64_t work = std::uint64_t{queries} * rows() * cols();
  return work >= state_->options.gpu_min_multiply_adds ? Backend::kCuda : Backend::kCpu;
}

std::string ItemSet::Why(std::size_t queries) const {
  if (!state_->gpu) return state_->gpu_reason;
  if (state_->options.backend == Backend::kCuda) return "the GPU was asked for";
  return std::to_string(std::uint64_t{queries} * rows() * cols()) + " multiply-adds are " +
         (BackendFor(queries) == Backend::kCuda ? "at least " : "below ") +
         std::to_string(state_->options.gpu_min_multiply_adds);
}

Status ItemSet::Similarity(VectorsView queries, std::span<float> out) const {
  try {
    FittedQueries fitted;
    if (Status status = fitted.Fit(state_->shape, state_->metric, queries); !status.ok())
      return status;
    if (Status status = CheckOut(out.size(), queries.rows, rows(), "items.rows"); !status.ok())
      return status;
    Status status = state_->Run(
        BackendFor(queries.rows) == Backend::kCuda,
        [&] { return state_->gpu->Similarity(fitted.view(), out); },
        [&] { return state_->cpu.Similarity(fitted.view(), state_->options.threads, out); });
    if (status.ok()) fitted.Finish(out);
    return status;
  } catch (const std::bad_alloc&) {
    return OutOfMemory("Similarity");
  }
}

Status ItemSet::TopK(VectorsView queries, std::size_t k, std::span<Scored> out) const {
  try {
    FittedQueries fitted;
    if (Status status = fitted.Fit(state_->shape, state_->metric, queries); !status.ok())
      return status;
    if (Status status = CheckK(k, rows()); !status.ok()) return status;
    if (Status status = CheckOut(out.size(), queries.rows, k, "k"); !status.ok()) return status;
    Status status = state_->Run(
        BackendFor(queries.rows) == Backend::kCuda && k <= kMaxGpuK,
        [&] { return state_->gpu->TopK(fitted.view(), k, out); },
        [&] { return state_->cpu.TopK(fitted.view(), k, state_->options.threads, out); });
    if (status.ok()) fitted.Finish(out);
    return status;
  } catch (const std::bad_alloc&) {
    return OutOfMemory("TopK");
  }
}

namespace {

// Runs a call on a set that is used once: where it lies on the CPU, or brought to the GPU where that is
// asked for or pays.
template <typename OnCpu, typename OnSet>
Status Once(const VectorsView& queries, const VectorsView& items, Metric metric,
            const SimilarityOptions& options, const OnCpu& on_cpu, const OnSet& on_set) {
  if (Status status = CheckOptions(options); !status.ok()) return status;
  if (Status status = CheckItems(items, metric); !status.ok()) return status;
  const std::uint64_t elements = std::uint64_t{items.rows} * items.cols;
  const bool pays = queries.rows > kUploadCost &&
                    (queries.rows - kUploadCost) * elements >= options.gpu_min_multiply_adds;
  if (options.backend == Backend::kCuda ||
      (options.backend == Backend::kAuto && pays && FindGpu().usable)) {
    auto set = ItemSet::Create(items, metric, options);
    if (!set) return set.error();
    return on_set(*set);
  }
  auto kernels = FindKernels(options.simd);
  if (!kernels) return kernels.error();
  FittedQueries fitted;
  if (Status status = fitted.Fit(items, metric, queries); !status.ok()) return status;
  return on_cpu(CpuItems::Borrow(**kernels, items, metric), fitted);
}

}  // namespace

Status Similarity(VectorsView queries, VectorsView items, Metric metric, std::span<float> out,
                  const SimilarityOptions& options) {
  try {
    return Once(
        queries, items, metric, options,
        [&](const CpuItems& cpu, const FittedQueries& fitted) {
          Status status = CheckOut(out.size(), queries.rows, items.rows, "items.rows");
          if (status.ok()) status = cpu.Similarity(fitted.view(), options.threads, out);
          if (status.ok()) fitted.Finish(out);
          return status;
        },
        [&](const ItemSet& set) { return set.Similarity(queries, out); });
  } catch (const std::bad_alloc&) {
    return OutOfMemory("Similarity");
  }
}

Status TopK(VectorsView queries, VectorsView items, Metric metric, std::size_t k,
            std::span<Scored> out, const SimilarityOptions& options) {
  try {
    return Once(
        queries, items, metric, options,
        [&](const CpuItems& cpu, const FittedQueries& fitted) {
          Status status = CheckK(k, items.rows);
          if (status.ok()) status = CheckOut(out.size(), queries.rows, k, "k");
          if (status.ok()) status = cpu.TopK(fitted.view(), k, options.threads, out);
          if (status.ok()) fitted.Finish(out);
          return status;
        },
        [&](const ItemSet& set) { return set.TopK(queries, k, out); });
  } catch (const std::bad_alloc&) {
    return OutOfMemory("TopK");
  }
}

}  // namespace equipoise
