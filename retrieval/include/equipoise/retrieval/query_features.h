/// What a query looks like once both paths have been asked and before α is decided.
///
/// Every number is finite and in [0, 1] whatever was found, also where a list is empty. Scores are those of
/// the path's own list, least to most (FusionMethod::kMinMax), whatever the search fuses with; a rank that a
/// list does not have counts as a score of 0.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include <equipoise/core/export.h>
#include <equipoise/kernels/topk.h>

namespace equipoise {

struct QueryFeatures {
  static constexpr std::size_t kCount = 15;

  // The text.
  float terms = 0;  ///< log2(1 + n) / 8 of its n different terms; 1 from 255 on
  // idf of its terms over the largest that a term can have, that of one which no document has.
  float idf_mean = 0;
  float idf_highest = 0;
  float idf_lowest = 0;

  // The lexical list.
  float lexical_gap = 0;     ///< score of the first less that of the tenth
  float lexical_spread = 0;  ///< standard deviation of the scores
  float lexical_found = 0;   ///< its length over the depth that was asked for

  // The vector list.
  float vector_gap = 0;     ///< as lexical_gap
  float vector_spread = 0;  ///< as lexical_spread

  // Both.
  float overlap_10 = 0;   ///< part of the first ten of the shorter list that are among the other's
  float overlap_100 = 0;  ///< the same of the first hundred
  float lexical_of_first = 0;  ///< lexical score of the document that the vectors like best
  float vector_of_first = 0;   ///< vector score of the document that the terms like best

  // By the detector, not a policy's posterior; Engine sets them, a Collection leaves 0.
  float domain_probability = 0;  ///< QueryDomain::probability
  float domain_margin = 0;       ///< QueryDomain::margin, at most 1

  /// In this order.
  std::array<float, kCount> Values() const {
    return {terms,          idf_mean,         idf_highest,     idf_lowest,         lexical_gap,
            lexical_spread, lexical_found,    vector_gap,      vector_spread,      overlap_10,
            overlap_100,    lexical_of_first, vector_of_first, domain_probability, domain_margin};
  }
};

/// What features are made from.
struct RecalledQuery {
  /// Of each different term of the query, the documents that have it.
  std::span<const std::size_t> document_frequencies{};
  std::size_t documents = 0;          ///< of the collection
  std::span<const Scored> lexical{};  ///< best first
  std::span<const Scored> vector{};   ///< best first
  std::size_t lexical_depth = 100;    ///< that were asked for; the first so many count
  std::size_t vector_depth = 100;
  // Raw scores; not looked at where the list is empty.
  float lexical_of_first = 0;  ///< of the first document of `vector`
  float vector_of_first = 0;   ///< of the first document of `lexical`
};

/// The domain's part is left 0.
/// Range    depths >= 1
/// Threads  no shared state; O(n log n) in the length of the lists
EQUIPOISE_API QueryFeatures FeaturesOf(const RecalledQuery& query);

}  // namespace equipoise
