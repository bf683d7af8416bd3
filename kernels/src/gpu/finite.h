// Queries are looked through before they leave for the device: a NaN there would only lose its row.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include <equipoise/core/status.h>
#include <equipoise/kernels/vectors.h>

namespace equipoise {

/// The first row that holds a NaN or an infinity, or rows. Codes hold none.
inline std::size_t FirstNonFiniteRow(const VectorsView& view) {
  if (view.type == ElementType::kInt8) return view.rows;
  for (std::size_t i = 0; i < view.rows; ++i) {
    // An exponent of ones. Without a branch inside, so that the loops vectorize.
    unsigned found = 0;
    if (view.type == ElementType::kFloat32) {
      const auto* row = static_cast<const float*>(view.row(i));
      for (std::size_t j = 0; j < view.cols; ++j) {
        std::uint32_t bits;
        std::memcpy(&bits, row + j, sizeof(bits));
        found |= (bits & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
      }
    } else {
      const std::uint16_t ones = view.type == ElementType::kFloat16 ? 0x7c00 : 0x7f80;
      const auto* row = static_cast<const unsigned char*>(view.row(i));
      for (std::size_t j = 0; j < view.cols; ++j) {
        std::uint16_t bits;
        std::memcpy(&bits, row + 2 * j, sizeof(bits));
        found |= (bits & ones) == ones ? 1u : 0u;
      }
    }
    if (found != 0) return i;
  }
  return view.rows;
}

inline Status CheckFinite(const char* function, const VectorsView& queries) {
  const std::size_t row = FirstNonFiniteRow(queries);
  if (row == queries.rows) return {};
  return Status(Code::kInvalidArgument,
                std::string(function) + ": a query holds a NaN or an infinity",
                {.row = static_cast<std::int64_t>(row), .field = "queries"});
}

}  // namespace equipoise
