#include <equipoise/kernels/dot.h>

#include "cpu/dispatch.h"

namespace equipoise {
namespace {

// A struct of 16 bits starts with its bits; the pointer may be null where there are none.
const std::uint16_t* Bits(const Float16* row) {
  return reinterpret_cast<const std::uint16_t*>(row);
}

}  // namespace

float Dot(const float* a, const float* b, std::size_t d) {
  return DefaultKernels().dot_f32(a, b, d);
}

float SquaredL2(const float* a, const float* b, std::size_t d) {
  return DefaultKernels().l2_f32(a, b, d);
}

float DotF16(const float* query, const Float16* row, std::size_t d) {
  return DefaultKernels().dot_f16(query, Bits(row), d);
}

float SquaredL2F16(const float* query, const Float16* row, std::size_t d) {
  return DefaultKernels().l2_f16(query, Bits(row), d);
}

std::int32_t DotI8(const std::uint8_t* codes, const std::int8_t* query, std::size_t d) {
  return DefaultKernels().dot_i8(codes, query, d);
}

std::int32_t SquaredL2I8(const std::uint8_t* a, const std::uint8_t* b, std::size_t d) {
  return DefaultKernels().l2_i8(a, b, d);
}

}  // namespace equipoise
