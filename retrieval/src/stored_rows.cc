#include "stored_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/core/check.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/nibbles.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

Status StoredRows::Open(const CheckedFile& file) {
  EQUIPOISE_RETURN_IF_ERROR(file.VerifySection("info"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto infos, file.SectionOf<VectorsInfo>("info", 1));
  info = infos[0];
  if (info.metric > static_cast<std::uint32_t>(Metric::kInnerProduct) || info.dim > kMaxCodeDim ||
      info.rows > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()) ||
      (info.rows > 0 && info.dim == 0) || info.exponent < -kMaxExponent ||
      info.exponent > kMaxExponent || !(info.max_norm >= 0) || !std::isfinite(info.max_norm) ||
      info.storage > static_cast<std::uint32_t>(VectorStorage::kFloat32))
    return Status(Code::kCorruption, "says impossible things about its rows; build the index again",
                  {.file = file.path()});
  metric = static_cast<Metric>(info.metric);
  const auto storage = static_cast<VectorStorage>(info.storage);
  if (storage == VectorStorage::kInt8 || storage == VectorStorage::kInt4Int8) return {};
  return OpenRows(file);
}

Status StoredRows::OpenAll(const CheckedFile& file) {
  EQUIPOISE_RETURN_IF_ERROR(Open(file));
  return half.empty() && single.empty() ? OpenRows(file) : Status();
}

Status StoredRows::OpenRows(const CheckedFile& file) {
  const auto n = static_cast<std::size_t>(info.rows);
  if (static_cast<VectorStorage>(info.storage) == VectorStorage::kFloat32) {
    EQUIPOISE_ASSIGN_OR_RETURN(single, file.SectionOf<float>("rows", n * info.dim));
  } else {
    EQUIPOISE_ASSIGN_OR_RETURN(half, file.SectionOf<Float16>("rows", n * info.dim));
  }
  if (metric == Metric::kCosine) {
    EQUIPOISE_RETURN_IF_ERROR(file.VerifySection("norms"));
    EQUIPOISE_ASSIGN_OR_RETURN(inverse_norms, file.SectionOf<float>("norms", n));
  }
  return {};
}

Result<PreparedQuery> StoredRows::Prepare(const char* function,
                                          std::span<const float> query) const {
  if (query.size() != info.dim)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: query.size() = {} must equal the index's dimension {}", function,
                              query.size(), info.dim),
                  {.field = "query"});
  for (const float value : query) {
    if (!std::isfinite(value))
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: query holds a value that is NaN or infinite", function),
                    {.field = "query"});
  }
  PreparedQuery out;
  out.values.assign(query.begin(), query.end());
  out.walked = out.values;
  if (metric != Metric::kL2) {
    out.norm = Normalize(out.walked.data(), out.walked.size());
    out.zero = !(out.norm > 0);
  }
  if (metric == Metric::kCosine) {
    out.values = out.walked;
  } else if (metric == Metric::kL2 && info.exponent != 0) {
    for (float& value : out.values) value = std::ldexp(value, info.exponent);
  } else if (metric == Metric::kInnerProduct && !out.zero) {
    // Its products with rows stay within float; a power of two changes no digit.
    out.exponent = std::ilogb(out.norm);
    // In double no power of two is out of range.
    const double factor = std::ldexp(1.0, -out.exponent);
    for (float& value : out.values) value = static_cast<float>(value * factor);
  }
  if (scored_by_codes() && codes.dim > 0) out.codes.Set(codes, out.walked.data());
  return out;
}

float StoredRows::Score(const PreparedQuery& query, std::uint32_t row) const {
  const std::size_t d = info.dim;
  if (query.zero) return 0.0f;
  if (scored_by_codes()) {
    thread_local std::vector<std::uint8_t> unpacked;
    if (codes.codes == nullptr) unpacked.resize(d);
    const double distance = CodeDistance(codes, query.codes, row, unpacked.data());
    const double score = 0.0 - (distance + query.codes.offset) / query.codes.unit;
    return static_cast<float>(metric == Metric::kInnerProduct ? score * query.norm : score);
  }
  const float* values = query.values.data();
  const std::size_t at = std::size_t{row} * d;
  if (metric == Metric::kL2) {
    const double squared =
        half.empty() ? SquaredL2(values, &single[at], d) : SquaredL2F16(values, &half[at], d);
    return static_cast<float>(0.0 - std::ldexp(squared, -2 * info.exponent));
  }
  const float dot = half.empty() ? Dot(values, &single[at], d) : DotF16(values, &half[at], d);
  if (metric == Metric::kCosine) return dot * inverse_norms[row];
  return static_cast<float>(std::ldexp(double{dot}, query.exponent - info.exponent));
}

std::uint64_t StoredRows::row_bytes() const {
  if (!half.empty()) return std::uint64_t{info.dim} * sizeof(Float16);
  if (!single.empty()) return std::uint64_t{info.dim} * sizeof(float);
  return info.dim;
}

void StoredRows::Prefetch(std::uint32_t row) const {
  constexpr std::size_t kLine = 64;
  const std::uint64_t bytes = row_bytes();
  const std::byte* at = nullptr;
  if (!half.empty()) {
    at = reinterpret_cast<const std::byte*>(half.data());
  } else if (!single.empty()) {
    at = reinterpret_cast<const std::byte*>(single.data());
  } else {
    return;  // the walk has just read them
  }
  for (std::size_t line = 0; line < bytes; line += kLine)
    __builtin_prefetch(at + row * bytes + line);
}

void StoredRows::ReadCodes(std::uint32_t row, float* to) const {
  if (codes.dim == 0) {
    std::fill_n(to, info.dim, 0.0f);
    return;
  }
  std::vector<std::uint8_t> unpacked(codes.codes == nullptr ? codes.dim : 0);
  DequantizeI8(WholeCodes(codes, row, unpacked.data()), codes.dim, codes.scale, to);
}

void StoredRows::Read(std::uint32_t row, float* to) const {
  const std::size_t d = info.dim;
  const std::size_t at = std::size_t{row} * d;
  if (scored_by_codes()) {
    ReadCodes(row, to);
    return;
  }
  if (half.empty()) {
    std::copy_n(&single[at], d, to);
  } else {
    HalfToFloat(&half[at], to, d);
  }
  if (metric == Metric::kCosine) {
    for (std::size_t j = 0; j < d; ++j) to[j] *= inverse_norms[row];
  } else if (info.exponent != 0) {
    // The largest float16 rounds up, maybe beyond the largest float32.
    constexpr float kMost = std::numeric_limits<float>::max();
    for (std::size_t j = 0; j < d; ++j)
      to[j] = std::clamp(std::ldexp(to[j], -info.exponent), -kMost, kMost);
  }
}

}  // namespace equipoise
