#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>
#include <system_error>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_builder.h"
#include "vector_files.h"

namespace equipoise {
namespace {

// Rows that the scale is taken from, evenly spaced.
constexpr std::size_t kSampleRows = 4096;
constexpr std::size_t kBatchRows = 4096;

Status CheckOptions(const EmbeddingsView& rows, const VectorIndexOptions& options) {
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.m, 2, 256);
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.ef_construction, 8, 4096);
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.threads, 1, 1024);
  if (options.metric != Metric::kCosine && options.metric != Metric::kL2)
    return Status(Code::kInvalidArgument, "BuildVectorIndex: no such metric; cosine or l2",
                  {.field = "options.metric"});
  const std::size_t max_rows = std::numeric_limits<std::int32_t>::max();
  if (rows.rows() > max_rows)
    return Status(
        Code::kInvalidArgument,
        fmt::format("BuildVectorIndex: rows.rows() = {} is more than {}", rows.rows(), max_rows),
        {.field = "rows"});
  const std::size_t least_cols = rows.rows() > 0 ? 1 : 0;
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", rows.cols(), least_cols, kMaxCodeDim);
  return {};
}

Status Cancelled() { return Status(Code::kCancelled, "building the vector index was cancelled"); }

// l2, float32: the power of two that brings the largest value close below the largest float16.
std::int32_t ExponentFor(const MatrixView<float>& rows) {
  float largest = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (const float value : rows.row_span(i)) largest = std::max(largest, std::fabs(value));
  }
  return largest > 0 ? 14 - std::ilogb(largest) : 0;
}

// One row as it is stored, and its norm.
struct StoredRow {
  std::vector<float> values;
  std::vector<Float16> half;
  double norm = 0;

  explicit StoredRow(std::size_t d) : values(d), half(d) {}

  void Set(const EmbeddingsView& rows, std::size_t i, Metric metric, std::int32_t exponent) {
    const std::size_t d = values.size();
    if (rows.is_f16()) {
      std::copy_n(rows.f16.row(i), d, half.data());
    } else {
      const float* row = rows.f32.row(i);
      if (metric == Metric::kCosine) {
        std::copy_n(row, d, values.data());
        Normalize(values.data(), d);
      } else {
        for (std::size_t j = 0; j < d; ++j) values[j] = std::ldexp(row[j], exponent);
      }
      FloatToHalf(values.data(), half.data(), d);
    }
    HalfToFloat(half.data(), values.data(), d);
    norm = Norm(values.data(), d);
  }
};

Status WriteVectors(const EmbeddingsView& rows, const VectorIndexOptions& options,
                    const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kVectorsKind, kVectorFilesVersion));
  const std::size_t n = rows.rows();
  const std::size_t d = rows.cols();
  VectorsInfo info;
  info.rows = n;
  info.dim = static_cast<std::uint32_t>(d);
  info.metric = static_cast<std::uint32_t>(options.metric);
  const bool cosine = options.metric == Metric::kCosine;
  if (!cosine && !rows.is_f16()) info.exponent = ExponentFor(rows.f32);

  std::vector<float> inverse_norms;
  if (cosine) inverse_norms.reserve(n);
  double max_norm = 0;
  StoredRow stored(d);
  EQUIPOISE_RETURN_IF_ERROR(writer.BeginSection("rows"));
  for (std::size_t i = 0; i < n; ++i) {
    if (i % std::max(kBatchRows, n / 100) == 0 && options.progress &&
        !options.progress({"vectors", i, n}))
      return Cancelled();
    stored.Set(rows, i, options.metric, info.exponent);
    EQUIPOISE_RETURN_IF_ERROR(writer.AppendArray<Float16>(stored.half));
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

// `read_row(i, to)` gives row i as it is to be encoded.
template <typename ReadRow>
CodeScale ScaleFor(Metric metric, std::size_t n, std::size_t d, const ReadRow& read_row) {
  const std::size_t sampled = std::min(n, kSampleRows);
  std::vector<float> row(d), least(sampled), largest(sampled);
  for (std::size_t i = 0; i < sampled; ++i) {
    read_row(i * n / sampled, row.data());
    const auto [low, high] = std::minmax_element(row.begin(), row.end());
    least[i] = *low;
    largest[i] = metric == Metric::kL2 ? *high : std::max(std::fabs(*low), std::fabs(*high));
  }
  return metric == Metric::kL2 ? CenteredCodeScale(least, largest) : SymmetricCodeScale(largest);
}

Status WriteGraph(const VectorIndexOptions& options, const std::string& vectors_path,
                  const std::string& path) {
  // What is encoded is what was stored, so that walk and rescoring speak of the same vectors.
  EQUIPOISE_ASSIGN_OR_RETURN(const auto vectors,
                             CheckedFile::Open(vectors_path, kVectorsKind, kVectorFilesVersion));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto infos, vectors.SectionOf<VectorsInfo>("info", 1));
  const auto n = static_cast<std::size_t>(infos[0].rows);
  const std::size_t d = infos[0].dim;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto rows, vectors.SectionOf<Float16>("rows", n * d));
  std::span<const float> norms;
  if (options.metric == Metric::kCosine) {
    EQUIPOISE_ASSIGN_OR_RETURN(norms, vectors.SectionOf<float>("norms", n));
  }
  const auto read_row = [&](std::size_t i, float* to) {
    HalfToFloat(rows.data() + i * d, to, d);
    if (!norms.empty()) {
      for (std::size_t j = 0; j < d; ++j) to[j] *= norms[i];
    } else if (infos[0].exponent != 0) {
      for (std::size_t j = 0; j < d; ++j) to[j] = std::ldexp(to[j], -infos[0].exponent);
    }
  };

  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kGraphKind, kVectorFilesVersion));
  GraphInfo info;
  info.vectors_checksum = vectors.checksum();
  info.rows = n;
  info.dim = static_cast<std::uint32_t>(d);
  info.metric = infos[0].metric;
  info.has_graph = n > 0 && n >= options.exact_below ? 1 : 0;
  if (info.has_graph != 0) {
    const CodeScale scale = ScaleFor(options.metric, n, d, read_row);
    info.m = options.m;
    info.ef_construction = options.ef_construction;
    info.seed = options.seed;
    info.code_scale = scale.scale;
    info.code_center = scale.center;
    const std::string version = FaissVersion();
    std::memcpy(info.faiss_version, version.data(),
                std::min(version.size(), sizeof(info.faiss_version) - 1));
    const auto read = [&](std::size_t begin, std::size_t end, float* to) {
      for (std::size_t i = begin; i < end; ++i) read_row(i, to + (i - begin) * d);
    };
    EQUIPOISE_RETURN_IF_ERROR(writer.BeginSection("faiss"));
    std::vector<Copy> copies;
    EQUIPOISE_RETURN_IF_ERROR(BuildHnsw(n, d, scale, read, options, &writer, &copies));
    EQUIPOISE_RETURN_IF_ERROR(writer.Section<Copy>("copies", copies));
  }
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<GraphInfo>("info", std::span(&info, 1)));
  return writer.Finish();
}

}  // namespace

Status BuildVectorIndex(const EmbeddingsView& rows, const VectorIndexOptions& options,
                        const std::string& vectors_path, const std::string& graph_path) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(rows, options));
  EQUIPOISE_RETURN_IF_ERROR(CheckFinite(rows, ""));
  bool vectors_written = false;
  Status status;
  try {
    status = WriteVectors(rows, options, vectors_path);
    vectors_written = status.ok();
    if (vectors_written) status = WriteGraph(options, vectors_path, graph_path);
  } catch (const std::bad_alloc&) {
    status = Status(Code::kOutOfMemory, "not enough memory to build the vector index");
  }
  if (vectors_written && !status.ok()) {
    std::error_code ignored;
    std::filesystem::remove(vectors_path, ignored);
  }
  return status;
}

}  // namespace equipoise
