/// Rows of vectors in any of the element types that retrieval stores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise {

enum class ElementType : std::uint8_t {
  kFloat32 = 0,
  kFloat16 = 1,   ///< IEEE 754 binary16
  kBFloat16 = 2,  ///< the upper half of a float32
  kInt8 = 3,      ///< codes as QuantizeI8 makes them: value = (code − 128) / scale + center
};

/// "float32", "float16", "bfloat16" or "int8".
EQUIPOISE_API std::string_view ElementTypeName(ElementType type);

/// Bytes of one element.
constexpr std::size_t ElementBytes(ElementType type) {
  return type == ElementType::kFloat32 ? 4 : type == ElementType::kInt8 ? 1 : 2;
}

/// n × d, row-major, rows `stride` elements apart, of a type that is known at run time. Owns nothing.
/// Made implicitly from a MatrixView, so that functions take either.
struct VectorsView {
  const void* data = nullptr;
  ElementType type = ElementType::kFloat32;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  ///< elements between the starts of two rows; >= cols
  CodeScale scale{};       ///< of kInt8

  VectorsView() = default;
  VectorsView(MatrixView<float> view)  // NOLINT: implicit on purpose
      : VectorsView(view.data, ElementType::kFloat32, view.rows, view.cols, view.stride) {}
  VectorsView(MatrixView<Float16> view)  // NOLINT: implicit on purpose
      : VectorsView(view.data, ElementType::kFloat16, view.rows, view.cols, view.stride) {}
  VectorsView(MatrixView<BFloat16> view)  // NOLINT: implicit on purpose
      : VectorsView(view.data, ElementType::kBFloat16, view.rows, view.cols, view.stride) {}
  VectorsView(MatrixView<std::uint8_t> codes, CodeScale code_scale)
      : VectorsView(codes.data, ElementType::kInt8, codes.rows, codes.cols, codes.stride) {
    scale = code_scale;
  }
  VectorsView(EmbeddingsView view)  // NOLINT: implicit on purpose
      : VectorsView(view.is_f16() ? VectorsView(view.f16) : VectorsView(view.f32)) {}

  const void* row(std::size_t i) const {
    return static_cast<const std::byte*>(data) + i * stride * ElementBytes(type);
  }
  /// Rows [first, first + count).
  VectorsView Slice(std::size_t first, std::size_t count) const {
    VectorsView out = *this;
    out.data = row(first);
    out.rows = count;
    return out;
  }

 private:
  VectorsView(const void* pointer, ElementType element, std::size_t n, std::size_t d,
              std::size_t row_stride)
      : data(pointer), type(element), rows(n), cols(d), stride(row_stride) {}
};

}  // namespace equipoise
