#include "cpu/finite_rows.h"

#include <bit>
#include <string>

namespace equipoise {
namespace {

// The exponent's bits are all set in a NaN and an infinity alone.
template <typename T>
bool AllFinite(const T* values, std::size_t n, T exponent_bits) {
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < n; ++i)
    found |= (values[i] & exponent_bits) == exponent_bits ? 1u : 0u;
  return found == 0;
}

bool AllFinite(const float* values, std::size_t n) {
  std::uint32_t found = 0;
  for (std::size_t i = 0; i < n; ++i)
    found |= (std::bit_cast<std::uint32_t>(values[i]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  return found == 0;
}

}  // namespace

bool RowIsFinite(const VectorsView& rows, std::size_t i) {
  const void* row = rows.row(i);
  switch (rows.type) {
    case ElementType::kFloat32:
      return AllFinite(static_cast<const float*>(row), rows.cols);
    case ElementType::kFloat16:
      return AllFinite(static_cast<const std::uint16_t*>(row), rows.cols, std::uint16_t{0x7c00});
    case ElementType::kBFloat16:
      return AllFinite(static_cast<const std::uint16_t*>(row), rows.cols, std::uint16_t{0x7f80});
    case ElementType::kInt8:
      break;
  }
  return true;
}

Status BadRow(const char* name, std::size_t row) {
  return Status(Code::kInvalidArgument,
                std::string(name) + ": a value is NaN or infinite; remove or replace the row",
                {.row = static_cast<std::int64_t>(row), .field = name});
}

Status CheckFiniteRows(const VectorsView& rows, const char* name) {
  for (std::size_t i = 0; i < rows.rows; ++i)
    if (!RowIsFinite(rows, i)) return BadRow(name, i);
  return {};
}

}  // namespace equipoise
