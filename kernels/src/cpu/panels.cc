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

// Norms within which float32 products with a unit vector neither overflow nor lose bits.
constexpr double kShortest = 1e-25, kLongest = 1e35;

// Scales rows outside, in scratch, and their inverse norms.
const float* ScaleExtremes(const VectorsView& rows, float* inverse_norms, const float** values,
                           std::size_t* stride, float* scratch) {
  const std::size_t d = rows.cols;
  bool copied = *values == scratch, any = false;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const float inverse = inverse_norms[i];
    if (!(inverse > 0) || (inverse <= 1 / kShortest && inverse >= 1 / kLongest)) continue;
    if (!copied) {
      for (std::size_t r = 0; r < rows.rows; ++r)
        std::copy_n(*values + r * *stride, d, scratch + r * d);
      *values = scratch;
      *stride = d;
      copied = true;
    }
    any = true;
    float* row = scratch + i * d;
    double norm2 = 0;
    for (std::size_t k = 0; k < d; ++k) norm2 += double{row[k]} * row[k];
    const int exponent = -std::ilogb(std::sqrt(norm2));
    for (std::size_t k = 0; k < d; ++k) row[k] = std::ldexp(row[k], exponent);
    inverse_norms[i] = InverseNorm(std::ldexp(std::sqrt(norm2), exponent));
  }
  return any ? scratch : nullptr;
}

}  // namespace

const float* PackPanel(const KernelTable& kernels, const VectorsView& rows, Metric metric,
                       float* scratch, const PanelTarget& to) {
  if (rows.type == ElementType::kInt8) {
    if (to.panel != nullptr) PackCodes(kernels, rows, reinterpret_cast<std::uint8_t*>(to.panel));
    if (!NeedsNorms(metric)) return nullptr;
    for (std::size_t i = 0; i < kPanel; ++i) {
      const std::int32_t norm2 =
          i < rows.rows ? CodeNorm2(static_cast<const std::uint8_t*>(rows.row(i)), rows.cols) : 0;
      if (metric == Metric::kL2) to.integers[i] = norm2;
      if (metric == Metric::kCosine)
        to.floats[i] = InverseNorm(std::sqrt(static_cast<double>(norm2)));
    }
    return nullptr;
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
  const float* scaled = nullptr;
  if (metric == Metric::kCosine) scaled = ScaleExtremes(rows, to.floats, &values, &stride, scratch);
  if (to.panel == nullptr) return scaled;
  const auto* bytes = reinterpret_cast<const std::byte*>(values);
  if (to.type == ElementType::kFloat32) {
    kernels.transpose(bytes, stride * sizeof(float), rows.rows, d,
                      reinterpret_cast<std::uint32_t*>(to.panel));
    return scaled;
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
  return scaled;
}

}  // namespace equipoise
