// What the steps of the filter pass on: rows with their weights and verdicts so far.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_rows.h"

namespace equipoise {

/// What the rows of RowGroups say, side by side in the order of the groups; row by row they would be
/// far apart. The rating is NaN where the row is not kept.
struct GroupVotes {
  RawArray<float> rating;
  RawArray<float> weight;
  RawArray<std::uint64_t>
      other;  // the item's number in votes of sources, the source's in those of items
};

struct FilterWork {
  const FeedbackBatch& batch;
  const FeedbackOptions& options;
  std::span<float> weight;             // [n]
  std::span<FeedbackVerdict> verdict;  // [n]
  std::optional<RowGroups> items;      // where a step needs them and the column is there
  std::optional<RowGroups> sources;    // within a source by item, within an item by row
  int threads = 1;
  std::optional<GroupVotes> item_votes;
  std::optional<GroupVotes> source_votes;

  bool Kept(std::uint64_t row) const { return verdict[row] == FeedbackVerdict::kKept; }
};

/// Refuses rows with a dwell time that is none and multiplies the weights by what dwell time and
/// position say.
void WeighContext(FilterWork* work);

/// The factors of confidence of a dwell time >= 0 and of a position.
double DwellFactor(const ConfidenceOptions& options, float dwell);
double PositionFactor(const ConfidenceOptions& options, std::uint32_t position);

/// Gives rows that are abuse their verdict.
void FindAbuse(FilterWork* work);

/// The votes of groups; `other` are those that GroupVotes::other counts, or null.
GroupVotes TakeVotes(const FilterWork& work, const RowGroups& groups, const RowGroups* other);

/// Learns each source's reliability, [sources], and multiplies the weights by it, those of votes too.
std::vector<double> WeighReliability(FilterWork* work);

/// Multiplies the weights, those of votes too, by how much is known about each item.
void WeighEvidence(FilterWork* work);

}  // namespace equipoise
