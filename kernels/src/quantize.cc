#include <algorithm>
#include <cmath>

#include <equipoise/kernels/quantize.h>

#include "cpu/dispatch.h"

namespace equipoise {
namespace {

constexpr double kRowsCovered = 0.99;

// The value that about this share of the sample does not exceed; of two or more values never the
// largest for a share below 1, and never the least for one above 0.
float Quantile(std::span<float> sample, double share) {
  const double place = share * static_cast<double>(sample.size() - 1);
  const auto at = static_cast<std::ptrdiff_t>(share < 0.5 ? std::ceil(place) : std::floor(place));
  std::nth_element(sample.begin(), sample.begin() + at, sample.end());
  return sample[static_cast<std::size_t>(at)];
}

// steps / width where that is a usable scale.
float ScaleOf(float steps, float width) {
  const float scale = steps / width;
  return width > 0 && std::isfinite(scale) ? scale : 0.0f;
}

}  // namespace

void FloatToHalf(const float* from, Float16* to, std::size_t n) {
  if (n > 0) DefaultKernels().f32_to_f16(from, &to->bits, n);
}

void HalfToFloat(const Float16* from, float* to, std::size_t n) {
  if (n > 0) DefaultKernels().f16_to_f32(&from->bits, to, n);
}

void FloatToBFloat(const float* from, BFloat16* to, std::size_t n) {
  if (n > 0) DefaultKernels().f32_to_bf16(from, &to->bits, n);
}

void BFloatToFloat(const BFloat16* from, float* to, std::size_t n) {
  if (n > 0) DefaultKernels().bf16_to_f32(&from->bits, to, n);
}

void QuantizeI8(const float* from, std::size_t n, CodeScale scale, std::uint8_t* codes) {
  DefaultKernels().quantize_i8(from, n, scale.scale, scale.center, codes);
}

void DequantizeI8(const std::uint8_t* codes, std::size_t n, CodeScale scale, float* to) {
  DefaultKernels().dequantize_i8(codes, n, 1.0f / scale.scale, scale.center, to);
}

CodeScale SymmetricCodeScale(std::span<float> largest) {
  CodeScale out;
  if (largest.empty()) return out;
  float scale = ScaleOf(127.0f, Quantile(largest, kRowsCovered));
  // Nearly all rows are zero: the others decide.
  if (scale == 0.0f) scale = ScaleOf(127.0f, *std::max_element(largest.begin(), largest.end()));
  if (scale > 0.0f) out.scale = scale;
  return out;
}

CodeScale CenteredCodeScale(std::span<float> least, std::span<float> largest) {
  CodeScale out;
  if (least.empty() || largest.empty()) return out;
  float low = Quantile(least, 1 - kRowsCovered);
  float high = Quantile(largest, kRowsCovered);
  if (!(low < high)) {
    low = *std::min_element(least.begin(), least.end());
    high = *std::max_element(largest.begin(), largest.end());
  }
  if (low == high) {
    const float reach = 4 * std::fabs(low);
    low -= reach;
    high += reach;
  }
  out.center = low + (high - low) / 2;
  const float scale = ScaleOf(255.0f, high - low);
  if (scale > 0.0f) out.scale = scale;
  return out;
}

}  // namespace equipoise
