#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/kernels/rows.h>

#include "cpu/dispatch.h"

namespace equipoise {

double Norm(const float* a, std::size_t d) { return std::sqrt(DefaultKernels().norm2(a, d)); }

double Normalize(float* row, std::size_t d) {
  const double norm = Norm(row, d);
  if (norm > 0) {
    for (std::size_t i = 0; i < d; ++i) row[i] = static_cast<float>(row[i] / norm);
  }
  return norm;
}

void Softmax(float* row, std::size_t n, float inverse_temperature) {
  if (n == 0) return;
  const float largest = *std::max_element(row, row + n);
  if (largest == std::numeric_limits<float>::infinity()) {
    const auto share = static_cast<float>(std::count(row, row + n, largest));
    for (std::size_t i = 0; i < n; ++i) row[i] = row[i] == largest ? 1 / share : 0;
    return;
  }
  if (largest == -std::numeric_limits<float>::infinity()) {
    std::fill(row, row + n, 1.0f / static_cast<float>(n));
    return;
  }
  const KernelTable& kernels = DefaultKernels();
  const double sum = kernels.exp_sum(row, n, largest, inverse_temperature);
  kernels.scale(row, n, static_cast<float>(1 / sum));
}

}  // namespace equipoise
