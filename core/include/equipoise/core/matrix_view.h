/// Row-major matrices that somebody else owns: how vectors go into the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace equipoise {

/// n × d, row-major, rows `stride` elements apart. The view owns nothing and must not outlive the
/// memory it points to; the library keeps no pointer past a call unless the header says so.
template <typename T>
struct MatrixView {
  const T* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;  ///< elements between the starts of two rows; >= cols

  MatrixView() = default;
  MatrixView(const T* pointer, std::size_t n, std::size_t d)
      : data(pointer), rows(n), cols(d), stride(d) {}
  MatrixView(const T* pointer, std::size_t n, std::size_t d, std::size_t row_stride)
      : data(pointer), rows(n), cols(d), stride(row_stride) {}

  const T* row(std::size_t i) const { return data + i * stride; }
  std::span<const T> row_span(std::size_t i) const { return {row(i), cols}; }
  bool empty() const { return rows == 0 || cols == 0; }
};

/// An IEEE 754 binary16 number as stored; kernels/quantize.h converts.
struct Float16 {
  std::uint16_t bits = 0;
};

/// A bfloat16 number as stored: the upper 16 bits of a float32; kernels/quantize.h converts.
struct BFloat16 {
  std::uint16_t bits = 0;
};

/// Embeddings in one of the two element types that files hold: exactly one of the views is used.
struct EmbeddingsView {
  MatrixView<float> f32;
  MatrixView<Float16> f16;

  EmbeddingsView() = default;
  EmbeddingsView(MatrixView<float> view) : f32(view) {}    // NOLINT: implicit on purpose
  EmbeddingsView(MatrixView<Float16> view) : f16(view) {}  // NOLINT: implicit on purpose

  bool is_f16() const { return f16.data != nullptr; }
  std::size_t rows() const { return is_f16() ? f16.rows : f32.rows; }
  std::size_t cols() const { return is_f16() ? f16.cols : f32.cols; }
  bool empty() const { return rows() == 0; }
};

}  // namespace equipoise
