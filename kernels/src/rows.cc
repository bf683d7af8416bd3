#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/kernels/rows.h>

#include "cpu/dispatch.h"
#include "row_operations.h"

namespace equipoise {

double Norm(const float* a, std::size_t d) { return std::sqrt(DefaultKernels().norm2(a, d)); }

void ToFloats(const KernelTable& kernels, const VectorsView& rows, float* to) {
  for (std::size_t i = 0; i < rows.rows; ++i, to += rows.cols) {
    switch (rows.type) {
      case ElementType::kFloat32:
        std::copy_n(static_cast<const float*>(rows.row(i)), rows.cols, to);
        break;
      case ElementType::kFloat16:
        kernels.f16_to_f32(static_cast<const std::uint16_t*>(rows.row(i)), to, rows.cols);
        break;
      case ElementType::kBFloat16:
        kernels.bf16_to_f32(static_cast<const std::uint16_t*>(rows.row(i)), to, rows.cols);
        break;
      case ElementType::kInt8:
        break;
    }
  }
}

double NormalizeRow(const KernelTable& kernels, float* row, std::size_t d) {
  const double norm = std::sqrt(kernels.norm2(row, d));
  if (!(norm > 0)) return norm;
  const double inverse = 1 / norm;  // finite: no float32 is that small
  for (std::size_t i = 0; i < d; ++i) row[i] = static_cast<float>(row[i] * inverse);
  return norm;
}

double Normalize(float* row, std::size_t d) { return NormalizeRow(DefaultKernels(), row, d); }

void SoftmaxRow(const KernelTable& kernels, float* row, std::size_t n, float inverse_temperature) {
  if (n == 0) return;
  const float infinity = std::numeric_limits<float>::infinity();
  const float largest = *std::max_element(row, row + n);
  if (largest == infinity) {
    const auto share = static_cast<float>(std::count(row, row + n, largest));
    for (std::size_t i = 0; i < n; ++i) row[i] = row[i] == largest ? 1 / share : 0;
    return;
  }
  if (largest == -infinity || inverse_temperature == 0) {
    std::fill(row, row + n, 1.0f / static_cast<float>(n));
    return;
  }
  const double sum = kernels.exp_sum(row, n, largest, inverse_temperature);
  kernels.scale(row, n, static_cast<float>(1 / sum));
}

void Softmax(float* row, std::size_t n, float inverse_temperature) {
  SoftmaxRow(DefaultKernels(), row, n, inverse_temperature);
}

}  // namespace equipoise
