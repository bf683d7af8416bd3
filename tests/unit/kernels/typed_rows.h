// Rows of any element type beside their values in double, and scores summed in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <equipoise/kernels/metric.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

inline constexpr float kScale = 40;

// Rows of one element type, and the same values in double.
struct Rows {
  std::size_t n = 0, d = 0, stride = 0;
  ElementType type = ElementType::kFloat32;
  std::vector<std::byte> bytes;
  std::vector<double> values;

  VectorsView view() const {
    switch (type) {
      case ElementType::kFloat32:
        return MatrixView<float>(reinterpret_cast<const float*>(bytes.data()), n, d, stride);
      case ElementType::kFloat16:
        return MatrixView<Float16>(reinterpret_cast<const Float16*>(bytes.data()), n, d, stride);
      case ElementType::kBFloat16:
        return MatrixView<BFloat16>(reinterpret_cast<const BFloat16*>(bytes.data()), n, d, stride);
      case ElementType::kInt8:
        break;
    }
    return VectorsView(
        MatrixView<std::uint8_t>(reinterpret_cast<const std::uint8_t*>(bytes.data()), n, d, stride),
        {.scale = kScale});
  }
};

inline Rows RowsOf(ElementType type, const std::vector<float>& values, std::size_t n, std::size_t d,
                   std::size_t padding) {
  Rows out{.n = n, .d = d, .stride = d + padding, .type = type, .bytes = {}, .values = {}};
  out.bytes.resize(n * out.stride * ElementBytes(type));
  out.values.resize(n * d);
  for (std::size_t i = 0; i < n; ++i) {
    std::byte* row = out.bytes.data() + i * out.stride * ElementBytes(type);
    const float* from = values.data() + i * d;
    std::vector<float> back(from, from + d);
    if (type == ElementType::kFloat32) {
      std::copy_n(from, d, reinterpret_cast<float*>(row));
    } else if (type == ElementType::kFloat16) {
      FloatToHalf(from, reinterpret_cast<Float16*>(row), d);
      HalfToFloat(reinterpret_cast<Float16*>(row), back.data(), d);
    } else if (type == ElementType::kBFloat16) {
      FloatToBFloat(from, reinterpret_cast<BFloat16*>(row), d);
      BFloatToFloat(reinterpret_cast<BFloat16*>(row), back.data(), d);
    } else {
      QuantizeI8(from, d, {.scale = kScale}, reinterpret_cast<std::uint8_t*>(row));
      for (std::size_t k = 0; k < d; ++k)
        out.values[i * d + k] = (static_cast<int>(row[k]) - 128) / double{kScale};
      continue;
    }
    for (std::size_t k = 0; k < d; ++k) out.values[i * d + k] = back[k];
  }
  return out;
}

inline std::vector<float> Normal(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

struct Reference {
  double score = 0;
  double bound = 0;  // of the error of float types
};

inline Reference ScoreOf(const Rows& queries, std::size_t q, const Rows& items, std::size_t i,
                         Metric metric) {
  double dot = 0, qq = 0, xx = 0;
  for (std::size_t k = 0; k < items.d; ++k) {
    const double a = queries.values[q * items.d + k], b = items.values[i * items.d + k];
    dot += a * b;
    qq += a * a;
    xx += b * b;
  }
  const double norms = std::sqrt(qq * xx);
  const double both = std::sqrt(qq) + std::sqrt(xx);
  switch (metric) {
    case Metric::kInnerProduct:
      return {dot, 1e-5 * norms};
    case Metric::kCosine:
      return {norms > 0 ? dot / norms : 0, 1e-5};
    case Metric::kL2:
      return {-(qq + xx - 2 * dot), 1e-5 * both * both};
  }
  return {};
}

}  // namespace equipoise
