#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/retrieval/vector_convert.h>

#include "faiss_file.h"
#include "vector_index_build.h"

namespace equipoise {
namespace {

constexpr double kUnitLength = 1e-3;

// Whether every row is of length 1; false without rows.
bool AllUnit(const MatrixView<float>& rows) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    double sum = 0;
    for (const float value : rows.row_span(i)) sum += double{value} * value;
    if (!(std::fabs(std::sqrt(sum) - 1) <= kUnitLength)) return false;
  }
  return rows.rows > 0;
}

// The scale that the file's codes have, where ours can be the same.
std::optional<CodeScale> ScaleOf(const FaissGraph& graph, Metric metric) {
  if (graph.kind != FaissRows::k8BitUniform) return std::nullopt;
  CodeScale out;
  out.scale = 255.0f / graph.trained[1];
  // trained = {center - 128.5 / scale, 255 / scale}
  const double center = graph.trained[0] + double{graph.trained[1]} * (128.5 / 255);
  if (!(out.scale > 0) || !std::isfinite(out.scale) || !std::isfinite(center)) return std::nullopt;
  if (metric == Metric::kL2) {
    out.center = static_cast<float>(center);
  } else if (std::fabs(center) * out.scale > 1e-2) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

struct FaissFile::State {
  MappedFile file;
  FaissGraph graph;
  FaissFileInfo info;

  Status Build(const FaissImportOptions& options, const std::string& vectors_path,
               const std::string& graph_path) const;
};

FaissFile::FaissFile(std::unique_ptr<const State> state) : state_(std::move(state)) {}
FaissFile::FaissFile(FaissFile&&) noexcept = default;
FaissFile& FaissFile::operator=(FaissFile&&) noexcept = default;
FaissFile::~FaissFile() = default;

Result<FaissFile> FaissFile::Open(const std::string& path) {
  try {
    auto state = std::make_unique<State>();
    EQUIPOISE_ASSIGN_OR_RETURN(state->file, MappedFile::Open(path));
    auto graph = FaissGraph::Parse(state->file.bytes());
    if (!graph) return graph.error().At({.file = path});
    state->graph = *std::move(graph);
    const FaissGraph& parsed = state->graph;
    state->info = {.rows = parsed.rows,
                   .dim = parsed.dim,
                   .metric = parsed.metric == kFaissL2 ? Metric::kL2 : Metric::kInnerProduct,
                   .m = parsed.m,
                   .ef_construction = parsed.ef_construction,
                   .rows_kept_as = FaissRowsName(parsed.kind),
                   .ids = parsed.ids};
    return FaissFile(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to read it", {.file = path});
  }
}

const FaissFileInfo& FaissFile::info() const { return state_->info; }

Status FaissFile::State::Build(const FaissImportOptions& options, const std::string& vectors_path,
                               const std::string& graph_path) const {
  EQUIPOISE_CHECK_RANGE("FaissFile::Build", options.threads, 1, 1024);
  const auto n = static_cast<std::size_t>(graph.rows);
  const std::size_t d = graph.dim;
  std::vector<float> values(n * d);
  ParallelFor(n, options.threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) graph.Decode(i, values.data() + i * d);
  });
  const MatrixView<float> rows(values.data(), n, d);
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = rows.row_span(i);
    if (!std::all_of(row.begin(), row.end(), [](float value) { return std::isfinite(value); }))
      return Status(Code::kCorruption, "holds a value that is NaN or infinite",
                    {.row = static_cast<std::int64_t>(i)});
  }
  Metric metric = info.metric;
  if (options.metric) {
    metric = *options.metric;
  } else if (metric == Metric::kInnerProduct && AllUnit(rows)) {
    metric = Metric::kCosine;
  }
  const VectorIndexOptions build{.metric = metric,
                                 .target_recall = options.target_recall,
                                 .storage = options.storage,
                                 .m = graph.m,
                                 .ef_construction = std::clamp(graph.ef_construction, 8, 4096),
                                 .threads = options.threads,
                                 .tune = options.tune,
                                 .seed = options.seed,
                                 .progress = options.progress};
  const ReadyGraph ready{.links = n > 0 ? graph.Links() : SlottedGraph(),
                         .scale = ScaleOf(graph, metric)};
  if (n > 0) {
    // Before anything is written. What the links are found to be is the file's fault.
    if (const auto links = OwnedLinks::Make(ready.links, n); !links)
      return Status(Code::kCorruption, links.error().message());
  }
  EmbeddingsView view = rows;
  // Kept bit for bit, unless they have to be float32 in the end.
  std::vector<Float16> halves;
  if (graph.kind == FaissRows::kFloat16 && n > 0) {
    halves.resize(n * d);
    std::memcpy(halves.data(), graph.codes.data(), graph.codes.size());
    view = MatrixView<Float16>(halves.data(), n, d);
  }
  return BuildVectorIndexAround(view, build, n > 0 ? &ready : nullptr, vectors_path, graph_path);
}

Status FaissFile::Build(const FaissImportOptions& options, const std::string& vectors_path,
                        const std::string& graph_path) const {
  Status status;
  try {
    status = state_->Build(options, vectors_path, graph_path);
  } catch (const std::bad_alloc&) {
    status = Status(Code::kOutOfMemory, "not enough memory to take the FAISS index over");
  }
  return status.code() == Code::kCorruption ? status.At({.file = state_->file.path()}) : status;
}

}  // namespace equipoise
