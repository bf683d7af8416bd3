/// Equipoise in one header: build an index, open it, search it, let it learn from feedback.
///
///   auto built = equipoise::Engine::Build("my-index", documents, embeddings);
///   auto engine = equipoise::Engine::Open("my-index");
///   if (!engine) return Fail(engine.error().ToString());
///   auto found = engine->Search({.text = "...", .embedding = query, .k = 10});
///   for (const equipoise::Hit& hit : found->hits) Use(hit.id, hit.score);
///
/// Learning α, once, and for each rating, whenever it comes:
///
///   engine->KeepLearning(*equipoise::MakeWeightPolicy("curve"));
///   engine->Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0});
///
/// Every result is a value or a Status that says what is wrong, where, and what to do. An engine is
/// shared between threads; a search runs in its caller's thread and waits for no other, except for the
/// moments in which two that learn put their contexts into the same part of the ring, and in which it takes
/// the configuration in use, where there is one (UseConfiguration).
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

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/engine/configuration.h>
#include <equipoise/engine/learning.h>
#include <equipoise/engine/search_context.h>
#include <equipoise/optimizer/interleaving.h>
#include <equipoise/optimizer/weight_policies.h>
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

/// What SearchInterleaved found.
struct InterleavedResult {
  SearchResult
      result;  ///< its hits are the drafted list, their scores each of the α that found it first
  DraftedList draft;  ///< items: SearchResult::hits by document number, and what each says
};

/// Makes a policy from what its Save has written.
using PolicyLoader = std::function<Result<std::unique_ptr<WeightPolicy>>(const std::string& path)>;

class Learner;
class ParetoRouter;
struct TunedFront;       // engine/tuning.h
struct FrontPreference;  // likewise

/// Threads  const functions are safe from many threads, Feedback among them
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
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  /// From now on detects the domain of a query whose request names none and has an embedding.
  /// Errors   kInvalidArgument: the detector was fitted on embeddings of another dimension
  /// Threads  before the engine is shared; copies of `detector` may be shared between engines
  Status UseDetector(std::shared_ptr<const DomainDetector> detector);

  /// From now on the policy decides α where the request names none and both paths can be asked (a text
  /// and an embedding); its α goes before the one that is stored with the index. Contexts are kept.
  /// Null: none any more. The policy may be shared between engines of one normalization.
  /// Errors   kInvalidArgument: an option out of range, priors of another normalization; kOutOfMemory
  /// Threads  before the engine is shared
  Status UsePolicy(std::shared_ptr<WeightPolicy> policy, const LearningOptions& options = {});

  /// Hybrid search; SearchResult::domain says which domain the query belongs to. Where the domain is
  /// `general` or nobody's, the policy is asked for kGeneralDomain.
  /// Errors   as Collection::Search
  Result<SearchResult> Search(const SearchRequest& request) const;

  /// The same with a configuration, as Configured. Who decides α: the request; else the configuration
  /// where it fixes one (AlphaSource::kConfigured); else the policy; else the index. Feedback teaches the
  /// policy the query's reward curve in each case, as that tells of every α whoever chose one; a decision
  /// with its propensity goes with it only where the policy has decided (WeightDecision::by_policy).
  /// Errors   as Search; kInvalidArgument: a value of the configuration out of range
  Result<SearchResult> Search(const SearchRequest& request,
                              const Configuration& configuration) const;

  /// Searches with two values of α and drafts one list of both (optimizer/interleaving.h): which is better
  /// shows from its ratings, comparison.Add(DraftOutcome(found->draft, ratings)) of each query, and feedback
  /// on it is learned from as on any other. Takes two searches, of which the first is what result.times says.
  /// Range    alphas in [0, 1]; request.alpha is not looked at; random: 64 uniform bits, of the draft
  /// Errors   as Search; as TeamDraft
  Result<InterleavedResult> SearchInterleaved(const SearchRequest& request, double first_alpha,
                                              double second_alpha, std::uint64_t random) const;

  /// From now on this configuration is that of every Search that brings none, and its switches hold for all
  /// that the engine does; its instruction set holds for the process (UseMachine). A detector stays where it
  /// was loaded: for another `gpu`, load it again with SimilarityOf and give it to UseDetector.
  /// Errors   kInvalidArgument: as CheckConfiguration; kUnsupported: as CheckMachine. Then nothing has changed
  /// Threads  any, at any time: a search sees one configuration or the other, whole
  Status UseConfiguration(const Configuration& configuration) const;

  /// From now on this front's configurations are picked from by preference; the one before goes as soon as
  /// no search uses it. True where the front was made on this collection as it is; else what it promises
  /// may no longer hold.
  /// Errors   kInvalidArgument: no points; kOutOfMemory. Then nothing has changed
  /// Threads  any, at any time: a search sees one front or the other
  Result<bool> UseFront(const TunedFront& front) const;
  /// The configuration that a preference picks from the front in use.
  /// Errors   kUnavailable: no front is in use; as PreferenceFor and PreferenceTable::Pick
  Result<Configuration> Pick(const FrontPreference& preference) const;
  /// Search with that configuration; with the one in use where its `router` is off.
  /// Errors   as Pick and Search
  Result<SearchResult> Search(const SearchRequest& request,
                              const FrontPreference& preference) const;

  /// Learns from feedback on a search: late, in part, again (for a document and source the latest by
  /// its time counts, and once, as long as the query is remembered), in any order. Documents without a rating are unknown, not bad.
  /// Errors   kUnavailable: no policy in use; kNotFound: a query that was never asked or is no longer
  ///          remembered, a hit or document that it did not find; kInvalidArgument: no query or two, no
  ///          rating, NaN or a value outside its range, a time too far ahead, a context of another
  ///          index; kCorruption, kUnsupported: a context that cannot be read; as the policy's Update.
  ///          After KeepLearning also kNotFound: a query older than the retention; kIo: a full disk, say;
  ///          kUnavailable: this engine only reads. Then nothing was learned
  /// Threads  any, at any time; feedback waits for feedback, searches do not
  Result<FeedbackOutcome> Feedback(const QueryFeedback& feedback) const;

  /// Learns on where the last engine of this index ended, however it ended, and makes feedback durable:
  /// from now on Feedback writes it, with the context of its query, to the log IDX/FEEDBACK before it
  /// returns. What was learned is the snapshot IDX/POLICY where there is one, else `fresh`, and then what
  /// the log holds beyond it. The snapshot is a cache that makes the next start short: SavePolicy writes
  /// it, and so does this after replaying 10,000 feedbacks; a damaged one counts as none as long as
  /// nothing has left the log. With LogAccess::kWrite this engine is the index's only writer of feedback;
  /// any number of others, in other processes too, may search.
  /// Errors   kUnavailable: another engine writes; kInvalidArgument: no policy, a log of another index;
  ///          kCorruption: a damaged log, a damaged snapshot without which feedback would be lost;
  ///          kNotFound: read access and no log; kIo: a folder that cannot be written to; as LoadPolicy
  ///          and UsePolicy. Then nothing has changed
  /// Threads  before the engine is shared; not across a fork
  Result<LearningResumed> KeepLearning(std::shared_ptr<WeightPolicy> fresh,
                                       const LearningOptions& options = {},
                                       const FeedbackLogOptions& log = {},
                                       const PolicyLoader& loader = LoadWeightPolicy);

  /// Writes the policy, the contexts with their ratings, and where the decisions stand to one file,
  /// whole or not at all: an engine that loads it on the same index continues bit for bit, as far as
  /// searches and feedback come one after the other. Default: the file POLICY of the index folder.
  /// After KeepLearning the default path is the snapshot, and feedback that is older than the retention
  /// leaves the log.
  /// Errors   kUnavailable: no policy in use, or the snapshot is another engine's to write; kIo, kOutOfMemory
  Status SavePolicy(const std::string& path = {}) const;
  /// UsePolicy with what SavePolicy has written, or with a policy's own file. The options are the
  /// caller's; the decisions' seed is the file's. Contexts of another index are left out.
  /// Errors   kNotFound, kIo; kCorruption: cut, changed, neither; kUnsupported: another version;
  ///          kInvalidArgument: learned with another normalization than options.fusion; as
  ///          UsePolicy. Then nothing has changed
  /// Threads  before the engine is shared
  Status LoadPolicy(const std::string& path = {}, const LearningOptions& options = {},
                    const PolicyLoader& loader = LoadWeightPolicy);

  /// The policy in use, or null.
  std::shared_ptr<const WeightPolicy> policy() const;

  /// The documents and indexes behind it: stored texts, metadata, explanations, sizes.
  const Collection& collection() const { return collection_; }

 private:
  struct InUse;  // the configuration
  explicit Engine(Collection collection, std::string folder);
  /// `change`, where there is one, is given what was asked and found before it is remembered.
  Result<SearchResult> Run(
      const SearchRequest& request, const Configuration& switches,
      const std::function<Status(const SearchRequest&, SearchResult*)>& change) const;
  Result<SearchResult> RunWith(const SearchRequest& request,
                               const Configuration& configuration) const;
  Status Detect(const SearchRequest& request, QueryDomain* domain) const;

  Collection collection_;
  std::string folder_;
  std::shared_ptr<const DomainDetector> detector_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<ParetoRouter> router_;
  std::unique_ptr<InUse> in_use_;
};

}  // namespace equipoise
