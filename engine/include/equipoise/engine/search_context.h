/// What a search leaves behind for the feedback on it, which may come much later, or in another
/// process: SearchResult::context.
///
///   store(found->context->Serialize());                              // the process that searched
///   engine->Feedback({.context = stored, .hit = 0, .rating = 1.0});  // whichever is told
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/retrieval/collection.h>

namespace equipoise {

/// Threads  a value type
struct EQUIPOISE_API SearchContext {
  std::uint64_t query_id = 0;
  std::uint64_t fingerprint = 0;  ///< of the collection that was searched
  double time = 0;                ///< when it was searched, seconds since 1970
  std::string domain{};           ///< as the policy knows it; never empty
  WeightDecision decision{};      ///< by_policy false where the policy was not asked
  FusionMethod method = FusionMethod::kMinMaxUnion;
  float lexical_us = 0;                       ///< time of each path; 0 where it was not searched
  float vector_us = 0;                        ///< likewise
  std::vector<CandidateScores> candidates{};  ///< as SearchResult::candidates
  std::vector<std::uint32_t> shown{};         ///< documents of the hits, best first
  std::vector<float> features{};  ///< QueryFeatures::Values, where a policy has decided by them

  /// As bytes, about 12 for each candidate, with a version and a checksum.
  /// Errors   none; std::bad_alloc may leave it, as it may any std::string
  std::string Serialize() const;
  /// What Serialize gave, also before it knew features.
  /// Errors   kCorruption: cut, changed, none at all; kUnsupported: another version; kOutOfMemory
  static Result<SearchContext> Parse(std::string_view bytes);
};

}  // namespace equipoise
