/// Two rankings of one query in one list, so that its reader compares them without knowing: which of
/// two values of α is better shows with far fewer queries than from what each earns by itself.
///
///   auto draft = TeamDraft(with_first_alpha, with_second_alpha, 10, random.Next());
///   ... show draft->items; ratings[i] of item i, 0 where there is none ...
///   comparison.Add(DraftOutcome(*draft, ratings));
///   comparison.Verdict();                          // -1: the first is better, 1: the second
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/optimizer/mean_interval.h>

namespace equipoise {

enum class DraftTeam : std::uint8_t {
  kFirst,
  kSecond,
  kBoth,  ///< of the top that both rankings share: it tells nothing
};

struct DraftedList {
  std::vector<std::uint32_t> items;  ///< best first, each once
  std::vector<DraftTeam> teams;      ///< who has picked it
  /// What a rating of 1 says for the second: the discount 1 / log2(rank + 1) that the item has among its
  /// first k, less that among the first's; and less their mean over the list, weighted by the discounts
  /// of the places they are shown at, so that one who rates by the place alone, as the discount falls,
  /// says nothing; who rates all alike, or falls off otherwise, may lean a little to one side.
  std::vector<double> credits;
};

/// Drafts a list: the top that both share as it is; then in turns, who picks first by a coin in each
/// round, each takes its best that is not taken.
/// Shapes   first, second: documents, best first, each once in each
/// Range    k any; fewer where both together have fewer
/// Errors   kInvalidArgument: a document twice in one ranking; kOutOfMemory
/// Threads  pure; random: 64 uniform bits, the same give the same list
/// Source   Radlinski, Kurup & Joachims 2008, doi:10.1145/1458082.1458092; the common top: Chapelle et al.
///          2012, doi:10.1145/2094072.2094078
EQUIPOISE_API Result<DraftedList> TeamDraft(std::span<const std::uint32_t> first,
                                            std::span<const std::uint32_t> second, std::size_t k,
                                            std::uint64_t random);

/// What one list says: Σ rating · credit, the difference of both rankings' discounted gain as far as it
/// can be seen. It mostly takes fewer queries than counting each team's ratings does.
/// Shapes   ratings [items], each >= 0; what is missing counts as 0
/// Range    < 0: the first is better, > 0: the second; 0 from a reader of places, see credits
EQUIPOISE_API double DraftOutcome(const DraftedList& draft, std::span<const double> ratings);

/// Collects outcomes, one of each query.
/// Threads  a value type
class EQUIPOISE_API InterleavingComparison {
 public:
  void Add(double outcome);
  std::size_t queries() const { return queries_; }
  /// Of the outcomes.
  MeanInterval Mean() const { return MeanOf(queries_, sum_, squares_); }
  /// −1 the first is better, 1 the second, 0 not known yet: the 95 % interval holds 0, or there are fewer
  /// than 8 queries. Looking again and again is wrong more often than that.
  int Verdict() const;

 private:
  std::size_t queries_ = 0;
  double sum_ = 0, squares_ = 0;
};

}  // namespace equipoise
