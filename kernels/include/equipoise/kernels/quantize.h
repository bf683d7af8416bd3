/// Between number formats: float32, float16, 8-bit codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>

namespace equipoise {

/// float32 to float16, round to nearest, ties to even.
/// Shapes   from, to [n]
/// Range    beyond ±65,519.99 becomes an infinity; below 2⁻²⁵ becomes zero; NaN stays NaN
/// Threads  safe from many threads
/// Exact    as IEEE 754 says, subnormals included
/// Source   idea: F. Giesen, "float->half variants", 2012; kernels_test checks every float16 and
///          every halfway point between two of them
EQUIPOISE_API void FloatToHalf(const float* from, Float16* to, std::size_t n);

/// float16 to float32, without loss.
/// Shapes   from, to [n]
/// Exact    exact, subnormals included, whatever the processor's flush-to-zero mode
EQUIPOISE_API void HalfToFloat(const Float16* from, float* to, std::size_t n);

/// float32 to bfloat16, round to nearest, ties to even.
/// Shapes   from, to [n]
/// Range    beyond the largest bfloat16 becomes an infinity; NaN stays NaN
EQUIPOISE_API void FloatToBFloat(const float* from, BFloat16* to, std::size_t n);

/// bfloat16 to float32, without loss.
EQUIPOISE_API void BFloatToFloat(const BFloat16* from, float* to, std::size_t n);

/// How float32 values become 8-bit codes: code = round(scale · (x − center)) + 128, clamped to
/// [0, 255]. One scale for all dimensions, so that integer products of codes rank as products of
/// vectors do. This is FAISS's QT_8bit_uniform with
/// trained = {center − 128.5 / scale, 255 / scale}.
struct CodeScale {
  float scale = 1;
  float center = 0;
};

/// Codes of n values.
/// Shapes   from, codes [n]
/// Range    scale > 0 and finite; ties between two codes round up; NaN gives 0
/// Exact    as the formula, one float32 multiplication and addition
EQUIPOISE_API void QuantizeI8(const float* from, std::size_t n, CodeScale scale,
                              std::uint8_t* codes);

/// The values that codes stand for: (code − 128) / scale + center.
/// Shapes   codes, to [n]
/// Range    scale > 0 and finite
/// Exact    |to − x| <= 0.5 / scale (1 + 1e-5) for an x that was not clamped
EQUIPOISE_API void DequantizeI8(const std::uint8_t* codes, std::size_t n, CodeScale scale,
                                float* to);

/// A scale around zero: the 0.99 quantile of the rows' largest |x| becomes 127, and what is larger
/// is clamped, so that an outlier among the rows cannot cost all others their bits, while a
/// dimension that is large in every row keeps its range.
/// Shapes   largest [rows of a sample]: for each row its max |x|; reordered
/// Range    an empty sample or one of zeros gives scale 1
EQUIPOISE_API CodeScale SymmetricCodeScale(std::span<float> largest);

/// A scale for values that need not lie around zero (distances do not change with the center): the
/// codes 0 to 255 span from the 0.01 quantile of the rows' least x to the 0.99 quantile of their
/// largest x.
/// Shapes   least, largest [rows of a sample]: for each row its min and max x; reordered
/// Range    a constant sample gives that constant as center, and codes that reach four times as far to
///          either side, where queries may lie; one of zeros scale 1
EQUIPOISE_API CodeScale CenteredCodeScale(std::span<float> least, std::span<float> largest);

}  // namespace equipoise
