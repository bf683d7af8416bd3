#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <faiss/impl/HNSW.h>
#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/kernels/nibbles.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/vector_convert.h>

#include "faiss_file.h"
#include "vector_state.h"

namespace equipoise {

namespace {

constexpr std::int32_t kEfSearch = 64;
constexpr int kMostLinks = 4096;

Status Cancelled() { return Status(Code::kCancelled, "the conversion was cancelled"); }

// Writes numbers as FAISS does.
class Writer {
 public:
  explicit Writer(AtomicFile* file) : file_(file) {}

  template <typename T>
  Status Value(T value) {
    return Bytes(&value, sizeof(T));
  }
  template <typename T>
  Status Array(std::span<const T> values) {
    EQUIPOISE_RETURN_IF_ERROR(Value<std::uint64_t>(values.size()));
    // In parts: the file copies what it is given.
    constexpr std::size_t kPart = std::size_t{1} << 16;
    for (std::size_t at = 0; at < values.size(); at += kPart) {
      const auto part = values.subspan(at, std::min(kPart, values.size() - at));
      EQUIPOISE_RETURN_IF_ERROR(Bytes(part.data(), part.size_bytes()));
    }
    return {};
  }
  Status Header(std::size_t dim, std::size_t rows, std::int32_t metric) {
    constexpr std::int64_t kUnused = std::int64_t{1} << 20;
    EQUIPOISE_RETURN_IF_ERROR(Value(static_cast<std::int32_t>(dim)));
    EQUIPOISE_RETURN_IF_ERROR(Value(static_cast<std::int64_t>(rows)));
    EQUIPOISE_RETURN_IF_ERROR(Value(kUnused));
    EQUIPOISE_RETURN_IF_ERROR(Value(kUnused));
    EQUIPOISE_RETURN_IF_ERROR(Value<std::uint8_t>(1));  // is_trained
    return Value(metric);
  }
  Status Bytes(const void* data, std::size_t size) {
    return file_->Append({static_cast<const char*>(data), size});
  }

 private:
  AtomicFile* file_;
};

// Gives every copy links: to its original, and from it or from another copy. Where the original's
// list is full, its last link moves to the first copy, which is as far from everything.
// Returns how many copies that is.
std::uint64_t LinkCopies(std::span<const Copy> copies, SlottedGraph* graph) {
  const auto slots = static_cast<std::size_t>(graph->slot_ends[1]);
  const auto list = [&](std::uint32_t row) {
    return std::span(graph->neighbors).subspan(graph->offsets[row], slots);
  };
  const auto used = [&](std::uint32_t row) {
    const auto links = list(row);
    return static_cast<std::size_t>(std::find(links.begin(), links.end(), -1) - links.begin());
  };
  const auto add = [&](std::uint32_t row, std::size_t slot, std::int64_t link) {
    list(row)[slot] = static_cast<std::int32_t>(link);
  };
  for (std::size_t begin = 0, end = 0; begin < copies.size(); begin = end) {
    const std::uint32_t original = copies[begin].original, first = copies[begin].copy;
    while (end < copies.size() && copies[end].original == original) ++end;
    for (std::size_t i = begin; i < end; ++i) {
      std::fill_n(list(copies[i].copy).begin(), slots, -1);
      add(copies[i].copy, 0, original);
    }
    if (const std::size_t count = used(original); count < slots) {
      add(original, count, first);
    } else {
      add(first, 1, list(original)[slots - 1]);
      add(original, slots - 1, first);
    }
    std::size_t parent = begin;
    for (std::size_t i = begin + 1; i < end; ++i) {
      // With at least four slots, a parent that is full has a child behind it.
      while (used(copies[parent].copy) == slots) ++parent;
      add(copies[parent].copy, used(copies[parent].copy), copies[i].copy);
    }
  }
  return copies.size();
}

template <typename State>
Status WriteGraph(const State& s, const ProgressCallback& progress, AtomicFile* file,
                  VectorExportReport* report) {
  const int m = s.settings.m;
  if (m < 2 || m > kMostLinks)
    return Status(Code::kCorruption, "its graph has an impossible number of links; build it again",
                  {.file = s.graph_file.path()});
  EQUIPOISE_ASSIGN_OR_RETURN(SlottedGraph links, s.graph.links.Slotted(m));
  report->m = m;
  report->copies = LinkCopies(s.copies, &links);
  // The tables of levels that FAISS needs to add rows; a taller graph needs longer ones.
  const faiss::HNSW shape(m);
  for (std::size_t i = links.slot_ends.size(); i < shape.cum_nneighbor_per_level.size(); ++i)
    links.slot_ends.push_back(links.slot_ends.back() + m);

  const auto n = static_cast<std::size_t>(s.rows.info.rows);
  const std::size_t d = s.rows.info.dim;
  const std::int32_t metric = s.settings.metric == Metric::kL2 ? kFaissL2 : kFaissInnerProduct;
  Writer out(file);
  EQUIPOISE_RETURN_IF_ERROR(out.Value(FaissFourCc("IHNs")));
  EQUIPOISE_RETURN_IF_ERROR(out.Header(d, n, metric));
  EQUIPOISE_RETURN_IF_ERROR(out.Array<double>(shape.assign_probas));
  EQUIPOISE_RETURN_IF_ERROR(out.Array<std::int32_t>(links.slot_ends));
  EQUIPOISE_RETURN_IF_ERROR(out.Array<std::int32_t>(links.levels));
  EQUIPOISE_RETURN_IF_ERROR(out.Array<std::uint64_t>(links.offsets));
  EQUIPOISE_RETURN_IF_ERROR(out.Array<std::int32_t>(links.neighbors));
  EQUIPOISE_RETURN_IF_ERROR(out.Value(static_cast<std::int32_t>(links.entry)));
  EQUIPOISE_RETURN_IF_ERROR(out.Value(static_cast<std::int32_t>(links.top_level)));
  EQUIPOISE_RETURN_IF_ERROR(out.Value(static_cast<std::int32_t>(s.settings.ef_construction)));
  EQUIPOISE_RETURN_IF_ERROR(out.Value(kEfSearch));
  EQUIPOISE_RETURN_IF_ERROR(out.Value<std::int32_t>(1));  // no longer used by FAISS

  const float step = 1.0f / s.settings.code_scale;
  const float trained[] = {s.settings.code_center - 128.5f * step, 255.0f * step};
  EQUIPOISE_RETURN_IF_ERROR(out.Value(FaissFourCc("IxSQ")));
  EQUIPOISE_RETURN_IF_ERROR(out.Header(d, n, metric));
  EQUIPOISE_RETURN_IF_ERROR(out.Value(static_cast<std::int32_t>(FaissRows::k8BitUniform)));
  EQUIPOISE_RETURN_IF_ERROR(out.Value<std::int32_t>(0));  // how the range was trained: min, max
  EQUIPOISE_RETURN_IF_ERROR(out.Value(0.0f));             // its parameter
  EQUIPOISE_RETURN_IF_ERROR(out.Value<std::uint64_t>(d));
  EQUIPOISE_RETURN_IF_ERROR(out.Value<std::uint64_t>(d));
  EQUIPOISE_RETURN_IF_ERROR(out.Array<float>(trained));
  EQUIPOISE_RETURN_IF_ERROR(out.Value<std::uint64_t>(n * d));
  std::vector<std::uint8_t> unpacked(d);
  const std::size_t batch = std::max<std::size_t>(4096, n / 100);
  for (std::uint32_t i = 0; i < n; ++i) {
    if (i % batch == 0 && progress && !progress({"vectors", i, n})) return Cancelled();
    EQUIPOISE_RETURN_IF_ERROR(out.Bytes(WholeCodes(s.rows.codes, i, unpacked.data()), d));
  }
  return {};
}

// Two files that are gone when this is.
struct Aside {
  std::string vectors, graph;

  explicit Aside(const std::string& path)
      : vectors(AsideName(path + ".vectors")), graph(AsideName(path + ".graph")) {}
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  ~Aside() {
    std::error_code ignored;
    std::filesystem::remove(vectors, ignored);
    std::filesystem::remove(graph, ignored);
  }
};

template <typename State>
Result<VectorIndex> WithGraph(const State& s, const Aside& aside,
                              const ProgressCallback& progress) {
  const auto n = static_cast<std::size_t>(s.rows.info.rows);
  const std::size_t d = s.rows.info.dim;
  std::vector<float> values(n * d);
  for (std::uint32_t i = 0; i < n; ++i) s.rows.Read(i, values.data() + i * d);
  const VectorIndexOptions options{.metric = s.settings.metric,
                                   .storage = VectorStorage::kInt8,
                                   .graph_from = 0,
                                   .tune = false,
                                   .progress = progress};
  EQUIPOISE_RETURN_IF_ERROR(BuildVectorIndex(MatrixView<float>(values.data(), n, d), options,
                                             aside.vectors, aside.graph));
  return VectorIndex::Open(aside.vectors, aside.graph);
}

// Sizes and the deleted rows, of an index that is whole.
template <typename State>
Result<VectorExportReport> Begin(const VectorIndex& index, const State& s) {
  EQUIPOISE_RETURN_IF_ERROR(index.Verify());
  VectorExportReport out;
  out.rows = s.rows.info.rows;
  out.dim = s.rows.info.dim;
  for (std::uint32_t i = 0; i < out.rows && !s.alive.empty(); ++i) {
    if (((s.alive[i / 64] >> (i % 64)) & 1) == 0) out.deleted.push_back(i);
  }
  return out;
}

template <typename State>
Result<VectorExportReport> ExportFaiss(const VectorIndex& index, const State& s,
                                       const std::string& path, const ProgressCallback& progress) {
  if (index.rows() == 0)
    return Status(Code::kInvalidArgument, "the index has no vectors: there is nothing to convert");
  EQUIPOISE_ASSIGN_OR_RETURN(VectorExportReport report, Begin(index, s));
  AtomicFile file(path);
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  if (s.settings.has_graph) {
    EQUIPOISE_RETURN_IF_ERROR(WriteGraph(s, progress, &file, &report));
  } else {
    const Aside aside(path);
    EQUIPOISE_ASSIGN_OR_RETURN(const VectorIndex linked, WithGraph(s, aside, progress));
    EQUIPOISE_RETURN_IF_ERROR(
        WriteGraph(VectorIndexAccess::StateOf(linked), progress, &file, &report));
    report.built = true;
  }
  EQUIPOISE_RETURN_IF_ERROR(file.Publish());
  return report;
}

// Whether float16 holds numbers up to 2^(largest + 1) about as well as what they come from.
bool FitsHalf(int largest) { return largest >= -5 && largest <= 14; }

template <typename State>
bool WritesHalf(const State& s) {
  const StoredRows& rows = s.rows;
  if (!rows.single.empty()) return false;
  if (rows.half.empty()) {
    constexpr float kCodes = 128;
    // Far from zero, float16 has fewer than 8 bits left for what lies between two rows.
    return std::fabs(rows.codes.scale.center) * rows.codes.scale.scale <= kCodes &&
           FitsHalf(
               std::ilogb(kCodes / rows.codes.scale.scale + std::fabs(rows.codes.scale.center)));
  }
  // The largest value was brought to 2^14.
  return rows.info.exponent == 0 || FitsHalf(14 - rows.info.exponent);
}

template <typename State>
Result<VectorExportReport> ExportNpy(const VectorIndex& index, const State& s,
                                     const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(VectorExportReport report, Begin(index, s));
  const auto n = static_cast<std::size_t>(report.rows);
  const std::size_t d = report.dim;
  report.float16 = WritesHalf(s);
  report.rows -= report.deleted.size();
  if (report.deleted.empty() && s.rows.info.exponent == 0) {
    if (!s.rows.half.empty()) {
      EQUIPOISE_RETURN_IF_ERROR(WriteNpy(path, MatrixView<Float16>(s.rows.half.data(), n, d)));
      return report;
    }
    if (!s.rows.single.empty()) {
      EQUIPOISE_RETURN_IF_ERROR(WriteNpy(path, MatrixView<float>(s.rows.single.data(), n, d)));
      return report;
    }
  }
  const auto kept = static_cast<std::size_t>(report.rows);
  std::vector<float> single(report.float16 ? d : kept * d);
  std::vector<Float16> half(report.float16 ? kept * d : 0);
  std::vector<std::uint8_t> unpacked(d);
  std::size_t to = 0;
  auto deleted = report.deleted.begin();
  for (std::uint32_t i = 0; i < n; ++i) {
    if (deleted != report.deleted.end() && *deleted == i) {
      ++deleted;
      continue;
    }
    float* row = single.data() + (report.float16 ? 0 : to * d);
    const std::size_t from = std::size_t{i} * d;
    if (s.rows.info.exponent == 0 && !s.rows.half.empty()) {
      std::copy_n(s.rows.half.begin() + static_cast<std::ptrdiff_t>(from), d, &half[to * d]);
    } else if (!s.rows.single.empty()) {
      std::copy_n(s.rows.single.begin() + static_cast<std::ptrdiff_t>(from), d, row);
    } else {
      s.rows.Read(i, row);
      if (report.float16) FloatToHalf(row, &half[to * d], d);
    }
    ++to;
  }
  EQUIPOISE_RETURN_IF_ERROR(report.float16
                                ? WriteNpy(path, MatrixView<Float16>(half.data(), kept, d))
                                : WriteNpy(path, MatrixView<float>(single.data(), kept, d)));
  return report;
}

}  // namespace

Result<VectorExportReport> WriteFaiss(const VectorIndex& index, const std::string& path,
                                      const ProgressCallback& progress) {
  try {
    return ExportFaiss(index, VectorIndexAccess::StateOf(index), path, progress);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to convert the index");
  }
}

Result<VectorExportReport> WriteNpy(const VectorIndex& index, const std::string& path) {
  try {
    return ExportNpy(index, VectorIndexAccess::StateOf(index), path);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to convert the index");
  }
}

}  // namespace equipoise
