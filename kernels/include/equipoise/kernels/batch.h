/// Row by row over a whole batch: softmax, unit length, number formats; over threads, or on a GPU where
/// that is asked for. For one row see rows.h and quantize.h.
///
/// The data lies in the program's own memory, and bringing it to a GPU and back costs more than the
/// work: Backend::kAuto computes on the CPU. On a GPU that fails the CPU answers (options.log is told).
#pragma once

#include <cstddef>
#include <span>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise {

/// Softmax of every row, in place.
/// Shapes   rows [m, n] row-major
/// Range    m, n >= 1; inverse_temperature >= 0 and finite
/// Errors   kInvalidArgument: a size or option out of range, a NaN (row named); kDevice: backend kCuda
///          where no GPU can be used
/// Exact    as Softmax; on a GPU up to the rounding of exp and of the sum
EQUIPOISE_API Status SoftmaxRows(std::span<float> rows, std::size_t m, std::size_t n,
                                 float inverse_temperature, const SimilarityOptions& options = {});

/// Every row to unit length, in place; zero rows stay zero.
/// Shapes   rows [m, d] row-major
/// Errors   as SoftmaxRows; an infinity is refused too
/// Exact    as Normalize
EQUIPOISE_API Status NormalizeRows(std::span<float> rows, std::size_t m, std::size_t d,
                                   const SimilarityOptions& options = {});

/// float32 to float16, bfloat16 or codes.
/// Shapes   from [n]; to [n] of the type
/// Range    type: not kFloat32; scale as QuantizeI8, of codes alone
/// Errors   kInvalidArgument: sizes differ, the type, the scale; kDevice as above
/// Exact    the same bits as FloatToHalf, FloatToBFloat and QuantizeI8, on a GPU too
EQUIPOISE_API Status Quantize(std::span<const float> from, ElementType type, CodeScale scale,
                              std::span<std::byte> to, const SimilarityOptions& options = {});

/// Rows of any type as float32.
/// Shapes   to [rows.rows, rows.cols] dense
/// Errors   kInvalidArgument: to.size() is another, the scale
EQUIPOISE_API Status Dequantize(VectorsView rows, std::span<float> to);

}  // namespace equipoise
