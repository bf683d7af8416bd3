#include <algorithm>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/similarity.h>

#include "cpu/cpu_items.h"
#include "cpu/dispatch.h"
#include "cpu/finite_rows.h"
#include "gpu/gpu.h"

namespace equipoise {
namespace {

constexpr std::size_t kMostItems = 0xffffffffu;
// What bringing an element to the GPU for one call costs, in multiply-adds of the CPU: a copy into
// pinned memory, the bus, and a conversion, against some 100 multiply-adds a nanosecond.
constexpr std::size_t kUploadCost = 64;
// The largest batch that a set of items is expected to meet, when kAuto decides about the GPU.
constexpr std::uint64_t kLargestBatch = 1024;

Status Refuse(std::string message, const char* field) {
  return Status(Code::kInvalidArgument, std::move(message), {.field = field});
}

std::string Sized(const char* name, std::size_t value) {
  return std::string(name) + " = " + std::to_string(value);
}

Status CheckOptions(const SimilarityOptions& options) {
  if (options.threads < 1 || options.threads > 1024)
    return Refuse(
        "options.threads = " + std::to_string(options.threads) + " is out of range [1, 1024]",
        "options.threads");
  if (options.backend > Backend::kCuda)
    return Refuse("options.backend is unknown", "options.backend");
  return {};
}

Status CheckScale(const VectorsView& rows, const char* name) {
  if (rows.type != ElementType::kInt8) return {};
  if (!(rows.scale.scale > 0) || !(rows.scale.scale <= 3e38f))
    return Refuse(std::string(name) + ".scale.scale must be above 0 and finite", "scale");
  return {};
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
    if (queries.type == ElementType::kInt8) {
      if (metric == Metric::kL2 &&
          !(queries.scale.scale == items.scale.scale && queries.scale.center == items.scale.center))
        return Refuse("queries.scale must equal items.scale for l2", "queries");
      if (metric != Metric::kL2 && queries.scale.center != 0)
        return Refuse("queries.scale.center must be 0 for cosine and inner product", "queries");
      return {};
    }
    codes_.resize(queries.rows * queries.cols);
    for (std::size_t i = 0; i < queries.rows; ++i)
      QuantizeI8(static_cast<const float*>(queries.row(i)), queries.cols, items.scale,
                 codes_.data() + i * queries.cols);
    view_ = VectorsView(MatrixView<std::uint8_t>(codes_.data(), queries.rows, queries.cols),
                        items.scale);
    return {};
  }
  const VectorsView& view() const { return view_; }

 private:
  VectorsView view_;
  std::vector<std::uint8_t> codes_;
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

// A GPU that failed is no reason to have no answer.
bool FallsBack(const Status& status, const LogCallback& log) {
  if (status.code() != Code::kDevice && status.code() != Code::kOutOfMemory &&
      status.code() != Code::kUnsupported)
    return false;
  if (log) log(LogLevel::kWarning, "GPU: " + status.message() + "; the CPU answers instead");
  return true;
}

}  // namespace

std::string_view BackendName(Backend backend) {
  switch (backend) {
    case Backend::kAuto:
      return "auto";
    case Backend::kCpu:
      return "cpu";
    case Backend::kCuda:
      return "cuda";
  }
  return "unknown";
}

struct ItemSet::State {
  VectorsView shape;  ///< sizes, type and scale; no data
  Metric metric = Metric::kCosine;
  SimilarityOptions options;
  CpuItems cpu;
  std::unique_ptr<GpuItems> gpu;
  std::string gpu_reason;  ///< why it is not used, where it is not
};

ItemSet::ItemSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
ItemSet::ItemSet(ItemSet&&) noexcept = default;
ItemSet& ItemSet::operator=(ItemSet&&) noexcept = default;
ItemSet::~ItemSet() = default;

Result<ItemSet> ItemSet::Create(VectorsView items, Metric metric,
                                const SimilarityOptions& options) {
  try {
    if (Status status = CheckOptions(options); !status.ok()) return status;
    if (Status status = CheckItems(items, metric); !status.ok()) return status;
    auto kernels = FindKernels(options.simd);
    if (!kernels) return kernels.error();
    if (options.backend == Backend::kCuda && !FindGpu().usable)
      return Status(Code::kDevice, "ItemSet: options.backend = cuda: " + FindGpu().reason,
                    {.field = "options.backend"});
    auto packed = CpuItems::Pack(**kernels, items, metric, options.threads);
    if (!packed) return packed.error();

    auto state = std::make_unique<State>();
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
    } else if (!FindGpu().usable) {
      state->gpu_reason = FindGpu().reason;
    } else {
      auto uploaded = UploadItems(items, metric, options.tf32);
      if (uploaded.ok()) {
        state->gpu = *std::move(uploaded);
      } else {
        state->gpu_reason = uploaded.error().message();
        if (!FallsBack(uploaded.error(), options.log)) return uploaded.error();
      }
    }
    return ItemSet(std::move(state));
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
    if (BackendFor(queries.rows) == Backend::kCuda) {
      Status status = state_->gpu->Similarity(fitted.view(), out);
      if (status.ok() || !FallsBack(status, state_->options.log)) return status;
    }
    return state_->cpu.Similarity(fitted.view(), state_->options.threads, out);
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
    if (BackendFor(queries.rows) == Backend::kCuda) {
      Status status = state_->gpu->TopK(fitted.view(), k, out);
      if (status.ok() || !FallsBack(status, state_->options.log)) return status;
    }
    return state_->cpu.TopK(fitted.view(), k, state_->options.threads, out);
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
  auto kernels = FindKernels(options.simd);
  if (!kernels) return kernels.error();
  FittedQueries fitted;
  if (Status status = fitted.Fit(items, metric, queries); !status.ok()) return status;
  const std::uint64_t elements = std::uint64_t{items.rows} * items.cols;
  const bool pays = queries.rows > kUploadCost &&
                    (queries.rows - kUploadCost) * elements >= options.gpu_min_multiply_adds;
  if (options.backend == Backend::kCuda ||
      (options.backend == Backend::kAuto && pays && FindGpu().usable)) {
    auto set = ItemSet::Create(items, metric, options);
    if (!set) return set.error();
    return on_set(*set);
  }
  return on_cpu(CpuItems::Borrow(**kernels, items, metric), fitted.view());
}

}  // namespace

Status Similarity(VectorsView queries, VectorsView items, Metric metric, std::span<float> out,
                  const SimilarityOptions& options) {
  try {
    if (Status status = CheckOut(out.size(), queries.rows, items.rows, "items.rows"); !status.ok())
      return status;
    return Once(
        queries, items, metric, options,
        [&](const CpuItems& cpu, const VectorsView& fitted) {
          return cpu.Similarity(fitted, options.threads, out);
        },
        [&](const ItemSet& set) { return set.Similarity(queries, out); });
  } catch (const std::bad_alloc&) {
    return OutOfMemory("Similarity");
  }
}

Status TopK(VectorsView queries, VectorsView items, Metric metric, std::size_t k,
            std::span<Scored> out, const SimilarityOptions& options) {
  try {
    if (Status status = CheckK(k, items.rows); !status.ok()) return status;
    if (Status status = CheckOut(out.size(), queries.rows, k, "k"); !status.ok()) return status;
    return Once(
        queries, items, metric, options,
        [&](const CpuItems& cpu, const VectorsView& fitted) {
          return cpu.TopK(fitted, k, options.threads, out);
        },
        [&](const ItemSet& set) { return set.TopK(queries, k, out); });
  } catch (const std::bad_alloc&) {
    return OutOfMemory("TopK");
  }
}

}  // namespace equipoise
