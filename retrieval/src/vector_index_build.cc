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
#include "vector_rows_writer.h"
#include "walk_tuner.h"

namespace equipoise {
namespace {

// Rows that the scale is taken from, evenly spaced.
constexpr std::size_t kSampleRows = 4096;
constexpr std::size_t kCenterRows = 20'000;
// Fewer rows are scored one by one: codes and sketches would save nothing.
constexpr std::size_t kCodedRows = 256;

// `had`: rows that are there already.
Status CheckOptions(const char* function, const EmbeddingsView& rows, std::size_t had,
                    const VectorIndexOptions& options) {
  EQUIPOISE_CHECK_RANGE(function, options.m, 2, 256);
  EQUIPOISE_CHECK_RANGE(function, options.ef_construction, 8, 4096);
  EQUIPOISE_CHECK_RANGE(function, options.threads, 1, 1024);
  EQUIPOISE_CHECK_RANGE(function, options.target_recall, 0.5f, 0.999f);
  if (options.metric > Metric::kInnerProduct)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: no such metric; cosine, l2 or ip", function),
                  {.field = "options.metric"});
  if (options.storage > VectorStorage::kFloat32)
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: no such storage; int8+float16, inline, int8, int4+int8 or float32",
                    function),
        {.field = "options.storage"});
  const std::size_t max_rows = std::numeric_limits<std::int32_t>::max();
  if (rows.rows() > max_rows - had)
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: rows.rows() = {} is more than {}", function, rows.rows(), max_rows - had),
        {.field = "rows"});
  const std::size_t least_cols = rows.rows() > 0 ? 1 : 0;
  EQUIPOISE_CHECK_RANGE(function, rows.cols(), least_cols, kMaxCodeDim);
  return {};
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

// Where `before` keeps codes alone, its rows have the codes that they had.
Codes Encode(const StoredRows& rows, CodeScale scale, const VectorIndexOptions& options,
             const IndexBefore* before) {
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
    if (before != nullptr && i < before->rows.info.rows && before->rows.scored_by_codes()) {
      const std::uint8_t* had =
          WholeCodes(before->rows.codes, static_cast<std::uint32_t>(i), codes);
      if (had != codes) std::copy_n(had, d, codes);
    } else {
      QuantizeI8(values, d, scale, codes);
    }
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

// What is linked already, and behind it what is not: new rows, and those that were copies and are none
// by new codes. Rows that became copies stay linked; the others are taken out of `copies`.
HnswOrder ExtendingOrder(std::size_t n, const IndexBefore& before, std::vector<Copy>* copies) {
  std::vector<bool> linked(n), copied(n);
  std::fill_n(linked.begin(), before.rows.info.rows, true);
  for (const Copy& pair : before.copies) linked[pair.copy] = false;
  std::erase_if(*copies, [&](const Copy& pair) { return linked[pair.copy]; });
  for (const Copy& pair : *copies) copied[pair.copy] = true;
  HnswOrder out;
  for (const bool now : {true, false}) {
    for (std::uint32_t i = 0; i < n; ++i) {
      if (linked[i] == now && !copied[i]) out.rows.push_back(i);
    }
  }
  return out;
}

// Builds the graph, or extends that of `before`, measures its recall, and writes both.
// Shapes   sketches [rows]: what is linked by
// `graph`: all of it but the links. *tuning: set if there is something to choose and options.tune.
Status LinkAndWrite(const StoredRows& rows, std::span<const std::uint8_t> codes,
                    const Sketcher& sketcher, std::span<const std::byte> sketches, HnswGraph graph,
                    const VectorIndexOptions& options, const ReadyGraph* ready,
                    const IndexBefore* before, GraphInfo* info, CheckedFileWriter* writer,
                    std::optional<WalkTuning>* tuning) {
  const auto n = static_cast<std::size_t>(info->rows);
  const std::size_t d = info->dim;
  const bool extends = before != nullptr && before->links != nullptr;
  const std::string_view linked_by = ready != nullptr ? "imported"
                                     : extends        ? before->linked_by
                                                      : "equipoise";
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
    if (!options.tune || codes.size() + groups.size() + graph.links.bytes() < kTunedBytes)
      return {};
    const auto aim = std::find_if(recall.begin(), recall.end(), [&](const RecallPoint& point) {
      return point.target >= options.target_recall;
    });
    if (aim == recall.end()) return {};
    EQUIPOISE_ASSIGN_OR_RETURN(*tuning,
                               TuneWalk(graph, rows, held_out, aim->margin, options.progress));
    return {};
  };
  SlottedGraph built;
  if (ready == nullptr) {
    const HnswRows linked = {.count = n,
                             .codes = {.metric = rows.metric,
                                       .dim = d,
                                       .scale = {info->code_scale, info->code_center},
                                       .codes = codes.data()},
                             .sketcher = &sketcher,
                             .sketches = sketches.data()};
    copies = FindCopies(codes, d);
    if (extends) {
      EQUIPOISE_ASSIGN_OR_RETURN(const SlottedGraph had, before->links->Slotted(options.m));
      const HnswOrder order = ExtendingOrder(n, *before, &copies);
      const std::size_t first = before->rows.info.rows - before->copies.size();
      EQUIPOISE_ASSIGN_OR_RETURN(built, ExtendHnsw(had, first, linked, options, order));
    } else {
      HnswOrder order = LinkingOrder(n, copies);
      order.measure = [&](const SlottedGraph& without) {
        return measure(without, std::span(order.rows).last(order.held_out));
      };
      EQUIPOISE_ASSIGN_OR_RETURN(built, BuildHnsw(linked, options, order));
    }
  }
  const SlottedGraph& slotted = ready != nullptr ? ready->links : built;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto links, OwnedLinks::Make(slotted, n, unit));
  if (ready != nullptr || extends) {
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
                  const IndexBefore* before, const std::string& vectors_path,
                  const std::string& path) {
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
  // For rows that are added later, too.
  info.m = options.m;
  info.ef_construction = options.ef_construction;
  info.seed = options.seed;
  // Distances that leave float32 cannot be walked by.
  const bool walkable =
      rows.metric == Metric::kCosine || rows.info.max_norm == 0 || !IsExtreme(rows.info.max_norm);
  const bool given = ready != nullptr || (before != nullptr && before->links != nullptr);
  info.has_graph = walkable && n > 0 && (given || n >= options.graph_from) ? 1 : 0;
  info.target_recall = options.target_recall;
  std::optional<WalkTuning> tuning;
  Codes kept;
  const bool coded = info.has_graph != 0 || (walkable && n >= kCodedRows);
  if (n > 0 && (coded || KeepsCodesOnly(options.storage))) {
    CodeScale scale;
    if (ready != nullptr && ready->scale) {
      scale = *ready->scale;
    } else if (before != nullptr && before->rows.scored_by_codes()) {
      scale = before->rows.codes.scale;
    } else {
      scale = ScaleFor(rows);
    }
    info.code_scale = scale.scale;
    info.code_center = scale.center;
    kept = Encode(rows, scale, options, before);
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
                                             ready, before, &info, &writer, &tuning));
    }
  }
  if (KeepsCodesOnly(options.storage)) {
    EQUIPOISE_RETURN_IF_ERROR(DropRows(rows.info, vectors_path));
    EQUIPOISE_ASSIGN_OR_RETURN(vectors,
                               CheckedFile::Open(vectors_path, kVectorsKind, kVectorFilesVersion));
  }
  if (before != nullptr && !before->deleted.empty()) {
    std::vector<std::uint64_t> deleted(before->deleted.begin(), before->deleted.end());
    deleted.resize((n + 63) / 64, 0);
    EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint64_t>("deleted", deleted));
  }
  info.vectors_checksum = vectors.checksum();
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<GraphInfo>("info", std::span(&info, 1)));
  if (tuning)
    EQUIPOISE_RETURN_IF_ERROR(writer.Section<WalkTuning>(kTuningSection, std::span(&*tuning, 1)));
  return writer.Finish();
}

Status BuildFiles(const EmbeddingsView& rows, const VectorIndexOptions& options,
                  const ReadyGraph* ready, const IndexBefore* before,
                  const std::string& vectors_path, const std::string& graph_path) {
  EQUIPOISE_RETURN_IF_ERROR(CheckFinite(rows, ""));
  bool vectors_written = false;
  Status status;
  try {
    status = WriteVectors(before != nullptr ? &before->rows : nullptr, rows, options, vectors_path);
    vectors_written = status.ok();
    // Under two names of one file the second would be written over the first while it is read.
    std::error_code ignored;
    if (vectors_written && std::filesystem::equivalent(vectors_path, graph_path, ignored))
      status =
          Status(Code::kInvalidArgument, "the two files of a vector index need names of their own",
                 {.file = graph_path});
    if (status.ok()) status = WriteGraph(options, ready, before, vectors_path, graph_path);
  } catch (const std::bad_alloc&) {
    status = Status(Code::kOutOfMemory, "not enough memory to build the vector index");
  }
  if (vectors_written && !status.ok()) {
    std::error_code ignored;
    std::filesystem::remove(vectors_path, ignored);
  }
  return status;
}

}  // namespace

Status BuildVectorIndex(const EmbeddingsView& rows, const VectorIndexOptions& options,
                        const std::string& vectors_path, const std::string& graph_path) {
  return BuildVectorIndexAround(rows, options, nullptr, vectors_path, graph_path);
}

Status BuildVectorIndexAround(const EmbeddingsView& rows, const VectorIndexOptions& options,
                              const ReadyGraph* ready, const std::string& vectors_path,
                              const std::string& graph_path) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions("BuildVectorIndex", rows, 0, options));
  return BuildFiles(rows, options, ready, nullptr, vectors_path, graph_path);
}

Status BuildVectorIndexBehind(const char* function, const IndexBefore& before,
                              const EmbeddingsView& rows, const VectorIndexOptions& options,
                              const std::string& vectors_path, const std::string& graph_path) {
  EQUIPOISE_RETURN_IF_ERROR(
      CheckOptions(function, rows, static_cast<std::size_t>(before.rows.info.rows), options));
  return BuildFiles(rows, options, nullptr, &before, vectors_path, graph_path);
}

}  // namespace equipoise
