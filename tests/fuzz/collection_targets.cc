// A whole index, of which one file is replaced by the input and the checksums are right again: it is
// refused, or every search ends.
#include <cmath>
#include <cstring>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/index_folder.h>
#include <equipoise/core/random.h>
#include <equipoise/retrieval/collection.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

// As many rows as a graph is made for, and as small ones as there can be.
constexpr std::size_t kRows = 2048, kDim = 2;

/// An index on disk and in memory; put back as it was after every input.
class Sample {
 public:
  explicit Sample(std::string_view name) : folder_(name) {
    CollectionOptions options{.m = 2, .ef_construction = 8};
    Random random(3);
    std::vector<float> values(kRows * kDim);
    for (float& value : values) value = static_cast<float>(random.Uniform() - 0.5);
    auto builder = CollectionBuilder::Begin(folder_.path(), options);
    EQUIPOISE_FUZZ_REQUIRE(builder.ok(), builder.error().ToString());
    for (std::size_t i = 0; i < kRows; ++i) {
      Document document{.id = std::to_string(i), .title = "", .text = i % 9 == 0 ? "wing" : ""};
      if (i % 100 == 0) document.fields = {{"year", static_cast<std::int64_t>(i)}};
      EQUIPOISE_FUZZ_REQUIRE(builder->Add(document).ok(), document.id);
    }
    const Status built = builder->Finish(MatrixView<float>(values.data(), kRows, kDim));
    EQUIPOISE_FUZZ_REQUIRE(built.ok(), built.ToString());
    const auto made = Collection::Open(folder_.path());
    EQUIPOISE_FUZZ_REQUIRE(made.ok() && !made->Info().recall.empty(), "no graph");
    const auto manifest = ReadManifest(folder_.path());
    generation_ = manifest->generation;
    manifest_ = ReadBytes(folder_.path("MANIFEST"));
    for (const Manifest::File& file : manifest->files)
      files_[file.name] = ReadBytes(manifest->PathOf(folder_.path(), file.name));
  }

  const std::string& File(const std::string& name) const { return files_.at(name); }
  const std::string& manifest() const { return manifest_; }
  std::string folder() const { return folder_.path(); }

  /// The index with this file replaced.
  void Replace(const std::string& name, std::string_view bytes) const {
    auto manifest = nlohmann::json::parse(Body());
    folder_.Write(generation_ + "/" + name, bytes);
    for (auto& file : manifest["files"]) {
      if (file["name"] != name) continue;
      std::uint64_t checksum = 0;
      if (bytes.size() >= 64) std::memcpy(&checksum, bytes.data() + 56, sizeof(checksum));
      file["bytes"] = bytes.size();
      file["checksum"] = fmt::format("{:016x}", checksum);
    }
    WriteManifest(manifest.dump());
  }
  void PutBack(const std::string& name) const {
    folder_.Write(generation_ + "/" + name, files_.at(name));
    folder_.Write("MANIFEST", manifest_);
  }

  void WriteManifest(std::string_view object) const {
    const std::string body = fmt::format("equipoise-index 1\n{}\n", object);
    folder_.Write("MANIFEST",
                  fmt::format("{}xxh3 {:016x}\n", body, Checksum(std::as_bytes(std::span(body)))));
  }
  /// The JSON object of the manifest.
  std::string Body() const {
    const std::size_t begin = manifest_.find('\n') + 1;
    return manifest_.substr(begin, manifest_.rfind("xxh3 ") - begin);
  }

 private:
  Folder folder_;
  std::string generation_;
  std::string manifest_;
  std::map<std::string, std::string> files_;
};

void SearchAll(const std::string& folder) {
  const auto collection = Collection::Open(folder);
  RequireCode(collection.error(), {Code::kCorruption, Code::kUnsupported});
  if (!collection.ok()) return;
  const std::vector<float> query(collection->dimensions(), 0.5f);
  for (const FusionMethod method : {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion,
                                    FusionMethod::kTheoretical, FusionMethod::kRrf}) {
    for (const double alpha : {0.0, 0.5, 1.0}) {
      const auto found = collection->Search({.text = "wings",
                                             .embedding = query,
                                             .k = 5,
                                             .alpha = alpha,
                                             .fusion = method,
                                             .depth = 20,
                                             .ef_search = 20});
      RequireCode(found.error(), {Code::kCorruption, Code::kInvalidArgument});
      if (!found.ok()) continue;
      EQUIPOISE_FUZZ_REQUIRE(found->hits.size() <= 5, "");
      for (const Hit& hit : found->hits) {
        EQUIPOISE_FUZZ_REQUIRE(hit.doc < collection->documents(), "");
        EQUIPOISE_FUZZ_REQUIRE(hit.score >= 0 && hit.score <= 1, fmt::to_string(hit.score));
        static_cast<void>(collection->Get(hit.doc));
        static_cast<void>(collection->Value(hit.doc, "year"));
        static_cast<void>(collection->ExplainLexical("wings", hit.doc));
      }
    }
  }
  for (const Columns::Column& column : collection->columns().all()) {
    // Of a damaged file the column may be of any type and name.
    const auto filter = MetadataFilter::Compile(
        "not exists `" + column.name + "` or `" + column.name + "` != 3", *collection);
    RequireCode(filter.error(), {Code::kInvalidArgument});
    if (!filter.ok()) continue;
    const auto found = collection->Search(
        {.text = "wings", .embedding = query, .k = 5, .filter = &*filter, .mmr = 0.5});
    RequireCode(found.error(), {Code::kCorruption, Code::kInvalidArgument});
    if (!found.ok()) continue;
    EQUIPOISE_FUZZ_REQUIRE(found->hits.size() <= 5, "");
    for (const Hit& hit : found->hits)
      EQUIPOISE_FUZZ_REQUIRE(filter->Matches(hit.doc), fmt::to_string(hit.doc));
  }
  static_cast<void>(collection->Find("18"));
  static_cast<void>(collection->Info());
  RequireCode(collection->Verify(), {Code::kCorruption});
}

const Sample& TheSample() {
  static const Sample sample("collection");
  return sample;
}

void RunWith(const std::string& name, std::string_view input) {
  std::string fixed(input);
  FixChecksums(&fixed);
  TheSample().Replace(name, fixed);
  SearchAll(TheSample().folder());
  TheSample().PutBack(name);
}

void RunDocuments(std::string_view input) { RunWith("documents", input); }
void RunColumns(std::string_view input) { RunWith("columns", input); }
void RunLexical(std::string_view input) { RunWith("lexical", input); }
void RunGraph(std::string_view input) { RunWith("graph", input); }

std::vector<std::string> DocumentsSeeds() { return {TheSample().File("documents")}; }
std::vector<std::string> ColumnsSeeds() { return {TheSample().File("columns")}; }
std::vector<std::string> LexicalSeeds() { return {TheSample().File("lexical")}; }
std::vector<std::string> GraphSeeds() { return {TheSample().File("graph")}; }

// The input is the JSON object of the manifest: settings, names and sizes of files.
void RunManifest(std::string_view input) {
  TheSample().WriteManifest(input);
  SearchAll(TheSample().folder());
  TheSample().PutBack("documents");
}

std::vector<std::string> ManifestSeeds() { return {TheSample().Body()}; }

}  // namespace

std::vector<Target> CollectionTargets() {
  return {{"collection_manifest", RunManifest, ManifestSeeds, 400},
          {"collection_documents", RunDocuments, DocumentsSeeds, 300},
          {"collection_columns", RunColumns, ColumnsSeeds, 300},
          {"collection_lexical", RunLexical, LexicalSeeds, 300},
          {"collection_graph", RunGraph, GraphSeeds, 300}};
}

}  // namespace equipoise::fuzz
