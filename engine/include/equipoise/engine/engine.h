/// Equipoise in one header: build an index, open it, search it.
///
///   auto built = equipoise::Engine::Build("my-index", documents, embeddings);
///   auto engine = equipoise::Engine::Open("my-index");
///   if (!engine) return Fail(engine.error().ToString());
///   auto found = engine->Search({.text = "...", .embedding = query, .k = 10});
///   for (const equipoise::Hit& hit : found->hits) Use(hit.id, hit.score);
///
/// Every result is a value or a Status that says what is wrong, where, and what to do. An engine is
/// const and shared between threads; a search runs in its caller's thread and takes no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/domain_detector.h>

namespace equipoise {

/// Files that an index is made of.
struct IndexSources {
  std::string corpus;  ///< corpus.jsonl in the BEIR layout: _id, title, text, further fields
  std::string
      embeddings{};  ///< .npy (float32 or float16) or .fvecs, row i for line i; may be empty
};

/// What Engine::BuildFromFiles made.
struct IndexReport {
  std::uint32_t documents = 0;
  std::size_t dimensions = 0;  ///< 0: no embeddings
  double seconds = 0;
};

/// Threads  const; safe from many threads
class EQUIPOISE_API Engine {
 public:
  /// Builds an index in `folder`, replacing the one that is there by one rename at the end.
  /// Shapes   embeddings [documents.size(), d], or empty: a lexical collection
  /// Errors   as CollectionBuilder, and DefaultSimdLevel (kernels/hardware.h); on any error the folder
  ///          is as it was
  static Status Build(const std::string& folder, std::span<const Document> documents,
                      EmbeddingsView embeddings = {}, const CollectionOptions& options = {});

  /// The same from files, one document in memory at a time.
  /// Errors   those of Build with file and line, and what the readers refuse: malformed JSON,
  ///          another number of rows than of documents, an .npy that is cut
  static Result<IndexReport> BuildFromFiles(const std::string& folder, const IndexSources& sources,
                                            const CollectionOptions& options = {});

  /// Opens an index by memory-mapping it.
  /// Errors   as Collection::Open, and DefaultSimdLevel (kernels/hardware.h)
  static Result<Engine> Open(const std::string& folder);

  /// From now on detects the domain of a query whose request names none and has an embedding.
  /// Errors   kInvalidArgument: the detector was fitted on embeddings of another dimension
  /// Threads  before the engine is shared; copies of `detector` may be shared between engines
  Status UseDetector(std::shared_ptr<const DomainDetector> detector);

  /// Hybrid search; SearchResult::domain says which domain the query belongs to.
  /// Errors   as Collection::Search
  Result<SearchResult> Search(const SearchRequest& request) const;

  /// The documents and indexes behind it: stored texts, metadata, explanations, sizes.
  const Collection& collection() const { return collection_; }

 private:
  explicit Engine(Collection collection) : collection_(std::move(collection)) {}
  Collection collection_;
  std::shared_ptr<const DomainDetector> detector_;
};

}  // namespace equipoise
