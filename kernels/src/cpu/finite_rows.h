// Refusing NaN and infinities, with the row that holds one.
#pragma once

#include <cstddef>

#include <equipoise/core/status.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

/// Whether every value of the row is a finite number; codes always are.
bool RowIsFinite(const VectorsView& rows, std::size_t i);

/// The error that names a row that is not.
Status BadRow(const char* name, std::size_t row);

/// Errors   kInvalidArgument: the first row that is not finite, `name` being the field
Status CheckFiniteRows(const VectorsView& rows, const char* name);

}  // namespace equipoise
