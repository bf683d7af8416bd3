// Operations on a row by a given table of kernels: rows.h and batch.h.
#pragma once

#include <cstddef>

#include <equipoise/kernels/vectors.h>

#include "cpu/kernel_table.h"

namespace equipoise {

/// Softmax of rows.h.
void SoftmaxRow(const KernelTable& kernels, float* row, std::size_t n, float inverse_temperature);
/// Normalize of rows.h.
double NormalizeRow(const KernelTable& kernels, float* row, std::size_t d);
/// Rows as float32.
/// Shapes   to [rows.rows, rows.cols] dense; not for codes
void ToFloats(const KernelTable& kernels, const VectorsView& rows, float* to);

}  // namespace equipoise
