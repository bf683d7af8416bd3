#include <algorithm>
#include <cmath>

#include <equipoise/kernels/quantize.h>

#include "cpu/half.h"

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
  for (std::size_t i = 0; i < n; ++i) to[i].bits = FloatToHalfBits(from[i]);
}

void HalfToFloat(const Float16* from, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = HalfToFloatBits(from[i].bits);
}

void QuantizeI8(const float* from, std::size_t n, CodeScale scale, std::uint8_t* codes) {
  for (std::size_t i = 0; i < n; ++i) {
    // All steps are at least 0.5 where they are not clamped, so that truncation rounds.
    const float step = scale.scale * (from[i] - scale.center) + 128.5f;
    const float low = step > 0.0f ? step : 0.0f;  // NaN goes to 0
    const float clamped = low < 255.0f ? low : 255.0f;
    codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(clamped));
  }
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
  out.center = low + (high - low) / 2;
  const float scale = ScaleOf(255.0f, high - low);
  if (scale > 0.0f) out.scale = scale;
  return out;
}

}  // namespace equipoise
