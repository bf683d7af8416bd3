#include <algorithm>
#include <cmath>
#include <cstring>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/nibbles.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/retrieval/vector_index.h>

#include "huge_pages.h"
#include "stored_rows.h"
#include "vector_files.h"
#include "vector_state.h"

namespace equipoise {
namespace {

Status Mismatch(const std::string& path, const char* what) {
  return Status(Code::kCorruption, fmt::format("{}; build the index again", what), {.file = path});
}

}  // namespace

Status VectorIndex::State::Load(const std::string& vectors_path, const std::string& graph_path) {
  EQUIPOISE_ASSIGN_OR_RETURN(vectors,
                             CheckedFile::Open(vectors_path, kVectorsKind, kVectorFilesVersion));
  EQUIPOISE_ASSIGN_OR_RETURN(graph_file,
                             CheckedFile::Open(graph_path, kGraphKind, kVectorFilesVersion));
  for (const CheckedFile* file : {&vectors, &graph_file}) {
    if (file->version() != kVectorFilesVersion)
      return Status(Code::kUnsupported,
                    fmt::format("is of version {}, which this program no longer reads; build the "
                                "index again",
                                file->version()),
                    {.file = file->path()});
  }
  EQUIPOISE_RETURN_IF_ERROR(rows.Open(vectors));
  const VectorsInfo& info = rows.info;
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("info"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto graph_infos, graph_file.SectionOf<GraphInfo>("info", 1));
  const GraphInfo& built = graph_infos[0];
  if (built.vectors_checksum != vectors.checksum() || built.rows != info.rows ||
      built.dim != info.dim || built.metric != info.metric || built.storage != info.storage)
    return Mismatch(graph_path, "belongs to another file of vectors");
  // Walks jump through all of it: with small pages they take 10 to 15 % longer, waiting for addresses
  // (115,659 x 384 on tmpfs with huge pages and without, Sapphire Rapids).
  for (const char* section : {"codes", "high", "links", "sketches", "groups"}) {
    if (const auto bytes = graph_file.Section(section); bytes.ok())
      AdviseHuge(bytes->data(), bytes->size());
  }
  settings.metric = rows.metric;
  settings.storage = static_cast<VectorStorage>(info.storage);
  settings.has_graph = built.has_graph != 0;
  settings.m = built.m;
  settings.ef_construction = built.ef_construction;
  settings.seed = built.seed;
  settings.linked_by.assign(built.linked_by, ::strnlen(built.linked_by, sizeof(built.linked_by)));
  if (info.rows == 0 && settings.has_graph) return Mismatch(graph_path, "has a graph of no rows");
  if (graph_file.Has("deleted")) {
    EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("deleted"));
    EQUIPOISE_ASSIGN_OR_RETURN(
        const auto deleted, graph_file.SectionOf<std::uint64_t>("deleted", (info.rows + 63) / 64));
    alive.assign(deleted.begin(), deleted.end());
    for (std::size_t i = 0; i < alive.size(); ++i) {
      const std::size_t last = std::min<std::size_t>(64, info.rows - 64 * i);
      const std::uint64_t all = last == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << last) - 1;
      alive[i] = ~alive[i] & all;
    }
  }
  live = alive.empty() ? static_cast<std::size_t>(info.rows) : CountBits(alive);
  if (settings.has_graph || graph_file.Has("center") || (info.rows > 0 && rows.scored_by_codes())) {
    settings.code_scale = built.code_scale;
    settings.code_center = built.code_center;
    EQUIPOISE_RETURN_IF_ERROR(LoadCodes(built));
  }
  if (settings.has_graph) EQUIPOISE_RETURN_IF_ERROR(LoadGraph(built));
  if (settings.has_graph && settings.storage == VectorStorage::kInline) return LoadGroups(built);
  return graph_file.Has("center") ? LoadSketches(built) : Status();
}

Status VectorIndex::State::LoadCodes(const GraphInfo& built) {
  const auto n = static_cast<std::size_t>(built.rows);
  CodeRows codes;
  codes.metric = rows.metric;
  codes.dim = built.dim;
  codes.scale = {built.code_scale, built.code_center};
  if (!(built.code_scale > 0) || !std::isfinite(built.code_scale) ||
      !std::isfinite(built.code_center) || (rows.metric != Metric::kL2 && built.code_center != 0))
    return Mismatch(graph_file.path(), "has an impossible scale of codes");
  if (settings.storage == VectorStorage::kInt4Int8) {
    codes.nibble_bytes = NibbleBytes(codes.dim);
    EQUIPOISE_ASSIGN_OR_RETURN(const auto high,
                               graph_file.SectionOf<std::uint8_t>("high", n * codes.nibble_bytes));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto low,
                               graph_file.SectionOf<std::uint8_t>("low", n * codes.nibble_bytes));
    codes.high = high.data();
    codes.low = low.data();
  } else {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto all,
                               graph_file.SectionOf<std::uint8_t>("codes", n * codes.dim));
    codes.codes = all.data();
  }
  rows.codes = codes;
  graph.codes = codes;
  return {};
}

Status VectorIndex::State::LoadGraph(const GraphInfo& built) {
  const std::string& path = graph_file.path();
  const auto n = static_cast<std::size_t>(built.rows);
  auto links = HnswLinks::Open(graph_file, built);
  if (!links) return links.error().At({.file = path});
  graph.links = *links;
  graph.reach = rows.metric == Metric::kL2 ? 0.0f : rows.info.max_norm;
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("copies"));
  EQUIPOISE_ASSIGN_OR_RETURN(copies, graph_file.SectionOf<Copy>("copies"));
  std::vector<bool> seen(copies.empty() ? 0 : n);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const Copy& pair = copies[i];
    if (pair.original >= pair.copy || pair.copy >= n || seen[pair.copy] ||
        (i > 0 && !(copies[i - 1] < pair)))
      return Mismatch(path, "has copies of rows out of order");
    seen[pair.copy] = true;
  }
  if (!alive.empty()) {
    alive_linked = alive;
    AddOriginals(&alive_linked);
  }
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("calibration"));
  EQUIPOISE_ASSIGN_OR_RETURN(recall, graph_file.SectionOf<RecallPoint>("calibration"));
  target = built.target_recall;
  if (graph_file.Has(kTuningSection)) {
    EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection(kTuningSection));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto tuned,
                               graph_file.SectionOf<WalkTuning>(kTuningSection, 1));
    const WalkTuning& lines = tuned[0];
    if (std::max({lines.code_lines, lines.list_lines, lines.likely_sketches, lines.next_lines,
                  lines.likely_lines}) > WalkTuning::kAll ||
        !(lines.gain >= 1) || !std::isfinite(lines.gain))
      return Mismatch(path, "has an impossible tuning");
    settings.tuning = graph.tuning = lines;
  }
  for (const RecallPoint& point : recall) {
    if (!(point.margin >= 0) || !(point.target >= 0 && point.target < 1))
      return Mismatch(path, "has an impossible calibration");
  }
  return {};
}

Status VectorIndex::State::LoadSketches(const GraphInfo& built) {
  EQUIPOISE_RETURN_IF_ERROR(graph_file.VerifySection("center"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto center, graph_file.SectionOf<float>("center", built.dim));
  EQUIPOISE_ASSIGN_OR_RETURN(sketcher,
                             Sketcher::Make(built.dim, rows.metric, center, built.sketch_seed));
  EQUIPOISE_ASSIGN_OR_RETURN(
      sketches, graph_file.SectionOf<std::byte>(
                    "sketches", static_cast<std::size_t>(built.rows) * SketchBytes(built.dim)));
  graph.sketcher = &*sketcher;
  graph.sketches = sketches.data();
  return small() ? scan.Open(*sketcher, built.sketch_seed, sketches) : Status();
}

Status VectorIndex::State::LoadGroups(const GraphInfo& built) {
  EQUIPOISE_ASSIGN_OR_RETURN(link_sketcher,
                             LinkSketcher::Make(built.dim, rows.metric, built.sketch_seed));
  if (graph.links.link_count() % kLinkGroup != 0)
    return Mismatch(graph_file.path(), "has links that are not in groups");
  const auto count = static_cast<std::size_t>(graph.links.link_count() / kLinkGroup);
  EQUIPOISE_ASSIGN_OR_RETURN(
      groups, graph_file.SectionOf<std::byte>("groups", count * LinkGroupBytes(built.dim)));
  graph.link_sketcher = &*link_sketcher;
  graph.groups = groups.data();
  return {};
}

}  // namespace equipoise
