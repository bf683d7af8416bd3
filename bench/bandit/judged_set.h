// A judged collection as the bandit sees it: per query the candidates of both paths with their
// normalized scores and gains, found by the engine's own search.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/optimizer/reward_curve.h>

namespace equipoise::bench {

inline constexpr std::size_t kGrid = 21;
using Curve = std::array<double, kGrid>;

inline double AlphaOf(std::size_t i) { return static_cast<double>(i) / (kGrid - 1); }

struct JudgedQuery {
  std::vector<RewardCandidate> candidates;  // in document order, gain of all known
  double ideal_dcg = 0;
  double relevant = 0;
  Curve ndcg{};                                              // nDCG@10 at each α
  Curve recall{};                                            // Recall@10
  std::array<std::array<std::uint16_t, 10>, kGrid> shown{};  // candidates, best first
  std::array<std::uint8_t, kGrid> shown_count{};
};

struct JudgedSet {
  std::string name;
  std::vector<JudgedQuery> queries;
  Curve mean{};  // of ndcg, over all queries
  Curve mean_recall{};
  // Median over the queries of the time of a search with both paths, with the vector path alone and
  // with the lexical path alone; the index's defaults, this thread.
  double both_us = 0, vector_us = 0, lexical_us = 0;
};

/// Builds an index of folder/name in `scratch` and searches it.
Result<JudgedSet> LoadJudgedSet(const std::string& folder, const std::string& name,
                                const std::string& scratch);

/// The α that is best on average; the middle one of equals.
std::size_t BestOf(const Curve& curve);

}  // namespace equipoise::bench
