// Configurations judged without searching: what searches of the two paths found is kept, and fused by the
// functions that searches fuse with, so that a configuration's ranking is that of Engine::Search.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include <equipoise/engine/tuning.h>
#include <equipoise/retrieval/fusion.h>

#include "judged_source.h"

namespace equipoise {

/// What one search does, as far as it costs: the counts of CostUnits, in its order.
struct SearchCounts {
  static constexpr std::size_t kParts = 11;
  std::array<double, kParts> parts{};

  double Cost(const CostUnits& units) const;  ///< milliseconds, or money
};

/// The step with which at most `most` of n things are taken, evenly over all.
inline std::size_t EveryNth(std::size_t n, std::size_t most) {
  return std::max<std::size_t>(1, (n + most - 1) / most);
}

/// Threads  Prepare one at a time, everything else const and safe from many
class TuningEvaluator {
 public:
  struct Options {
    QualityMeasure measure = QualityMeasure::kNdcg;
    std::size_t k = 10;
    std::size_t longest = 200;  ///< no configuration's list is longer
    double groundedness = 0.5;  ///< its share of quality, of queries with an answer
    bool subtopics = false;     ///< diversity is α-nDCG, of queries with subtopics; else of none
    bool mmr = true;            ///< some configuration may diversify: room for what they share
    int threads = 1;
    ProgressCallback progress{};  ///< of Create, stage "searching"
  };
  /// A query of a source, with all that was found for it.
  struct Query;
  struct OfQuery {
    double quality = 0;
    double diversity = 0;  ///< NaN: α-nDCG of a query without subtopics
    SearchCounts counts{};
  };

  /// Searches all queries that can be judged by their words; `sources` must live as long.
  /// Errors   as Collection::Search; kInvalidArgument: a source without one of the paths; kCancelled
  static Result<std::unique_ptr<TuningEvaluator>> Create(const std::vector<JudgedSource>& sources,
                                                         const Options& options);
  ~TuningEvaluator();

  /// Searches what of the vector path the configurations need and no earlier one needed.
  /// Errors   as VectorIndex::Search
  Status Prepare(std::span<const Configuration> configurations);

  /// The hits of a prepared configuration for a query, as a search shows them.
  std::vector<Candidate> Rank(const Configuration& configuration, std::size_t query,
                              SearchCounts* counts) const;
  /// A prepared configuration on a query.
  OfQuery Judge(const Configuration& configuration, std::size_t query) const;
  /// The means over queries; cost by the units.
  TunedValues Judge(const Configuration& configuration, std::span<const std::uint32_t> queries,
                    const CostUnits& units, std::vector<double>* qualities = nullptr) const;

  std::size_t queries() const;
  std::size_t SourceOf(std::size_t query) const;
  bool HasAnswer(std::size_t query) const;
  bool HasSubtopics(std::size_t query) const;
  SearchRequest RequestOf(std::size_t query) const;
  std::uint64_t searches() const { return searches_; }

 private:
  /// Searches of the vector path that find the same.
  struct VectorKey {
    std::size_t depth = 0, ef_search = 0, rescore = 0;
    float target_recall = 0;
    bool exact = false;
    auto operator<=>(const VectorKey&) const = default;
  };
  class Cosines;
  struct Rows;  // unit rows of documents of a source

  explicit TuningEvaluator(const Options& options);
  Status AddSource(const JudgedSource& source, std::size_t number);
  VectorKey KeyOf(const Configuration& configuration) const;
  Status SearchWords(Query* query) const;
  Status SearchVectors(std::span<const VectorKey> keys, Query* query) const;
  Status ReadRows();
  void Diversify(const Configuration& configuration, const Query& query,
                 std::vector<Candidate>* hits) const;
  double Diversity(const Query& query, std::span<const Candidate> hits) const;
  double Quality(const Query& query, std::span<const Candidate> hits) const;
  Status FindSupport(Query* query) const;

  Options options_;
  const std::vector<JudgedSource>* sources_ = nullptr;
  std::vector<Query> queries_;
  std::vector<Rows> rows_;  // [sources]
  std::map<VectorKey, std::size_t> keys_;
  std::uint64_t searches_ = 0;
};

}  // namespace equipoise
