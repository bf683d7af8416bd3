#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/vector_index.h>
#include <equipoise/retrieval/vector_index_update.h>

#include "vector_files.h"
#include "vector_index_build.h"
#include "vector_state.h"

namespace equipoise {
namespace {

constexpr char kDeleted[] = "deleted";

// Every section as it is, and the deleted rows anew.
Status WriteGraph(const CheckedFile& graph, std::span<const std::uint64_t> deleted,
                  const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, kGraphKind, kVectorFilesVersion));
  for (const CheckedFile::SectionInfo& section : graph.Sections()) {
    if (section.name == kDeleted || section.name == kTuningSection) continue;
    EQUIPOISE_ASSIGN_OR_RETURN(const auto bytes, graph.Section(section.name));
    EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::byte>(section.name, bytes));
  }
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint64_t>(kDeleted, deleted));
  if (graph.Has(kTuningSection)) {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto tuned, graph.Section(kTuningSection));
    EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::byte>(kTuningSection, tuned));
  }
  return writer.Finish();
}

Result<std::size_t> Delete(std::span<const std::uint32_t> rows, const std::string& vectors_path,
                           const std::string& graph_path, const std::string& out_graph_path) {
  // That the two files belong together, and how many rows there are.
  EQUIPOISE_ASSIGN_OR_RETURN(const VectorIndex index, VectorIndex::Open(vectors_path, graph_path));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] >= index.rows())
      return Status(
          Code::kInvalidArgument,
          fmt::format("DeleteVectorRows: rows[{}] = {} is not below the number of rows, {}", i,
                      rows[i], index.rows()),
          {.field = "rows"});
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile graph,
                             CheckedFile::Open(graph_path, kGraphKind, kVectorFilesVersion));
  // Its bytes get new checksums: they must be the right ones.
  EQUIPOISE_RETURN_IF_ERROR(graph.Verify());
  std::vector<std::uint64_t> deleted((index.rows() + 63) / 64, 0);
  if (graph.Has(kDeleted)) {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto before,
                               graph.SectionOf<std::uint64_t>(kDeleted, deleted.size()));
    deleted.assign(before.begin(), before.end());
  }
  std::size_t count = 0;
  for (const std::uint32_t row : rows) {
    const std::uint64_t bit = std::uint64_t{1} << (row % 64);
    count += (deleted[row / 64] & bit) == 0;
    deleted[row / 64] |= bit;
  }
  const std::string aside = AsideName(out_graph_path);
  EQUIPOISE_RETURN_IF_ERROR(WriteGraph(graph, deleted, aside));
  if (std::rename(aside.c_str(), out_graph_path.c_str()) != 0) {
    const int error = errno;
    std::error_code ignored;
    std::filesystem::remove(aside, ignored);
    return Status(Code::kIo, fmt::format("cannot take the place of it: {}", std::strerror(error)),
                  {.file = out_graph_path});
  }
  return count;
}

Result<std::uint32_t> Add(const EmbeddingsView& rows, const AddRowsOptions& options,
                          const std::string& vectors_path, const std::string& graph_path,
                          const std::string& out_vectors_path, const std::string& out_graph_path) {
  for (const std::string& path : {out_vectors_path, out_graph_path}) {
    std::error_code ignored;
    if (std::filesystem::equivalent(path, vectors_path, ignored) ||
        std::filesystem::equivalent(path, graph_path, ignored) ||
        out_vectors_path == out_graph_path)
      return Status(Code::kInvalidArgument, "AddVectorRows: the new files need names of their own",
                    {.file = path});
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const VectorIndex index, VectorIndex::Open(vectors_path, graph_path));
  EQUIPOISE_RETURN_IF_ERROR(index.Verify());
  const auto& state = VectorIndexAccess::StateOf(index);
  EQUIPOISE_ASSIGN_OR_RETURN(const auto infos,
                             state.graph_file.template SectionOf<GraphInfo>("info", 1));
  const GraphInfo& built = infos[0];
  const std::size_t had = index.rows();
  if (had > 0) EQUIPOISE_CHECK_EQUAL("AddVectorRows", rows.cols(), index.dim());
  VectorIndexOptions as_built;
  as_built.metric = index.metric();
  as_built.storage = index.settings().storage;
  as_built.target_recall = built.target_recall;
  as_built.m = built.m;
  as_built.ef_construction = built.ef_construction;
  as_built.seed = built.seed;
  as_built.graph_from = options.graph_from;
  as_built.threads = options.threads;
  as_built.tune = options.tune;
  as_built.progress = options.progress;
  if (had == 0) {
    EQUIPOISE_RETURN_IF_ERROR(BuildVectorIndex(rows, as_built, out_vectors_path, out_graph_path));
    return 0;
  }
  IndexBefore before{
      .rows = state.rows, .copies = state.copies, .linked_by = state.settings.linked_by};
  if (state.settings.has_graph) before.links = &state.graph.links;
  if (state.graph_file.Has(kDeleted)) {
    EQUIPOISE_ASSIGN_OR_RETURN(before.deleted, state.graph_file.template SectionOf<std::uint64_t>(
                                                   kDeleted, (had + 63) / 64));
  }
  EQUIPOISE_RETURN_IF_ERROR(BuildVectorIndexBehind("AddVectorRows", before, rows, as_built,
                                                   out_vectors_path, out_graph_path));
  return static_cast<std::uint32_t>(had);
}

}  // namespace

Result<std::uint32_t> AddVectorRows(const EmbeddingsView& rows, const AddRowsOptions& options,
                                    const std::string& vectors_path, const std::string& graph_path,
                                    const std::string& out_vectors_path,
                                    const std::string& out_graph_path) {
  try {
    return Add(rows, options, vectors_path, graph_path, out_vectors_path, out_graph_path);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to add rows to the vector index");
  }
}

Result<std::size_t> DeleteVectorRows(std::span<const std::uint32_t> rows,
                                     const std::string& vectors_path, const std::string& graph_path,
                                     const std::string& out_graph_path) {
  try {
    return Delete(rows, vectors_path, graph_path, out_graph_path);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to delete rows of the vector index");
  }
}

}  // namespace equipoise
