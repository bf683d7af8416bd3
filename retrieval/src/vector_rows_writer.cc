#include "vector_rows_writer.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>

namespace equipoise {
namespace {

constexpr std::size_t kBatchRows = 4096;

float LargestSize(const EmbeddingsView& rows) {
  std::vector<float> values(rows.cols());
  float largest = 0;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const float* row = values.data();
    if (rows.is_f16()) {
      HalfToFloat(rows.f16.row(i), values.data(), values.size());
    } else {
      row = rows.f32.row(i);
    }
    for (std::size_t j = 0; j < values.size(); ++j) largest = std::max(largest, std::fabs(row[j]));
  }
  return largest;
}

// The power of two that brings the largest value close below the largest float16.
std::int32_t ExponentFor(double largest) { return 14 - std::ilogb(largest); }

// The power of two that all rows are multiplied by, of the larger values where there are two kinds.
std::int32_t CommonExponent(const StoredRows* before, const EmbeddingsView& rows,
                            const VectorIndexOptions& options) {
  if (options.metric == Metric::kCosine) return 0;
  const bool f32 = KeepsFloat32(options.storage);
  const auto wanted = [&](double largest) {
    const std::int32_t exponent = ExponentFor(largest);
    // float32 rows stay as they are, unless their products would not be floats.
    return f32 && !IsExtreme(std::ldexp(1.0, 14 - exponent)) ? 0 : exponent;
  };
  const double largest = LargestSize(rows);
  if (before == nullptr || !(before->info.max_norm > 0))
    return largest > 0 && !rows.is_f16() ? wanted(largest) : 0;
  std::int32_t kept = before->info.exponent;
  if (before->scored_by_codes()) {
    const CodeScale scale = before->codes.scale;
    kept = wanted(128.0 / scale.scale + std::fabs(scale.center));
  }
  if (!(largest > 0)) return kept;
  // float16 rows fit as they are.
  return std::min(kept, rows.is_f16() ? std::max(0, wanted(largest)) : wanted(largest));
}

// One row as it is stored, and its norm.
struct StoredRow {
  std::vector<float> values;
  std::vector<Float16> half;
  double norm = 0;

  explicit StoredRow(std::size_t d) : values(d), half(d), unpacked_(d) {}

  void Set(const EmbeddingsView& rows, std::size_t i, const VectorIndexOptions& options,
           std::int32_t exponent) {
    const std::size_t d = values.size();
    if (rows.is_f16()) {
      HalfToFloat(rows.f16.row(i), values.data(), d);
      if (exponent == 0) return SetHalf(rows.f16.row(i));
    } else {
      std::copy_n(rows.f32.row(i), d, values.data());
    }
    Store(options, exponent);
  }

  void SetStored(const StoredRows& rows, std::uint32_t row, const VectorIndexOptions& options,
                 std::int32_t exponent) {
    const std::size_t d = values.size();
    const std::size_t at = std::size_t{row} * d;
    if (rows.scored_by_codes()) {
      DequantizeI8(WholeCodes(rows.codes, row, unpacked_.data()), d, rows.codes.scale,
                   values.data());
      return Store(options, exponent);
    }
    const int shift = exponent - rows.info.exponent;
    if (!rows.half.empty()) {
      if (shift == 0) return SetHalf(&rows.half[at]);
      HalfToFloat(&rows.half[at], values.data(), d);
    } else {
      std::copy_n(&rows.single[at], d, values.data());
    }
    for (float& value : values) value = std::ldexp(value, shift);
    Round(options);
  }

 private:
  void SetHalf(const Float16* from) {
    std::copy_n(from, half.size(), half.data());
    HalfToFloat(from, values.data(), values.size());
    norm = Norm(values.data(), values.size());
  }
  // Values as they were given.
  void Store(const VectorIndexOptions& options, std::int32_t exponent) {
    const std::size_t d = values.size();
    if (options.metric == Metric::kCosine) {
      if (!KeepsFloat32(options.storage)) {
        Normalize(values.data(), d);
      } else if (const double size = Norm(values.data(), d); size > 0 && IsExtreme(size)) {
        for (float& value : values) value = std::ldexp(value, -std::ilogb(size));
      }
    } else if (exponent != 0) {
      for (float& value : values) value = std::ldexp(value, exponent);
    }
    Round(options);
  }
  void Round(const VectorIndexOptions& options) {
    if (!KeepsFloat32(options.storage)) {
      FloatToHalf(values.data(), half.data(), values.size());
      HalfToFloat(half.data(), values.data(), values.size());
    }
    norm = Norm(values.data(), values.size());
  }

  std::vector<std::uint8_t> unpacked_;
};

}  // namespace

Status WriteVectors(const StoredRows* before, const EmbeddingsView& rows,
                    const VectorIndexOptions& options, const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kVectorsKind, kVectorFilesVersion));
  const std::size_t old = before != nullptr ? static_cast<std::size_t>(before->info.rows) : 0;
  const std::size_t n = old + rows.rows();
  const std::size_t d = rows.cols();
  VectorsInfo info;
  info.rows = n;
  info.dim = static_cast<std::uint32_t>(d);
  info.metric = static_cast<std::uint32_t>(options.metric);
  info.storage = static_cast<std::uint32_t>(options.storage);
  info.exponent = CommonExponent(before, rows, options);
  const bool cosine = options.metric == Metric::kCosine;
  const bool f32 = KeepsFloat32(options.storage);

  std::vector<float> inverse_norms;
  if (cosine) inverse_norms.reserve(n);
  double max_norm = 0;
  StoredRow stored(d);
  EQUIPOISE_RETURN_IF_ERROR(writer.BeginSection("rows"));
  for (std::size_t i = 0; i < n; ++i) {
    if (i % std::max(kBatchRows, n / 100) == 0 && options.progress &&
        !options.progress({"vectors", i, n}))
      return Status(Code::kCancelled, "building the vector index was cancelled");
    if (i < old) {
      stored.SetStored(*before, static_cast<std::uint32_t>(i), options, info.exponent);
    } else {
      stored.Set(rows, i - old, options, info.exponent);
    }
    if (f32) {
      EQUIPOISE_RETURN_IF_ERROR(writer.AppendArray<float>(stored.values));
    } else {
      EQUIPOISE_RETURN_IF_ERROR(writer.AppendArray<Float16>(stored.half));
    }
    const double norm = stored.norm;
    if (cosine) inverse_norms.push_back(norm > 0 ? static_cast<float>(1 / norm) : 0.0f);
    max_norm = std::max(max_norm, cosine ? (norm > 0 ? 1.0 : 0.0) : norm);
  }
  // The norm of finite rows can lie beyond float.
  info.max_norm = static_cast<float>(
      std::min<double>(std::ldexp(max_norm, -info.exponent), std::numeric_limits<float>::max()));
  if (cosine) EQUIPOISE_RETURN_IF_ERROR(writer.Section<float>("norms", inverse_norms));
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<VectorsInfo>("info", std::span(&info, 1)));
  return writer.Finish();
}

Status DropRows(VectorsInfo info, const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kVectorsKind, kVectorFilesVersion));
  info.exponent = 0;
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<VectorsInfo>("info", std::span(&info, 1)));
  return writer.Finish();
}

}  // namespace equipoise
