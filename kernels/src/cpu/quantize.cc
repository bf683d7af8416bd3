#include <algorithm>
#include <cmath>

#include <equipoise/kernels/quantize.h>

#include "cpu/half.h"

namespace equipoise {
namespace {

// The value that the share `quantile` of the sample does not exceed.
float Quantile(std::span<float> sample, double quantile) {
  const double last = static_cast<double>(sample.size() - 1);
  const auto at = static_cast<std::ptrdiff_t>(std::clamp(std::ceil(quantile * last), 0.0, last));
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

CodeScale SymmetricCodeScale(std::span<float> sample, double quantile) {
  CodeScale out;
  if (sample.empty()) return out;
  for (float& value : sample) value = std::fabs(value);
  float scale = ScaleOf(127.0f, Quantile(sample, quantile));
  // More zeros than the quantile covers: the largest value decides.
  if (scale == 0.0f) scale = ScaleOf(127.0f, *std::max_element(sample.begin(), sample.end()));
  if (scale > 0.0f) out.scale = scale;
  return out;
}

CodeScale CenteredCodeScale(std::span<float> sample, double quantile) {
  CodeScale out;
  if (sample.empty()) return out;
  const double tail = (1 - quantile) / 2;
  float high = Quantile(sample, 1 - tail);
  float low = Quantile(sample, tail);
  if (!(low < high)) {
    const auto [least, most] = std::minmax_element(sample.begin(), sample.end());
    low = *least;
    high = *most;
  }
  out.center = low + (high - low) / 2;
  const float scale = ScaleOf(255.0f, high - low);
  if (scale > 0.0f) out.scale = scale;
  return out;
}

}  // namespace equipoise
