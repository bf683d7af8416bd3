#include <algorithm>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/retrieval/collection_convert.h>

namespace equipoise {
namespace {

Result<const VectorIndex*> VectorsOf(const Collection& collection) {
  if (collection.vectors() != nullptr) return collection.vectors();
  return Status(
      Code::kInvalidArgument,
      "the index has no vectors: there is nothing to convert; its texts are in the corpus "
      "that it was made of");
}

// The ids of all rows but the deleted ones.
std::vector<std::string_view> IdsOf(const Collection& collection,
                                    std::span<const std::uint32_t> deleted) {
  std::vector<std::string_view> out;
  for (std::uint32_t doc = 0; doc < collection.documents(); ++doc) {
    if (!deleted.empty() && deleted.front() == doc) {
      deleted = deleted.subspan(1);
    } else {
      out.push_back(collection.Get(doc).id);
    }
  }
  return out;
}

bool IsLine(std::string_view id) {
  return !id.empty() && id.find_first_of("\r\n") == std::string_view::npos;
}

Status WriteWhole(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  EQUIPOISE_RETURN_IF_ERROR(file.Append(text));
  return file.Publish();
}

Status WriteLines(const std::string& path, std::span<const std::string_view> ids) {
  std::string text;
  for (const std::string_view id : ids) {
    text += id;
    text += '\n';
  }
  return WriteWhole(path, text);
}

Result<CollectionExportReport> WriteBoth(const Collection& collection, const std::string& folder) {
  namespace fs = std::filesystem;
  EQUIPOISE_ASSIGN_OR_RETURN(const VectorIndex* vectors, VectorsOf(collection));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return Status(Code::kIo, fmt::format("cannot create the folder: {}", error.message()),
                  {.file = folder});
  const auto path = [&](const char* name) { return (fs::path(folder) / name).string(); };
  CollectionExportReport report;
  EQUIPOISE_ASSIGN_OR_RETURN(report.vectors, WriteNpy(*vectors, path("vectors.npy")));
  const auto ids = IdsOf(collection, report.vectors.deleted);
  const bool lines = std::all_of(ids.begin(), ids.end(), IsLine);
  report.ids_file = path(lines ? "ids.txt" : "ids.json");
  EQUIPOISE_RETURN_IF_ERROR(lines ? WriteLines(report.ids_file, ids)
                                  : WriteWhole(report.ids_file, nlohmann::json(ids).dump() + "\n"));
  fs::remove(path(lines ? "ids.json" : "ids.txt"), error);
  return report;
}

Result<CollectionExportReport> WriteGraphAndIds(const Collection& collection,
                                                const std::string& path,
                                                const std::string& ids_path,
                                                const ProgressCallback& progress) {
  EQUIPOISE_ASSIGN_OR_RETURN(const VectorIndex* vectors, VectorsOf(collection));
  // Labels are row numbers: of deleted documents too.
  const auto ids = IdsOf(collection, {});
  if (!ids_path.empty()) {
    const auto bad = std::find_if_not(ids.begin(), ids.end(), IsLine);
    if (bad != ids.end())
      return Status(Code::kInvalidArgument,
                    "has an id with a line break, which a text file of ids cannot hold; take npy, "
                    "whose ids.json can",
                    {.row = bad - ids.begin(), .field = "_id"});
  }
  CollectionExportReport report;
  EQUIPOISE_ASSIGN_OR_RETURN(report.vectors, WriteFaiss(*vectors, path, progress));
  if (ids_path.empty()) return report;
  EQUIPOISE_RETURN_IF_ERROR(WriteLines(ids_path, ids));
  report.ids_file = ids_path;
  return report;
}

Result<CollectionImportReport> Import(const std::string& faiss_path,
                                      std::span<const std::string> ids,
                                      const FaissImportOptions& options,
                                      const std::string& folder) {
  EQUIPOISE_ASSIGN_OR_RETURN(const FaissFile file, FaissFile::Open(faiss_path));
  const FaissFileInfo& info = file.info();
  if (!ids.empty() && ids.size() != info.rows)
    return Status(Code::kInvalidArgument,
                  fmt::format("there are {} ids for {} vectors; id i belongs to vector i",
                              ids.size(), info.rows),
                  {.field = "ids"});
  CollectionOptions kept;
  kept.store_text = false;
  EQUIPOISE_ASSIGN_OR_RETURN(auto builder, CollectionBuilder::Begin(folder, kept));
  Document document;
  for (std::size_t i = 0; i < info.rows; ++i) {
    if (!ids.empty()) {
      document.id = ids[i];
    } else {
      document.id = info.ids.empty() ? fmt::to_string(i) : fmt::to_string(info.ids[i]);
    }
    EQUIPOISE_RETURN_IF_ERROR(builder.Add(document));
  }
  CollectionImportReport report{.rows = info.rows, .dim = info.dim};
  const auto write = [&](const std::string& vectors_path, const std::string& graph_path) -> Status {
    EQUIPOISE_RETURN_IF_ERROR(file.Build(options, vectors_path, graph_path));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto made, VectorIndex::Open(vectors_path, graph_path));
    report.metric = made.metric();
    return {};
  };
  EQUIPOISE_RETURN_IF_ERROR(builder.FinishWith(write));
  return report;
}

Status NoMemory() { return Status(Code::kOutOfMemory, "not enough memory to convert the index"); }

}  // namespace

Result<CollectionExportReport> ExportFaiss(const Collection& collection, const std::string& path,
                                           const std::string& ids_path,
                                           const ProgressCallback& progress) {
  try {
    return WriteGraphAndIds(collection, path, ids_path, progress);
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<CollectionExportReport> ExportNpy(const Collection& collection, const std::string& folder) {
  try {
    return WriteBoth(collection, folder);
  } catch (const std::bad_alloc&) {
    return NoMemory();
  } catch (const nlohmann::json::exception&) {
    return Status(Code::kCorruption, "has an id that is not UTF-8; build the index again");
  }
}

Result<CollectionImportReport> ImportFaiss(const std::string& faiss_path,
                                           std::span<const std::string> ids,
                                           const FaissImportOptions& options,
                                           const std::string& folder) {
  try {
    return Import(faiss_path, ids, options, folder);
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

}  // namespace equipoise
