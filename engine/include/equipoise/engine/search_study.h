/// How well and how fast an index answers one's own judged queries, each way to search beside the others,
/// and for a sample of queries all that any α can show. `equipoise report` makes a page of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/core/telemetry.h>
#include <equipoise/engine/comparison.h>
#include <equipoise/engine/configuration.h>
#include <equipoise/engine/evaluation.h>
#include <equipoise/engine/learning_study.h>

namespace equipoise {

struct SearchStudyOptions {
  /// Of every search; its mmr is left out. Depths in [shown, 10,000].
  Configuration configuration{};
  std::string domains{};    ///< what `domains fit` wrote; empty: no domain is detected
  std::size_t sample = 40;  ///< queries to look into, evenly over those judged, in [1, 10,000]
  std::size_t shown = 10;   ///< hits of each of them, in [1, 100]
  ProgressCallback progress{};
};

/// A way to search, over all queries with a relevant document.
struct StudiedSetting {
  FusionWeights weights;
  EvaluationMeasures mean;
  simulation::Difference ndcg,
      recall;  ///< of ndcg@10 and recall@10: 95 % by bootstrap over queries
  /// ndcg@10 less that of the better path alone, paired by query.
  PairedComparison over_path;
  LatencySummary latency;  ///< as Evaluate measures it, of 1,000 results
};

/// Time of a part of hybrid searches for `shown` hits, one after the other, at the α of the study.
struct StudiedLayer {
  std::string_view name;
  LatencySummary latency;
};

/// A document that some α puts among the first `shown`.
struct StudiedCandidate {
  std::uint32_t doc = 0;
  float lexical = 0, vector = 0;                    ///< normalized, as CandidateScores
  std::uint32_t lexical_rank = 0, vector_rank = 0;  ///< 1-based; 0: not in the path's list
  std::optional<int> grade{};                       ///< absent: not judged
};

/// The hits at α are the candidates by α · lexical + (1 − α) · vector, computed in float as the search does,
/// ties by doc; at 1 and 0 those of the path's list, by its rank.
struct StudiedQuery {
  std::string id, text;
  std::size_t relevant = 0;
  double ideal_dcg = 0;  ///< of the first `shown` in the best order of all judged
  QueryDomain domain{};  ///< nobody's without a detector
  std::vector<StudiedCandidate> candidates;  ///< by doc
};

struct StudiedDocument {
  std::uint32_t doc = 0;
  std::string id, title, text;
};

struct SearchStudy {
  std::string index;
  std::uint32_t documents = 0;
  std::size_t queries = 0;  ///< with a relevant document
  std::uint64_t fingerprint = 0;
  std::size_t shown = 0;
  FusionWeights weights;  ///< the configuration's or the index's
  bool lexical_better = false;
  std::vector<StudiedSetting> settings;  ///< α = 1, 0, then the study's, where it is between them
  std::vector<StudiedLayer> layers;      ///< the last is the whole
  std::vector<StudiedQuery> sample;
  std::vector<StudiedDocument> cited;  ///< documents of the sample's candidates, by doc
};

/// Queries of the sample without a text or an embedding of one are not taken.
/// Errors   as Engine::Open, DomainDetector::Load, Evaluate, and the readers of queries, judgments and
///          embeddings; kInvalidArgument: an option out of range; kCancelled by the callback; kOutOfMemory
/// Threads  one
EQUIPOISE_API Result<SearchStudy> StudySearches(const StudySource& source,
                                                const SearchStudyOptions& options);

}  // namespace equipoise
