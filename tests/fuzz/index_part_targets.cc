// The files of an index one at a time, with their checksums right: documents, columns, the lexical
// index, and the two files of the vector index.
#include <cmath>
#include <cstring>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/random.h>
#include <equipoise/retrieval/columns.h>
#include <equipoise/retrieval/document_store.h>
#include <equipoise/retrieval/lexical_index.h>
#include <equipoise/retrieval/vector_convert.h>
#include <equipoise/retrieval/vector_index.h>

#include "fuzz_target.h"
#include "vector_files.h"

namespace equipoise::fuzz {
namespace {

constexpr std::uint32_t kDocuments = 6;

std::vector<Document> Documents() {
  std::vector<Document> out;
  for (std::uint32_t i = 0; i < kDocuments; ++i) {
    Document document{.id = "d" + std::to_string(10 - i), .title = "wing", .text = "of heat"};
    if (i != 2)
      document.fields = {{"year", std::int64_t{1960} + i},
                         {"share", 0.5 * i},
                         {"new", i % 2 == 0},
                         {"domain", "flow " + std::to_string(i)},
                         {"tags", JsonText{"[1,{\"a\":null}]"}}};
    out.push_back(document);
  }
  return out;
}

std::string Fixed(std::string_view input) {
  std::string out(input);
  FixChecksums(&out);
  return out;
}

void RunDocuments(std::string_view input) {
  static const Folder folder("documents");
  const auto store = DocumentStore::Open(folder.Write("documents", Fixed(input)));
  RequireCode(store.error(), {Code::kCorruption, Code::kUnsupported});
  if (!store.ok()) return;
  std::size_t bytes = 0;
  for (std::uint32_t doc = 0; doc < std::min(store->size() + 2, 100u); ++doc) {
    const StoredDocument document = store->Get(doc);
    for (const std::string_view text : {document.id, document.title, document.text})
      bytes += std::string(text).size();
    if (const auto found = store->Find(document.id))
      EQUIPOISE_FUZZ_REQUIRE(*found < store->size() && store->Id(*found) == document.id, "");
  }
  volatile std::size_t used = bytes;
  static_cast<void>(used);
  RequireCode(store->file().Verify(), {Code::kCorruption});
}

std::vector<std::string> DocumentsSeeds() {
  static const Folder folder("documents_seeds");
  std::vector<std::string> out;
  for (const bool store_text : {false, true}) {
    const std::string path = folder.path("seed");
    auto writer = DocumentStoreWriter::Create(path, store_text);
    EQUIPOISE_FUZZ_REQUIRE(writer.ok(), path);
    for (const Document& document : Documents())
      EQUIPOISE_FUZZ_REQUIRE(writer->Add(document).ok(), path);
    EQUIPOISE_FUZZ_REQUIRE(writer->Finish().ok(), path);
    out.push_back(ReadBytes(path));
  }
  return out;
}

void RunColumns(std::string_view input) {
  static const Folder folder("columns");
  const auto columns = Columns::Open(folder.Write("columns", Fixed(input)), kDocuments);
  RequireCode(columns.error(), {Code::kCorruption, Code::kUnsupported});
  if (!columns.ok()) return;
  for (const Columns::Column& column : columns->all()) {
    EQUIPOISE_FUZZ_REQUIRE(columns->Find(column.name) != nullptr, column.name);
    for (std::uint32_t doc = 0; doc < kDocuments + 2; ++doc)
      if (const auto value = columns->Value(column, doc))
        EQUIPOISE_FUZZ_REQUIRE(static_cast<ColumnType>(value->index()) == column.type, column.name);
  }
  RequireCode(columns->file().Verify(), {Code::kCorruption});
}

std::vector<std::string> ColumnsSeeds() {
  static const Folder folder("columns_seeds");
  const std::string path = folder.path("seed");
  ColumnsWriter writer;
  for (const Document& document : Documents())
    EQUIPOISE_FUZZ_REQUIRE(writer.Add(document.fields).ok(), path);
  EQUIPOISE_FUZZ_REQUIRE(writer.Write(path).ok(), path);
  return {ReadBytes(path)};
}

void RunLexical(std::string_view input) {
  static const Folder folder("lexical");
  const auto index = LexicalIndex::Open(folder.Write("lexical", Fixed(input)));
  RequireCode(index.error(), {Code::kCorruption, Code::kUnsupported});
  if (!index.ok()) return;
  const std::vector<std::string> query = {"wing", "flow", "flow", "heat", "x", "", "often", "less"};
  for (const std::size_t k : {1u, 100u})
    for (const Scored& hit : index->Search(query, k))
      EQUIPOISE_FUZZ_REQUIRE(
          hit.id < index->documents() && std::isfinite(hit.score) && hit.score >= 0, "");
  const std::vector<std::uint32_t> docs = {4, 0, 1, 1, 5, 300, 129, 0xffffffffu};
  std::vector<float> scores(docs.size());
  index->Score(query, docs, scores);
  for (const float score : scores) EQUIPOISE_FUZZ_REQUIRE(std::isfinite(score) && score >= 0, "");
  for (const std::uint32_t doc : docs) static_cast<void>(index->Explain(query, doc));
  for (const std::uint32_t doc : index->Matching(std::span(query).first(2)))
    EQUIPOISE_FUZZ_REQUIRE(doc < index->documents(), "");
  for (const std::uint32_t doc : index->Matching(std::span(query).last(2)))
    EQUIPOISE_FUZZ_REQUIRE(doc < index->documents(), "");
  RequireCode(index->Verify(), {Code::kCorruption});
}

std::vector<std::string> LexicalSeeds() {
  static const Folder folder("lexical_seeds");
  const std::string path = folder.path("seed");
  auto builder = LexicalIndexBuilder::Create();
  const std::vector<std::vector<std::string>> documents = {
      {"wing", "flow", "layer"}, {"flow", "flow"}, {}, {"heat", "wing"}, {"x"}, {"flow", "heat"}};
  for (const auto& document : documents) EQUIPOISE_FUZZ_REQUIRE(builder->Add(document).ok(), path);
  EQUIPOISE_FUZZ_REQUIRE(builder->Write(path).ok(), path);
  const std::string fields_path = folder.path("fields");
  auto fields = LexicalIndexBuilder::Create({.k1 = 0}, {}, Bm25Fields{.title_weight = 2});
  for (const auto& document : documents)
    EQUIPOISE_FUZZ_REQUIRE(fields->Add(document, document.size() / 2).ok(), path);
  EQUIPOISE_FUZZ_REQUIRE(fields->Write(fields_path).ok(), path);
  // Lists of several blocks, with their heads.
  const std::string blocks_path = folder.path("blocks");
  auto blocks = LexicalIndexBuilder::Create();
  for (std::size_t i = 0; i < 700; ++i) {
    std::vector<std::string> document(1 + i % 5, "often");
    if (i % 3 == 0) document.emplace_back("less");
    EQUIPOISE_FUZZ_REQUIRE(blocks->Add(document).ok(), blocks_path);
  }
  EQUIPOISE_FUZZ_REQUIRE(blocks->Write(blocks_path).ok(), blocks_path);
  return {ReadBytes(path), ReadBytes(fields_path), ReadBytes(blocks_path)};
}

// A small vector index with a graph, of which one file is replaced.
struct VectorPair {
  static constexpr std::size_t kRows = 48, kDim = 4;
  std::string vectors, graph;

  VectorPair(Metric metric, VectorStorage storage) {
    static const Folder folder("vector_seeds");
    Random random(7);
    std::vector<float> values(kRows * kDim);
    for (float& value : values) value = static_cast<float>(random.Uniform() - 0.5);
    std::copy_n(values.begin(), kDim, values.begin() + 5 * kDim);  // a copy, which is not linked
    const Status built = BuildVectorIndex(
        MatrixView<float>(values.data(), kRows, kDim),
        {.metric = metric, .storage = storage, .m = 2, .ef_construction = 8, .graph_from = 0},
        folder.path("vectors"), folder.path("graph"));
    EQUIPOISE_FUZZ_REQUIRE(built.ok(), built.ToString());
    vectors = ReadBytes(folder.path("vectors"));
    graph = ReadBytes(folder.path("graph"));
  }
};

/// Every storage by cosine, and the default one by the distance.
const std::vector<VectorPair>& Pairs() {
  static const std::vector<VectorPair> pairs = {
      {Metric::kCosine, VectorStorage::kInt8Float16}, {Metric::kL2, VectorStorage::kInt8Float16},
      {Metric::kCosine, VectorStorage::kInt8},        {Metric::kCosine, VectorStorage::kInt4Int8},
      {Metric::kCosine, VectorStorage::kInline},      {Metric::kCosine, VectorStorage::kFloat32}};
  return pairs;
}

const VectorPair& Pair(Metric metric) { return Pairs()[metric == Metric::kL2 ? 1 : 0]; }

void SearchVectors(const Folder& folder, const std::string& vectors, const std::string& graph) {
  const auto index =
      VectorIndex::Open(folder.Write("vectors", vectors), folder.Write("graph", graph));
  RequireCode(index.error(), {Code::kCorruption, Code::kUnsupported});
  if (!index.ok()) return;
  std::vector<float> query(index->dim(), 0.25f);
  for (const float first : {0.5f, -3e38f, 0.0f}) {
    if (!query.empty()) query[0] = first;
    for (const bool exact : {false, true}) {
      const auto found = index->Search(query, {.k = 3, .ef_search = 4, .exact = exact});
      RequireCode(found.error(), {Code::kCorruption});
      if (!found.ok()) continue;
      for (const Scored& hit : *found)
        EQUIPOISE_FUZZ_REQUIRE(hit.id < index->rows() && !std::isnan(hit.score), "");
    }
  }
  RequireCode(index->Verify(), {Code::kCorruption});
}

/// Writes the checksum of the file of vectors where the graph says to which one it belongs.
std::string GraphOf(const std::string& vectors, std::string graph) {
  static const Folder folder("graph_of");
  const auto file = CheckedFile::Open(folder.Write("graph", graph), "graph", kVectorFilesVersion);
  if (!file.ok() || vectors.size() < 64) return graph;
  const auto info = file->Section("info");
  if (!info.ok() || info->size() < 8) return graph;
  const auto whole = reinterpret_cast<const std::byte*>(info->data());
  // Sections are mapped in place: the distance to the first one in the file is an offset.
  std::size_t at = 64;
  for (const auto& section : file->Sections()) {
    const auto bytes = file->Section(section.name);
    if (bytes->data() == whole) break;
    at = (at + bytes->size() + 63) / 64 * 64;
  }
  if (at + 8 > graph.size()) return graph;
  std::memcpy(graph.data() + at, vectors.data() + 56, 8);
  FixChecksums(&graph);
  return graph;
}

void RunVectors(std::string_view input) {
  static const Folder folder("vectors");
  const std::string vectors = Fixed(input);
  for (const VectorPair& pair : Pairs())
    SearchVectors(folder, vectors, GraphOf(vectors, pair.graph));
}

std::vector<std::string> VectorsSeeds() {
  static const Folder folder("vectors_open");
  std::vector<std::string> out;
  for (const VectorPair& pair : Pairs()) {
    // That the checksum is put where it belongs; else nothing behind it would be reached.
    std::string other = pair.vectors;
    other.back() = static_cast<char>(other.back() ^ 1);
    FixChecksums(&other);
    const auto index = VectorIndex::Open(folder.Write("vectors", other),
                                         folder.Write("graph", GraphOf(other, pair.graph)));
    EQUIPOISE_FUZZ_REQUIRE(index.ok(), index.error().ToString());
    out.push_back(pair.vectors);
  }
  return out;
}

void RunGraph(std::string_view input) {
  static const Folder folder("graph");
  const std::string fixed = Fixed(input);
  for (const VectorPair& pair : Pairs())
    SearchVectors(folder, pair.vectors, GraphOf(pair.vectors, fixed));
}

std::vector<std::string> GraphSeeds() {
  std::vector<std::string> out;
  for (const VectorPair& pair : Pairs()) out.push_back(pair.graph);
  return out;
}

void RunFaiss(std::string_view input) {
  static const Folder folder("faiss");
  const std::string vectors = folder.path("vectors"), graph = folder.path("graph");
  const auto file = FaissFile::Open(folder.Write("file", input));
  RequireCode(file.error(), {Code::kCorruption, Code::kUnsupported});
  if (!file.ok()) return;
  const Status built = file->Build({.storage = VectorStorage::kInt4Int8}, vectors, graph);
  RequireCode(built, {Code::kCorruption});
  if (!built.ok()) return;
  const auto index = VectorIndex::Open(vectors, graph);
  EQUIPOISE_FUZZ_REQUIRE(index.ok() && index->Verify().ok(), index.error().ToString());
  const std::vector<float> query(index->dim(), 0.5f);
  const auto found = index->Search(query, {.k = 3, .ef_search = 10});
  // Sums of values near the largest float overflow.
  RequireCode(found.error(), {Code::kCorruption});
  if (!found.ok()) return;
  for (const Scored& hit : *found) EQUIPOISE_FUZZ_REQUIRE(hit.id < index->rows(), "");
}

std::vector<std::string> FaissSeeds() {
  static const Folder folder("faiss_seeds");
  std::vector<std::string> out;
  for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
    const std::string vectors = folder.Write("v", Pair(metric).vectors);
    const auto index = VectorIndex::Open(vectors, folder.Write("g", Pair(metric).graph));
    EQUIPOISE_FUZZ_REQUIRE(index.ok(), index.error().ToString());
    EQUIPOISE_FUZZ_REQUIRE(WriteFaiss(*index, folder.path("f")).ok(), "");
    out.push_back(ReadBytes(folder.path("f")));
  }
  // The same within an IndexIDMap: its header is that of the graph, its ids come last.
  const std::string& graph = out[0];
  std::int64_t rows = 0;
  std::memcpy(&rows, graph.data() + 8, sizeof(rows));
  std::string map = "IxMp" + graph.substr(4, 33) + graph;
  map.append(reinterpret_cast<const char*>(&rows), sizeof(rows));
  for (std::int64_t id = 0; id < rows; ++id)
    map.append(reinterpret_cast<const char*>(&id), sizeof(id));
  EQUIPOISE_FUZZ_REQUIRE(FaissFile::Open(folder.Write("m", map)).ok(), "");
  out.push_back(map);
  return out;
}

}  // namespace

std::vector<Target> IndexPartTargets() {
  return {{"documents", RunDocuments, DocumentsSeeds}, {"columns", RunColumns, ColumnsSeeds},
          {"lexical", RunLexical, LexicalSeeds},       {"vectors", RunVectors, VectorsSeeds, 3000},
          {"graph", RunGraph, GraphSeeds, 3000},       {"faiss", RunFaiss, FaissSeeds, 2000}};
}

}  // namespace equipoise::fuzz
