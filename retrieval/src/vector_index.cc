#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_graph.h"
#include "vector_files.h"

namespace equipoise {
namespace {

// A walk costs about as much as scanning this many times its beam (measured: see
// kDefaultEfSearch); wider beams scan.
constexpr std::size_t kRowsPerBeam = 8;

Status Mismatch(const std::string& path, const char* what) {
  return Status(Code::kCorruption, fmt::format("{}; build the index again", what), {.file = path});
}

}  // namespace

struct VectorIndex::State {
  CheckedFile vectors;
  CheckedFile graph_file;
  VectorsInfo info;
  std::span<const Float16> rows;
  std::span<const float> inverse_norms;  // cosine only
  std::optional<HnswGraph> graph;
  std::span<const Copy> copies;  // rows that the graph does not link, by original
  VectorIndexSettings settings;

  // A query as scores need it: unit length for cosine, scaled as the rows are for l2.
  struct Query {
    std::vector<float> values;
    std::span<const float> given;  // l2: what codes are made of
    bool zero = false;
  };

  Status Load(const std::string& vectors_path, const std::string& graph_path);
  Result<Query> Prepare(const char* function, std::span<const float> query) const;
  float RowScore(const Query& query, std::uint32_t row) const;
  Status NotANumber(std::uint32_t row) const {
    return Status(Code::kCorruption,
                  "a stored vector gives no number as its score: the file has changed; verify the "
                  "index",
                  {.file = vectors.path(), .row = row});
  }
  // Appends the rows of the walk's beam with their exact scores; false where the walk found fewer
  // than it should have, because the graph does not connect all rows.
  Result<bool> Walk(const Query& query, std::size_t ef, std::vector<Scored>* out) const;
  Result<std::vector<Scored>> Scan(const Query& query, std::size_t k) const;
};

Status VectorIndex::State::Load(const std::string& vectors_path, const std::string& graph_path) {
  EQUIPOISE_ASSIGN_OR_RETURN(vectors,
                             CheckedFile::Open(vectors_path, kVectorsKind, kVectorFilesVersion));
  EQUIPOISE_RETURN_IF_ERROR(vectors.VerifySection("info"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto infos, vectors.SectionOf<VectorsInfo>("info", 1));
  info = infos[0];
  if (info.metric > static_cast<std::uint32_t>(Metric::kL2) || info.dim > kMaxCodeDim ||
      info.rows > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max()) ||
      (info.rows > 0 && info.dim == 0) || info.exponent < -kMaxExponent ||
      info.exponent > kMaxExponent || !(info.max_norm >= 0) || !std::isfinite(info.max_norm))
    return Mismatch(vectors_path, "says impossible things about its rows");
  const auto n = static_cast<std::size_t>(info.rows);
  settings.metric = static_cast<Metric>(info.metric);
  EQUIPOISE_ASSIGN_OR_RETURN(rows, vectors.SectionOf<Float16>("rows", n * info.dim));
  if (settings.metric == Metric::kCosine) {
    EQUIPOISE_RETURN_IF_ERROR(vectors.VerifySection("norms"));
    EQUIPOISE_ASSIGN_OR_RETURN(inverse_norms, vectors.SectionOf<float>("norms", n));
  }

  EQUIPOISE_ASSIGN_OR_RETURN(graph_file,
                             CheckedFile::Open(graph_path, kGraphKind, kVectorFilesVersion));
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("info"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto graph_infos, graph_file.SectionOf<GraphInfo>("info", 1));
  const GraphInfo& built = graph_infos[0];
  if (built.vectors_checksum != vectors.checksum() || built.rows != info.rows ||
      built.dim != info.dim || built.metric != info.metric)
    return Mismatch(graph_path, "belongs to another file of vectors");
  settings.has_graph = built.has_graph != 0;
  if (!settings.has_graph) return {};
  settings.m = built.m;
  settings.ef_construction = built.ef_construction;
  settings.seed = built.seed;
  settings.code_scale = built.code_scale;
  settings.code_center = built.code_center;
  settings.faiss_version.assign(built.faiss_version,
                                ::strnlen(built.faiss_version, sizeof(built.faiss_version)));
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("faiss"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto stream, graph_file.Section("faiss"));
  if (n == 0) return Mismatch(graph_path, "has a graph of no rows");
  auto parsed = HnswGraph::Parse(stream, n, info.dim, settings.metric);
  if (!parsed) return parsed.error().At({.file = graph_path});
  graph = *std::move(parsed);
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("copies"));
  EQUIPOISE_ASSIGN_OR_RETURN(copies, graph_file.SectionOf<Copy>("copies"));
  std::vector<bool> seen(n);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const Copy& pair = copies[i];
    if (pair.original >= pair.copy || pair.copy >= n || seen[pair.copy] ||
        (i > 0 && !(copies[i - 1] < pair)))
      return Mismatch(graph_path, "has copies of rows out of order");
    seen[pair.copy] = true;
  }
  return {};
}

Result<VectorIndex::State::Query> VectorIndex::State::Prepare(const char* function,
                                                              std::span<const float> query) const {
  if (query.size() != info.dim)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: query.size() = {} must equal the index's dimension {}", function,
                              query.size(), info.dim),
                  {.field = "query"});
  Query out;
  out.given = query;
  out.values.assign(query.begin(), query.end());
  for (const float value : out.values) {
    if (!std::isfinite(value))
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: query holds a value that is NaN or infinite", function),
                    {.field = "query"});
  }
  if (settings.metric == Metric::kCosine) {
    out.zero = !(Normalize(out.values.data(), out.values.size()) > 0);
  } else if (info.exponent != 0) {
    for (float& value : out.values) value = std::ldexp(value, info.exponent);
  }
  return out;
}

float VectorIndex::State::RowScore(const Query& query, std::uint32_t row) const {
  const std::size_t d = info.dim;
  const Float16* values = rows.data() + std::size_t{row} * d;
  if (settings.metric == Metric::kCosine)
    return query.zero ? 0.0f : DotF16(query.values.data(), values, d) * inverse_norms[row];
  const double squared = SquaredL2F16(query.values.data(), values, d);
  return static_cast<float>(0.0 - std::ldexp(squared, -2 * info.exponent));
}

Result<bool> VectorIndex::State::Walk(const Query& query, std::size_t ef,
                                      std::vector<Scored>* out) const {
  // One a thread, so that a search neither locks nor allocates in proportion to the rows.
  thread_local WalkScratch scratch;
  const bool cosine = settings.metric == Metric::kCosine;
  graph->Walk(cosine ? query.values.data() : query.given.data(), ef, &scratch);
  const std::size_t linked = static_cast<std::size_t>(info.rows) - copies.size();
  if (scratch.beam.size() < std::min(ef, linked)) return false;
  out->reserve(scratch.beam.size());
  const auto add = [&](std::uint32_t row) -> Status {
    const float score = RowScore(query, row);
    // Sorting must never see one.
    if (std::isnan(score)) return NotANumber(row);
    out->push_back({row, score});
    return {};
  };
  for (const auto& candidate : scratch.beam) {
    EQUIPOISE_RETURN_IF_ERROR(add(candidate.id));
    auto copy = std::lower_bound(copies.begin(), copies.end(), Copy{candidate.id, 0});
    for (; copy != copies.end() && copy->original == candidate.id; ++copy)
      EQUIPOISE_RETURN_IF_ERROR(add(copy->copy));
  }
  return true;
}

Result<std::vector<Scored>> VectorIndex::State::Scan(const Query& query, std::size_t k) const {
  TopKCollector best(k);
  for (std::uint32_t i = 0; i < info.rows; ++i) {
    const float score = RowScore(query, i);
    if (std::isnan(score)) return NotANumber(i);
    best.Push(i, score);
  }
  return best.Take();
}

VectorIndex::VectorIndex(std::unique_ptr<const State> state) : state_(std::move(state)) {}
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;
VectorIndex::~VectorIndex() = default;

Result<VectorIndex> VectorIndex::Open(const std::string& vectors_path,
                                      const std::string& graph_path) {
  try {
    auto state = std::make_unique<State>();
    EQUIPOISE_RETURN_IF_ERROR(state->Load(vectors_path, graph_path));
    return VectorIndex(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to open the vector index",
                  {.file = graph_path});
  }
}

Result<std::vector<Scored>> VectorIndex::Search(std::span<const float> query,
                                                const SearchParams& params) const try {
  const State& s = *state_;
  if (params.k == 0)
    return Status(Code::kInvalidArgument, "Search: k = 0 is out of range; ask for at least 1",
                  {.field = "k"});
  EQUIPOISE_ASSIGN_OR_RETURN(const auto prepared, s.Prepare("Search", query));
  const std::size_t n = rows();
  const std::size_t k = std::min(params.k, n);
  const std::size_t wanted = params.ef_search == 0 ? kDefaultEfSearch : params.ef_search;
  const std::size_t ef = std::max(wanted, k);
  // Whether to walk depends on n and ef alone, so that answers do not change with k.
  if (s.graph && !params.exact && !prepared.zero && ef <= n / kRowsPerBeam) {
    std::vector<Scored> found;
    EQUIPOISE_ASSIGN_OR_RETURN(const bool whole, s.Walk(prepared, ef, &found));
    if (whole) {
      std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(k), found.end(),
                        Better);
      found.resize(k);
      return found;
    }
  }
  return s.Scan(prepared, k);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for a vector search");
}

Status VectorIndex::Score(std::span<const float> query, std::span<const std::uint32_t> docs,
                          std::span<float> scores) const try {
  const State& s = *state_;
  EQUIPOISE_CHECK_EQUAL("Score", docs.size(), scores.size());
  EQUIPOISE_ASSIGN_OR_RETURN(const auto prepared, s.Prepare("Score", query));
  for (std::size_t i = 0; i < docs.size(); ++i) {
    if (docs[i] >= s.info.rows)
      return Status(Code::kInvalidArgument,
                    fmt::format("Score: docs[{}] = {} is not below the number of rows, {}", i,
                                docs[i], s.info.rows),
                    {.field = "docs"});
    scores[i] = s.RowScore(prepared, docs[i]);
    if (std::isnan(scores[i])) return s.NotANumber(docs[i]);
  }
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for vector scores");
}

std::size_t VectorIndex::rows() const { return static_cast<std::size_t>(state_->info.rows); }
std::size_t VectorIndex::dim() const { return state_->info.dim; }
Metric VectorIndex::metric() const { return state_->settings.metric; }
float VectorIndex::max_norm() const { return state_->info.max_norm; }
const VectorIndexSettings& VectorIndex::settings() const { return state_->settings; }

VectorIndexBytes VectorIndex::bytes() const {
  VectorIndexBytes out;
  out.rows = state_->rows.size_bytes() + state_->inverse_norms.size_bytes();
  if (state_->graph) {
    out.codes = state_->graph->code_bytes();
    out.links = state_->graph->link_bytes();
  }
  return out;
}

Status VectorIndex::Verify() const {
  EQUIPOISE_RETURN_IF_ERROR(state_->vectors.Verify());
  return state_->graph_file.Verify();
}

}  // namespace equipoise
