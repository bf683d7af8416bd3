#include "cpu/panels.h"

#include <algorithm>
#include <cmath>

#include "cpu/query_block.h"

namespace equipoise {
namespace {

// Codes of up to 32 rows as a panel. A last group that a row does not fill is read code by code.
void PackCodes(const KernelTable& kernels, const VectorsView& rows, std::uint8_t* panel) {
  const std::size_t whole = rows.cols / kCodeGroup;
  kernels.transpose(static_cast<const std::byte*>(rows.data), rows.stride, rows.rows, whole,
                    reinterpret_cast<std::uint32_t*>(panel));
  if (rows.cols % kCodeGroup == 0) return;
  std::uint8_t* last = panel + whole * kPanel * kCodeGroup;
  std::fill_n(last, kPanel * kCodeGroup, std::uint8_t{0});
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const auto* row = static_cast<const std::uint8_t*>(rows.row(i));
    std::copy(row + whole * kCodeGroup, row + rows.cols, last + i * kCodeGroup);
  }
}

}  // namespace

void PackPanel(const KernelTable& kernels, const VectorsView& rows, Metric metric, float* scratch,
               const PanelTarget& to) {
  if (rows.type == ElementType::kInt8) {
    if (to.panel != nullptr) PackCodes(kernels, rows, reinterpret_cast<std::uint8_t*>(to.panel));
    if (!NeedsNorms(metric)) return;
    for (std::size_t i = 0; i < kPanel; ++i) {
      const std::int32_t norm2 =
          i < rows.rows ? CodeNorm2(static_cast<const std::uint8_t*>(rows.row(i)), rows.cols) : 0;
      if (metric == Metric::kL2) to.integers[i] = norm2;
      if (metric == Metric::kCosine)
        to.floats[i] = InverseNorm(std::sqrt(static_cast<double>(norm2)));
    }
    return;
  }
  const std::size_t d = rows.cols;
  const float* values = static_cast<const float*>(rows.data);
  std::size_t stride = rows.stride;
  if (rows.type != ElementType::kFloat32) {
    ToFloats(kernels, rows, scratch);
    values = scratch;
    stride = d;
  }
  if (NeedsNorms(metric)) {
    for (std::size_t i = 0; i < kPanel; ++i) {
      const double norm2 = i < rows.rows ? kernels.norm2(values + i * stride, d) : 0;
      to.floats[i] =
          metric == Metric::kL2 ? static_cast<float>(norm2) : InverseNorm(std::sqrt(norm2));
    }
  }
  if (to.panel == nullptr) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(values);
  if (to.type == ElementType::kFloat32) {
    kernels.transpose(bytes, stride * sizeof(float), rows.rows, d,
                      reinterpret_cast<std::uint32_t*>(to.panel));
    return;
  }
  // Through float32 and back: exact, and one transposition for all types.
  float* wide = scratch + kPanel * d;
  kernels.transpose(bytes, stride * sizeof(float), rows.rows, d,
                    reinterpret_cast<std::uint32_t*>(wide));
  auto* half = reinterpret_cast<std::uint16_t*>(to.panel);
  if (to.type == ElementType::kFloat16)
    kernels.f32_to_f16(wide, half, kPanel * d);
  else
    kernels.f32_to_bf16(wide, half, kPanel * d);
}

}  // namespace equipoise
