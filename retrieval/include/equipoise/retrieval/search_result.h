/// What a hybrid search finds, with everything that explains it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/query_domain.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

/// Who decided α.
enum class AlphaSource : std::uint8_t {
  kRequest,     ///< the request
  kPrior,       ///< Engine's policy, which has learned nothing for the domain yet
  kPolicy,      ///< what Engine's policy has learned
  kConfigured,  ///< fixed by a configuration, or by that of Engine's learning
  kIndex,       ///< stored with the index
  kDefault,     ///< 0.5: the request names a fusion that the index's α does not belong to
  kSinglePath,  ///< only one path could be asked: 1 or 0
};

/// "request", "prior", "learned", "configured", "index", "default", "single_path".
EQUIPOISE_API std::string_view AlphaSourceName(AlphaSource source);

/// One result, with everything that explains it.
struct Hit {
  std::string id;
  std::uint32_t doc = 0;  ///< number of the document, for Collection::Get and Explain
  float score = 0;        ///< α · lexical_normalized + (1 − α) · vector_normalized, in [0, 1]
  float lexical = 0;      ///< BM25; meaningless where the path was not asked
  float vector = 0;       ///< by the metric: inner product, or minus the squared distance
  float lexical_normalized = 0;
  float vector_normalized = 0;
  std::uint32_t lexical_rank = 0;  ///< 1-based; 0: not in the path's list
  std::uint32_t vector_rank = 0;
  float similarity = 0;  ///< with mmr: the cosine with the most similar hit above; 0 for the first
};

/// Both normalized scores of a document that a path found; NaN where that path was not searched.
struct CandidateScores {
  std::uint32_t doc = 0;
  float lexical = 0;  ///< in [0, 1]
  float vector = 0;

  friend bool operator==(const CandidateScores&, const CandidateScores&) = default;
};

struct SearchContext;  // engine/search_context.h

/// What a deadline cut short, in the order in which the layers come.
enum class SearchLayer : std::uint8_t { kNone, kVector, kLexical, kDiversity };

/// "none", "vector", "lexical", "diversity".
EQUIPOISE_API std::string_view SearchLayerName(SearchLayer layer);

/// Time of each layer of one search, in nanoseconds; with parallel_paths they add up to more than all.
struct LayerTimes {
  std::uint64_t analysis_ns = 0;
  std::uint64_t lexical_ns = 0;
  std::uint64_t vector_ns = 0;
  std::uint64_t fusion_ns = 0;     ///< filter, missing scores, order
  std::uint64_t diversity_ns = 0;  ///< near-duplicates, mmr
  std::uint64_t domain_ns = 0;     ///< detecting the domain, in Engine
  std::uint64_t policy_ns = 0;     ///< deciding α and keeping the context, in Engine
  std::uint64_t total_ns = 0;
};

struct SearchResult {
  std::vector<Hit> hits;  ///< score descending, ties by document order; with mmr as it chooses
  FusionWeights weights;  ///< what was used
  AlphaSource alpha_source = AlphaSource::kIndex;
  bool lexical_searched = false;  ///< false: the lexical numbers of the hits mean nothing
  bool vector_searched = false;
  VectorSearchReport
      vector{};           ///< how the vectors were searched, if they were: plan, bytes read, ...
  std::string_view note;  ///< why only one path was asked, where that was not the caller's wish
  /// The deadline came first: documents may be missing, those that are there have true scores. A path that
  /// found nothing in time counts as not searched; one that is left decides alone, as with α = 0 or 1.
  bool partial = false;
  SearchLayer cut = SearchLayer::kNone;  ///< the first layer that was cut short
  LayerTimes times;
  /// With keep_candidates: every document within the depth of a path, in no order. Where both paths were
  /// searched, fusing these scores gives the ranking at any α.
  std::vector<CandidateScores> candidates;

  // Filled by Engine.
  QueryDomain domain;
  double propensity = 1;             ///< with which the policy decides so; 1 where it was not asked
  std::uint64_t policy_version = 0;  ///< grows with what the policy has learned for the domain
  std::uint64_t query_id = 0;        ///< for Engine::Feedback; 0 where nothing learns
  /// What feedback needs to know, also in another process or later; null where nothing learns.
  std::shared_ptr<const SearchContext> context;
};

}  // namespace equipoise
