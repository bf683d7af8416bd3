#include "vector_index_build.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/nibbles.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_builder.h"
#include "hnsw_holdout.h"
#include "hnsw_links.h"
#include "huge_pages.h"
#include "link_groups.h"
#include "recall_calibration.h"
#include "stored_rows.h"
#include "vector_files.h"

namespace equipoise {
namespace {

// Rows that the scale is taken from, evenly spaced.
constexpr std::size_t kSampleRows = 4096;
constexpr std::size_t kCenterRows = 20'000;
constexpr std::size_t kBatchRows = 4096;
// Fewer rows are scored one by one: codes and sketches would save nothing.
constexpr std::size_t kCodedRows = 256;

Status CheckOptions(const EmbeddingsView& rows, const VectorIndexOptions& options) {
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.m, 2, 256);
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.ef_construction, 8, 4096);
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.threads, 1, 1024);
  EQUIPOISE_CHECK_RANGE("BuildVectorIndex", options.target_recall, 0.5f, 0.999f);
  if (options.metric > Metric::kInnerProduct)
    return Status(Code::kInvalidArgument, "BuildVectorIndex: no such metric; cosine, l2 or ip",
                  {.field = "options.metric"});
  if (options.storage > VectorStorage::kFloat32)
    return Status(Code::kInvalidArgument,
                  "BuildVectorIndex: no such storage; int8+float16, inline, int8, int4+int8 or "
                  "float32",
                  {.field = "options.storage"});
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

// The power of two that brings the largest value close below the largest float16.
std::int32_t ExponentFor(const MatrixView<float>& rows) {
  float largest = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (const float value : rows.row_span(i)) largest = std::max(largest, std::fabs(value));
  }
  return largest > 0 ? 14 - std::ilogb(largest) : 0;
}

bool KeepsFloat32(VectorStorage storage) { return storage == VectorStorage::kFloat32; }
bool KeepsCodesOnly(VectorStorage storage) {
  return storage == VectorStorage::kInt8 || storage == VectorStorage::kInt4Int8;
}

// So large or small that squares and reciprocals come near the ends of float32.
bool IsExtreme(double size) { return size < 1e-15 || size > 1e15; }

// One row as it is stored, and its norm.
struct StoredRow {
  std::vector<float> values;
  std::vector<Float16> half;
  double norm = 0;

  explicit StoredRow(std::size_t d) : values(d), half(d) {}

  void Set(const EmbeddingsView& rows, std::size_t i, const VectorIndexOptions& options,
           std::int32_t exponent) {
    const std::size_t d = values.size();
    if (rows.is_f16()) {
      std::copy_n(rows.f16.row(i), d, half.data());
      HalfToFloat(half.data(), values.data(), d);
    } else {
      const float* row = rows.f32.row(i);
      std::copy_n(row, d, values.data());
      const bool f32 = KeepsFloat32(options.storage);
      if (options.metric == Metric::kCosine) {
        if (!f32) {
          Normalize(values.data(), d);
        } else if (const double size = Norm(row, d); size > 0 && IsExtreme(size)) {
          for (float& value : values) value = std::ldexp(value, -std::ilogb(size));
        }
      } else if (exponent != 0) {
        for (float& value : values) value = std::ldexp(value, exponent);
      }
      if (!f32) {
        FloatToHalf(values.data(), half.data(), d);
        HalfToFloat(half.data(), values.data(), d);
      }
    }
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
  info.storage = static_cast<std::uint32_t>(options.storage);
  const bool cosine = options.metric == Metric::kCosine;
  const bool f32 = KeepsFloat32(options.storage);
  if (!cosine && !rows.is_f16()) {
    info.exponent = ExponentFor(rows.f32);
    // float32 rows stay as they are, unless their products would not be floats.
    if (f32 && !IsExtreme(std::ldexp(1.0, 14 - info.exponent))) info.exponent = 0;
  }

  std::vector<float> inverse_norms;
  if (cosine) inverse_norms.reserve(n);
  double max_norm = 0;
  StoredRow stored(d);
  EQUIPOISE_RETURN_IF_ERROR(writer.BeginSection("rows"));
  for (std::size_t i = 0; i < n; ++i) {
    if (i % std::max(kBatchRows, n / 100) == 0 && options.progress &&
        !options.progress({"vectors", i, n}))
      return Cancelled();
    stored.Set(rows, i, options, info.exponent);
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

// Where codes are all that is kept, the file of rows holds their description alone.
Status DropRows(VectorsInfo info, const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kVectorsKind, kVectorFilesVersion));
  info.exponent = 0;
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<VectorsInfo>("info", std::span(&info, 1)));
  return writer.Finish();
}

CodeScale ScaleFor(const StoredRows& rows) {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t sampled = std::min(n, kSampleRows);
  const bool l2 = rows.metric == Metric::kL2;
  std::vector<float> row(rows.info.dim), least(sampled), largest(sampled);
  for (std::size_t i = 0; i < sampled; ++i) {
    rows.Read(static_cast<std::uint32_t>(i * n / sampled), row.data());
    const auto [low, high] = std::minmax_element(row.begin(), row.end());
    least[i] = *low;
    largest[i] = l2 ? *high : std::max(std::fabs(*low), std::fabs(*high));
  }
  if (l2) return CenteredCodeScale(least, largest);
  CodeScale out = SymmetricCodeScale(largest);
  if (rows.metric == Metric::kInnerProduct) {
    // The longest rows, which would be clamped, are what is looked for: half the precision of the
    // others, at most, goes to them.
    const float most = *std::max_element(largest.begin(), largest.end());
    if (most * out.scale > 127.0f) out.scale = std::max(out.scale / 2, 127.0f / most);
  }
  return out;
}

// Calls body(row, values) for every row as it is to be encoded.
template <typename Body>
void ForEachRow(const StoredRows& rows, int threads, const Body& body) {
  ParallelFor(static_cast<std::size_t>(rows.info.rows), threads,
              [&](std::size_t begin, std::size_t end, int) {
                std::vector<float> values(rows.info.dim);
                for (std::size_t i = begin; i < end; ++i) {
                  rows.Read(static_cast<std::uint32_t>(i), values.data());
                  body(i, values.data());
                }
              });
}

std::vector<float> CenterOf(const StoredRows& rows) {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t d = rows.info.dim;
  const std::size_t sampled = std::min(n, kCenterRows);
  std::vector<double> sum(d);
  std::vector<float> row(d), out(d);
  for (std::size_t i = 0; i < sampled; ++i) {
    rows.Read(static_cast<std::uint32_t>(i * n / sampled), row.data());
    for (std::size_t j = 0; j < d; ++j) sum[j] += double{row[j]};
  }
  for (std::size_t j = 0; j < d; ++j)
    out[j] = static_cast<float>(sum[j] / static_cast<double>(sampled));
  return out;
}

Result<std::vector<std::byte>> MakeSketches(const StoredRows& rows, const Sketcher& sketcher,
                                            int threads) {
  const std::size_t bytes = SketchBytes(rows.info.dim);
  std::vector<std::byte> sketches;
  ReserveHuge(&sketches, rows.info.rows * bytes);
  sketches.resize(rows.info.rows * bytes);
  std::atomic<bool> failed{false};
  ForEachRow(rows, threads, [&](std::size_t i, const float* values) {
    if (!sketcher.Encode(values, sketches.data() + i * bytes).ok()) failed = true;
  });
  if (failed) return Status(Code::kOutOfMemory, "not enough memory to build the vector index");
  return sketches;
}

// 8-bit codes as they are kept and walked by.
struct Codes {
  std::vector<std::uint8_t> whole;  // [n, d]
  std::vector<std::uint8_t> high, low;

  Status Write(CheckedFileWriter* writer) const {
    if (high.empty()) return writer->Section<std::uint8_t>("codes", whole);
    EQUIPOISE_RETURN_IF_ERROR(writer->Section<std::uint8_t>("high", high));
    return writer->Section<std::uint8_t>("low", low);
  }
  CodeRows View(Metric metric, std::size_t d, CodeScale scale) const {
    CodeRows out{.metric = metric, .dim = d, .scale = scale};
    if (high.empty()) {
      out.codes = whole.data();
    } else {
      out.high = high.data();
      out.low = low.data();
      out.nibble_bytes = NibbleBytes(d);
    }
    return out;
  }
};

Codes Encode(const StoredRows& rows, CodeScale scale, const VectorIndexOptions& options) {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t d = rows.info.dim;
  const std::size_t half = NibbleBytes(d);
  const bool halves = options.storage == VectorStorage::kInt4Int8;
  Codes out;
  ReserveHuge(&out.whole, n * d);
  out.whole.resize(n * d);
  out.high.resize(halves ? n * half : 0);
  out.low.resize(halves ? n * half : 0);
  ForEachRow(rows, options.threads, [&](std::size_t i, const float* values) {
    std::uint8_t* codes = out.whole.data() + i * d;
    QuantizeI8(values, d, scale, codes);
    if (!halves) return;
    PackHighNibbles(codes, d, out.high.data() + i * half);
    PackLowNibbles(codes, d, out.low.data() + i * half);
  });
  return out;
}

// All rows but copies; those that measure recall last, spread evenly over the collection.
HnswOrder LinkingOrder(std::size_t n, std::span<const Copy> copies) {
  std::vector<bool> copied(n);
  for (const Copy& pair : copies) copied[pair.original] = copied[pair.copy] = true;
  std::vector<std::uint32_t> single;
  for (std::uint32_t i = 0; i < n; ++i) {
    if (!copied[i]) single.push_back(i);
  }
  HnswOrder out;
  out.held_out = RecallSample(single.size());
  std::vector<std::uint32_t> held;
  std::vector<bool> last(n);
  for (std::size_t i = 0; i < out.held_out; ++i) {
    held.push_back(single[i * single.size() / out.held_out]);
    last[held.back()] = true;
  }
  for (const Copy& pair : copies) last[pair.copy] = true;
  for (std::uint32_t i = 0; i < n; ++i) {
    if (!last[i]) out.rows.push_back(i);
  }
  out.rows.insert(out.rows.end(), held.begin(), held.end());
  return out;
}

// Builds the graph, measures its recall on the way, and writes both.
// Shapes   sketches [rows]: what is linked by
// `graph`: all of it but the links.
Status LinkAndWrite(const StoredRows& rows, std::span<const std::uint8_t> codes,
                    const Sketcher& sketcher, std::span<const std::byte> sketches, HnswGraph graph,
                    const VectorIndexOptions& options, const ReadyGraph* ready, GraphInfo* info,
                    CheckedFileWriter* writer) {
  const auto n = static_cast<std::size_t>(info->rows);
  const std::size_t d = info->dim;
  info->m = options.m;
  info->ef_construction = options.ef_construction;
  info->seed = options.seed;
  const std::string_view linked_by = ready != nullptr ? "imported" : "equipoise";
  std::copy(linked_by.begin(), linked_by.end(), info->linked_by);
  std::vector<Copy> copies;
  std::vector<RecallPoint> recall;
  const std::size_t unit = graph.link_sketcher != nullptr ? kLinkGroup : kLinkUnit;
  std::vector<std::byte> groups;
  const auto sketch_links = [&]() -> Status {
    if (graph.link_sketcher == nullptr) return {};
    EQUIPOISE_ASSIGN_OR_RETURN(
        groups, MakeLinkGroups(rows, graph.links, *graph.link_sketcher, options.threads));
    graph.groups = groups.data();
    return {};
  };
  const auto measure = [&](const SlottedGraph& without,
                           std::span<const std::uint32_t> held_out) -> Status {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto links, OwnedLinks::Make(without, n, unit));
    graph.links = links.View();
    EQUIPOISE_RETURN_IF_ERROR(sketch_links());
    EQUIPOISE_ASSIGN_OR_RETURN(recall, MeasureRecall(graph, rows, codes, held_out, options));
    return {};
  };
  SlottedGraph built;
  if (ready == nullptr) {
    copies = FindCopies(codes, d);
    HnswOrder order = LinkingOrder(n, copies);
    order.measure = [&](const SlottedGraph& without) {
      return measure(without, std::span(order.rows).last(order.held_out));
    };
    EQUIPOISE_ASSIGN_OR_RETURN(built,
                               BuildHnsw({.count = n,
                                          .codes = {.metric = rows.metric,
                                                    .dim = d,
                                                    .scale = {info->code_scale, info->code_center},
                                                    .codes = codes.data()},
                                          .sketcher = &sketcher,
                                          .sketches = sketches.data()},
                                         options, order));
  }
  const SlottedGraph& slotted = ready != nullptr ? ready->links : built;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto links, OwnedLinks::Make(slotted, n, unit));
  if (ready != nullptr) {
    // Few enough to leave the rest of the graph as it is.
    const auto held_out = ChooseHeldOut(slotted, std::min(RecallSample(n), n / 10));
    EQUIPOISE_RETURN_IF_ERROR(measure(WithoutRows(slotted, held_out), held_out));
  }
  info->entry_row = slotted.entry;
  info->top_level = slotted.top_level;
  EQUIPOISE_RETURN_IF_ERROR(links.Write(writer));
  graph.links = links.View();
  EQUIPOISE_RETURN_IF_ERROR(sketch_links());
  if (graph.link_sketcher != nullptr)
    EQUIPOISE_RETURN_IF_ERROR(writer->Section<std::byte>("groups", groups));
  EQUIPOISE_RETURN_IF_ERROR(writer->Section<Copy>("copies", copies));
  return writer->Section<RecallPoint>("calibration", recall);
}

Status WriteGraph(const VectorIndexOptions& options, const ReadyGraph* ready,
                  const std::string& vectors_path, const std::string& path) {
  // What is encoded is what was stored, so that walk and rescoring speak of the same vectors.
  EQUIPOISE_ASSIGN_OR_RETURN(auto vectors,
                             CheckedFile::Open(vectors_path, kVectorsKind, kVectorFilesVersion));
  StoredRows rows;
  EQUIPOISE_RETURN_IF_ERROR(rows.OpenAll(vectors));
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t d = rows.info.dim;
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kGraphKind, kVectorFilesVersion));
  GraphInfo info;
  info.rows = n;
  info.dim = static_cast<std::uint32_t>(d);
  info.metric = rows.info.metric;
  info.storage = rows.info.storage;
  // Distances that leave float32 cannot be walked by.
  const bool walkable =
      rows.metric == Metric::kCosine || rows.info.max_norm == 0 || !IsExtreme(rows.info.max_norm);
  info.has_graph = walkable && n > 0 && (ready != nullptr || n >= options.graph_from) ? 1 : 0;
  info.target_recall = options.target_recall;
  Codes kept;
  const bool coded = info.has_graph != 0 || (walkable && n >= kCodedRows);
  if (n > 0 && (coded || KeepsCodesOnly(options.storage))) {
    const CodeScale scale = ready != nullptr && ready->scale ? *ready->scale : ScaleFor(rows);
    info.code_scale = scale.scale;
    info.code_center = scale.center;
    kept = Encode(rows, scale, options);
    EQUIPOISE_RETURN_IF_ERROR(kept.Write(&writer));
  }
  if (coded) {
    info.sketch_seed = options.seed;
    HnswGraph graph;
    std::optional<LinkSketcher> link_sketcher;
    const std::vector<float> center = CenterOf(rows);
    EQUIPOISE_ASSIGN_OR_RETURN(const Sketcher sketcher,
                               Sketcher::Make(d, rows.metric, center, info.sketch_seed));
    EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<std::byte> sketches,
                               MakeSketches(rows, sketcher, options.threads));
    if (info.has_graph != 0 && options.storage == VectorStorage::kInline) {
      // Those of rows are for building alone.
      EQUIPOISE_ASSIGN_OR_RETURN(link_sketcher,
                                 LinkSketcher::Make(d, rows.metric, info.sketch_seed));
      graph.link_sketcher = &*link_sketcher;
    } else {
      EQUIPOISE_RETURN_IF_ERROR(writer.Section<float>("center", center));
      EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::byte>("sketches", sketches));
      graph.sketcher = &sketcher;
      graph.sketches = sketches.data();
    }
    if (info.has_graph != 0) {
      graph.codes = kept.View(rows.metric, d, {info.code_scale, info.code_center});
      graph.reach = rows.metric == Metric::kL2 ? 0.0f : rows.info.max_norm;
      EQUIPOISE_RETURN_IF_ERROR(LinkAndWrite(rows, kept.whole, sketcher, sketches, graph, options,
                                             ready, &info, &writer));
    }
  }
  if (KeepsCodesOnly(options.storage)) {
    EQUIPOISE_RETURN_IF_ERROR(DropRows(rows.info, vectors_path));
    EQUIPOISE_ASSIGN_OR_RETURN(vectors,
                               CheckedFile::Open(vectors_path, kVectorsKind, kVectorFilesVersion));
  }
  info.vectors_checksum = vectors.checksum();
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<GraphInfo>("info", std::span(&info, 1)));
  return writer.Finish();
}

}  // namespace

Status BuildVectorIndex(const EmbeddingsView& rows, const VectorIndexOptions& options,
                        const std::string& vectors_path, const std::string& graph_path) {
  return BuildVectorIndexAround(rows, options, nullptr, vectors_path, graph_path);
}

Status BuildVectorIndexAround(const EmbeddingsView& rows, const VectorIndexOptions& options,
                              const ReadyGraph* ready, const std::string& vectors_path,
                              const std::string& graph_path) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(rows, options));
  EQUIPOISE_RETURN_IF_ERROR(CheckFinite(rows, ""));
  bool vectors_written = false;
  Status status;
  try {
    status = WriteVectors(rows, options, vectors_path);
    vectors_written = status.ok();
    if (vectors_written) status = WriteGraph(options, ready, vectors_path, graph_path);
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
