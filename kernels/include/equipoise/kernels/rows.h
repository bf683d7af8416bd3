/// Operations on single rows: norm, unit length, softmax.
#pragma once

#include <cstddef>

#include <equipoise/core/export.h>

namespace equipoise {

/// Euclidean norm, added in double: no overflow or underflow for any finite input.
/// Shapes   a [d]
EQUIPOISE_API double Norm(const float* a, std::size_t d);

/// Scales a row to unit length in place and returns the norm it had; a zero row stays zero.
/// Shapes   row [d], finite
/// Exact    the result's norm is 1 within 1e-6; the smallest and the largest float32 included
EQUIPOISE_API double Normalize(float* row, std::size_t d);

/// Replaces scores by probabilities: p_i = exp(s_i · inverse_temperature) / Σ_j exp(...).
/// Shapes   row [n]
/// Range    inverse_temperature >= 0 and finite (0: all alike); n = 0 does nothing; scores of ±1e38 do
///          not overflow; an infinity among the scores takes all the mass, −infinity gets 0; no NaN
/// Exact    relative error of a probability p <= 1e-6 + 1.2e-7 |ln p|, down to p = 1e-30; sums to 1
///          within 1e-5
EQUIPOISE_API void Softmax(float* row, std::size_t n, float inverse_temperature);

}  // namespace equipoise
