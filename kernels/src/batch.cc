#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <equipoise/core/parallel.h>
#include <equipoise/kernels/batch.h>
#include <equipoise/kernels/quantize.h>

#include "cpu/dispatch.h"
#include "cpu/finite_rows.h"
#include "gpu/gpu.h"
#include "options.h"
#include "row_operations.h"

namespace equipoise {
namespace {

Status Refuse(std::string message, const char* field) {
  return Status(Code::kInvalidArgument, std::move(message), {.field = field});
}

Status CheckSize(std::size_t size, std::size_t expected, const char* field) {
  if (size == expected) return {};
  return Refuse(std::string(field) + ".size() = " + std::to_string(size) + " must be " +
                    std::to_string(expected),
                field);
}

Status CheckRows(std::span<float> rows, std::size_t m, std::size_t columns) {
  if (m < 1 || columns < 1) return Refuse("there must be at least one row and one column", "rows");
  return CheckSize(rows.size(), m * columns, "rows");
}

Status CheckScaleOf(ElementType type, CodeScale scale) {
  if (type != ElementType::kInt8) return {};
  if (scale.scale > 0 && std::isfinite(scale.scale) && std::isfinite(scale.center)) return {};
  return Refuse("scale must be above 0, and scale and center must be finite", "scale");
}

// On the GPU where that is asked for, and where it is not or fails, on_cpu(kernels).
template <typename OnGpu, typename OnCpu>
Status Run(const SimilarityOptions& options, const OnGpu& on_gpu, const OnCpu& on_cpu) {
  if (Status status = CheckOptions(options); !status.ok()) return status;
  auto kernels = FindKernels(options.simd);
  if (!kernels) return kernels.error();
  if (options.backend == Backend::kCuda) {
    if (!FindGpu().usable)
      return Status(Code::kDevice, "options.backend = cuda: " + FindGpu().reason,
                    {.field = "options.backend"});
    Status status = on_gpu();
    if (status.ok() || !IsGpuFailure(status)) return status;
    Warn(options.log, status);
  }
  on_cpu(**kernels);
  return {};
}

// each(row) for every row, over threads.
template <typename Each>
void ForRows(std::span<float> rows, std::size_t m, std::size_t columns, int threads,
             const Each& each) {
  ParallelFor(m, threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) each(rows.data() + i * columns);
  });
}

}  // namespace

Status SoftmaxRows(std::span<float> rows, std::size_t m, std::size_t n, float inverse_temperature,
                   const SimilarityOptions& options) {
  if (Status status = CheckRows(rows, m, n); !status.ok()) return status;
  if (!(inverse_temperature >= 0) || !std::isfinite(inverse_temperature))
    return Refuse("inverse_temperature must be at least 0 and finite", "inverse_temperature");
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (std::isnan(rows[i])) return BadRow("rows", i / n);
  return Run(
      options, [&] { return GpuSoftmax(rows.data(), m, n, inverse_temperature); },
      [&](const KernelTable& kernels) {
        ForRows(rows, m, n, options.threads,
                [&](float* row) { SoftmaxRow(kernels, row, n, inverse_temperature); });
      });
}

Status NormalizeRows(std::span<float> rows, std::size_t m, std::size_t d,
                     const SimilarityOptions& options) {
  if (Status status = CheckRows(rows, m, d); !status.ok()) return status;
  if (Status status = CheckFiniteRows(MatrixView<float>(rows.data(), m, d), "rows"); !status.ok())
    return status;
  return Run(
      options, [&] { return GpuNormalize(rows.data(), m, d); },
      [&](const KernelTable& kernels) {
        ForRows(rows, m, d, options.threads, [&](float* row) { NormalizeRow(kernels, row, d); });
      });
}

Status Quantize(std::span<const float> from, ElementType type, CodeScale scale,
                std::span<std::byte> to, const SimilarityOptions& options) {
  const std::size_t n = from.size();
  if (type == ElementType::kFloat32 || type > ElementType::kInt8)
    return Refuse("type must be float16, bfloat16 or int8", "type");
  if (Status status = CheckScaleOf(type, scale); !status.ok()) return status;
  if (Status status = CheckSize(to.size(), n * ElementBytes(type), "to"); !status.ok())
    return status;
  return Run(
      options, [&] { return GpuQuantize(from.data(), n, type, scale, to.data()); },
      [&](const KernelTable& kernels) {
        ParallelFor(n, options.threads, [&](std::size_t begin, std::size_t end, int) {
          const float* at = from.data() + begin;
          std::byte* out = to.data() + begin * ElementBytes(type);
          if (type == ElementType::kInt8)
            kernels.quantize_i8(at, end - begin, scale.scale, scale.center,
                                reinterpret_cast<std::uint8_t*>(out));
          else if (type == ElementType::kFloat16)
            kernels.f32_to_f16(at, reinterpret_cast<std::uint16_t*>(out), end - begin);
          else
            kernels.f32_to_bf16(at, reinterpret_cast<std::uint16_t*>(out), end - begin);
        });
      });
}

Status Dequantize(VectorsView rows, std::span<float> to) {
  if (Status status = CheckScaleOf(rows.type, rows.scale); !status.ok()) return status;
  if (Status status = CheckSize(to.size(), rows.rows * rows.cols, "to"); !status.ok())
    return status;
  if (rows.type == ElementType::kInt8) {
    for (std::size_t i = 0; i < rows.rows; ++i)
      DequantizeI8(static_cast<const std::uint8_t*>(rows.row(i)), rows.cols, rows.scale,
                   to.data() + i * rows.cols);
    return {};
  }
  ToFloats(DefaultKernels(), rows, to.data());
  return {};
}

}  // namespace equipoise
