/// A collection: documents, a lexical and a vector index over them, and hybrid search.
///
/// Most programs open <equipoise/engine/engine.h> instead, which is this and what learns on top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/core/telemetry.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/columns.h>
#include <equipoise/retrieval/document.h>
#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/lexical_index.h>
#include <equipoise/retrieval/query_syntax.h>
#include <equipoise/retrieval/search_request.h>
#include <equipoise/retrieval/search_result.h>
#include <equipoise/retrieval/snippet.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

/// How a collection is built.
struct CollectionOptions {
  // What is found.
  AnalyzerOptions analyzer{};
  Bm25Params bm25{};
  /// Title and text as two fields of BM25F with weights; absent: one text, title first.
  std::optional<Bm25Fields> fields{};
  Metric metric = Metric::kCosine;
  float target_recall = 0.995f;  ///< as VectorIndexOptions::target_recall
  FusionWeights weights{};       ///< used by searches that name no α; stored with the index
  bool store_text = true;        ///< keep titles and texts, so that they come back with a hit

  // How fast it is built and searched.
  VectorStorage storage = VectorStorage::kInt8Float16;
  int m = 32;                 ///< links a node of the graph, [2, 128]: more recall, more memory
  int ef_construction = 200;  ///< beam while building, [8, 4096]: more recall, slower building
  bool tune = true;           ///< as VectorIndexOptions::tune
  int threads = 1;  ///< for building; the files do not depend on it, but for what is tuned
  /// Bytes of terms and postings held while building, beyond which they go to a temporary file in the
  /// folder; 0: no limit. Texts, metadata and vectors are apart from it.
  std::size_t memory = std::size_t{1} << 30;
  std::uint64_t seed = 1;  ///< of the graph's levels
  ProgressCallback progress{};
};

/// Adds documents one by one and writes the index as one new generation of its folder.
/// Nothing of a collection that is already there changes until Finish returns ok; a builder that is
/// destroyed before leaves nothing behind.
/// Threads  one thread at a time
class EQUIPOISE_API CollectionBuilder {
 public:
  /// Errors   kInvalidArgument: an option out of range, or a folder that holds something else;
  ///          kUnavailable: another process is writing this index; kIo
  static Result<CollectionBuilder> Begin(const std::string& folder,
                                         const CollectionOptions& options);
  CollectionBuilder(CollectionBuilder&&) noexcept;
  CollectionBuilder& operator=(CollectionBuilder&&) noexcept;
  ~CollectionBuilder();

  /// Adds the next document; its title and text are indexed as one field, joined by a blank, unless the
  /// options tell them apart.
  /// Errors   kInvalidArgument: an empty or repeated id, text that is not UTF-8, a field of another
  ///          type than before; after any error the builder can only be destroyed
  Status Add(const Document& document);
  std::uint32_t documents() const;

  /// Builds the vector index, if there are embeddings, and publishes the generation.
  /// Shapes   embeddings [documents, d] in the order of Add, or empty for a lexical collection
  /// Errors   kInvalidArgument: another number of rows, NaN or infinity (row named); kCancelled by
  ///          the progress callback; kIo, kOutOfMemory
  Status Finish(EmbeddingsView embeddings = {});

  /// Writes the two files of a vector index, as VectorIndex::Open takes them, where they will stay.
  using VectorFilesWriter =
      std::function<Status(const std::string& vectors_path, const std::string& graph_path)>;
  /// Publishes the generation with a vector index that `write` makes; it is called once.
  /// Errors   kInvalidArgument: the index has another number of rows; what `write` or
  ///          VectorIndex::Open returns; kIo, kOutOfMemory
  Status FinishWith(const VectorFilesWriter& write);

 private:
  struct State;
  explicit CollectionBuilder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Sizes and settings, for `inspect`.
struct CollectionInfo {
  std::string folder;
  std::string library_version;  ///< that wrote the index
  int format_version = 0;
  std::uint32_t documents = 0;
  std::size_t dimensions = 0;  ///< 0: a lexical collection
  std::uint64_t terms = 0;
  std::uint64_t postings = 0;
  double average_length = 0;  ///< tokens a document
  std::string settings;       ///< JSON object: analyzer, bm25, vector, weights, ...
  /// What the vector graph was measured at, by ascending target; empty without a graph.
  std::vector<RecallPoint> recall;
  float target_recall = 0;  ///< that of searches which name none
  struct Part {
    std::string file;
    std::string section;
    std::uint64_t bytes = 0;
  };
  std::vector<Part> parts;
  std::uint64_t bytes = 0;  ///< of all files
};

/// An open collection.
/// Threads  everything is const and safe from many threads, with no lock held during a search; one
///          search runs in its caller's thread unless it asks for parallel_paths
class EQUIPOISE_API Collection {
 public:
  /// Maps the files. What searches rely on is checked now, the rest is only mapped (see Verify); a
  /// search never crashes on a damaged file.
  /// Errors   kNotFound, kInvalidArgument (not an index), kCorruption, kUnsupported (newer format)
  static Result<Collection> Open(const std::string& folder);
  Collection(Collection&&) noexcept;
  Collection& operator=(Collection&&) noexcept;
  ~Collection();

  /// Hybrid search: both paths' best `depth`, both true scores for every candidate, fused.
  /// With α = 1 or 0 the other path is not asked at all, unless the request wants both.
  /// Errors   kInvalidArgument: k or depth 0, α outside [0, 1], an embedding of another dimension,
  ///          with NaN, or for a collection without embeddings; α = 0 without an embedding; allowed
  ///          of another number of documents; a filter compiled for another collection; a
  ///          min_score that is not finite; mmr outside [0, 1], near_duplicate outside (0, 1], either of them for a
  ///          collection without embeddings; kCancelled: by the request's token
  ///          With operators also as ParseQuery; a required or excluded word or phrase of which nothing
  ///          is indexed; kUnsupported: a phrase where texts are not stored
  /// Note     a phrase costs the analysis of each document that has all its words and that nothing else
  ///          excludes, 5 µs a document of 250 bytes: 29 µs a search in the median, 4 ms in the 99th
  ///          percentile, of phrases of two words from npl
  Result<SearchResult> Search(const SearchRequest& request) const;

  /// Many searches over `threads` threads; results in the order of the requests, the same as from
  /// Search.
  std::vector<Result<SearchResult>> SearchBatch(std::span<const SearchRequest> requests,
                                                int threads) const;

  /// Id, title and text of a document; the views live as long as the collection.
  StoredDocument Get(std::uint32_t doc) const;
  std::optional<std::uint32_t> Find(std::string_view id) const;
  /// A metadata value, absent where the document has none.
  std::optional<FieldValue> Value(std::uint32_t doc, std::string_view field) const;
  const Columns& columns() const;
  /// The vector index over the documents, row i for document i; null without embeddings.
  const VectorIndex* vectors() const;
  /// BM25 of given documents: bit for bit the scores that Search finds; 0 where no term occurs.
  /// Shapes   docs, scores [m], any order; of spans of different lengths the shorter counts
  void ScoreLexical(std::string_view text, std::span<const std::uint32_t> docs,
                    std::span<float> scores) const;
  /// The lowest vector score that any document can have with the query, as kTheoretical takes it: −1
  /// for a cosine.
  /// Range    a collection with embeddings
  float LowestVectorScore(std::span<const float> query) const;
  /// BM25 of a document term by term. With operators, what the query excludes is not among the terms; a
  /// text that is no query is taken for words.
  std::vector<TermScore> ExplainLexical(std::string_view text, std::uint32_t doc,
                                        QuerySyntax syntax = QuerySyntax::kPlain) const;
  /// The same of many documents, as of a search's hits: the text is analyzed once.
  /// Shapes   docs [m], any order; returns [m]
  std::vector<std::vector<TermScore>> ExplainLexical(
      std::string_view text, std::span<const std::uint32_t> docs,
      QuerySyntax syntax = QuerySyntax::kPlain) const;
  /// The best passage of a document's text for a query (snippet.h) and the query's words in its title;
  /// empty where texts are not stored. The query as in ExplainLexical.
  DocumentSnippet SnippetOf(std::uint32_t doc, std::string_view query,
                            QuerySyntax syntax = QuerySyntax::kPlain,
                            const SnippetOptions& options = {}) const;

  std::uint32_t documents() const;
  std::size_t dimensions() const;  ///< 0: no embeddings
  bool has_text() const;           ///< some document has a term
  bool stores_text() const;        ///< titles and texts come back with hits
  FusionWeights weights() const;
  std::optional<Bm25Fields> fields() const;  ///< absent: title and text are one
  /// Another one for every build with other content; VectorIndexOptions::tune does not change it.
  std::uint64_t fingerprint() const;
  CollectionInfo Info() const;
  /// Latency histograms by layer over all searches so far.
  const Telemetry& telemetry() const;

  /// Reads every byte of every file and compares checksums.
  /// Errors   kCorruption naming file and part
  Status Verify() const;

 private:
  struct State;
  explicit Collection(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
